package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"modernc.org/sqlite"
)

// Backup writes a consistent copy of the database to the new file path, with
// mode 0600, while the store is in use. The copy holds all secrets. It is marked
// as a backup: the first Open of it, or of a copy of it, begins a new generation.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := s.backup(ctx, path); err != nil {
		return fmt.Errorf("store: back up: %w", err)
	}
	return s.AddEvent(ctx, Event{Kind: "store.backup", Subject: filepath.Base(path)})
}

func (s *Store) backup(ctx context.Context, path string) (err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, errors.Join(ErrExists, err))
	}
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	defer func() {
		if err != nil {
			removeSQLite(part)
		}
	}()
	conn, err := s.db.backups.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, "VACUUM INTO $1", part); err != nil {
		return err
	}
	if err := markBackup(ctx, part, s.now()); err != nil {
		return err
	}
	return publish(f, part, path)
}

// publish makes the finished file part durable under its name path.
func publish(f *os.File, part, path string) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func markBackup(ctx context.Context, path string, now int64) error {
	return withSQLite(path, func(db *sql.DB) error {
		if _, err := db.ExecContext(ctx, setMeta, metaBackup, strconv.FormatInt(now, 10)); err != nil {
			return err
		}
		return checkSQLite(ctx, db)
	})
}

// withSQLite opens a database that nobody else uses.
func withSQLite(path string, do func(*sql.DB) error) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	c, err := sqlite.NewConnector(sqliteURL(path, "journal_mode(DELETE)", "synchronous(FULL)", "trusted_schema(0)"))
	if err != nil {
		return err
	}
	db := sql.OpenDB(c)
	return errors.Join(do(db), db.Close())
}

// Restore copies a file that Backup has written to the new file path, after it
// has checked that it is whole. Open of that begins a new generation.
//
// The store that the backup was taken from must not be used any more. What it
// did after the backup is lost: tokens issued since then are not in the ledger
// and cannot be superseded or revoked by name, and identifiers given out since
// then are not known to be in use.
func Restore(ctx context.Context, backup, path string) error {
	if err := restore(ctx, backup, path); err != nil {
		return fmt.Errorf("store: restore %s: %w", backup, err)
	}
	return nil
}

func restore(ctx context.Context, backup, path string) (err error) {
	for _, suffix := range []string{"", "-wal", "-journal"} {
		if _, err := os.Lstat(path + suffix); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", path+suffix, errors.Join(ErrExists, err))
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	in, err := os.Open(backup)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	part := path + ".part"
	out, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	defer func() {
		if err != nil {
			removeSQLite(part)
		}
	}()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	if err := withSQLite(part, func(db *sql.DB) error { return checkBackup(ctx, db) }); err != nil {
		return err
	}
	return publish(out, part, path)
}

// checkBackup refuses a database that is damaged or that is not a backup.
func checkBackup(ctx context.Context, db *sql.DB) error {
	if err := checkSQLite(ctx, db); err != nil {
		return err
	}
	var made string
	err := db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = $1", metaBackup).Scan(&made)
	if errors.Is(err, sql.ErrNoRows) {
		return errors.New("this is not a backup")
	}
	return err
}
