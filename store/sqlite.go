package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

// A database is what depends on the engine.
type database struct {
	writer  *sql.DB // one connection
	readers *sql.DB
	backups *sql.DB          // for Backup
	begin   string           // begins a transaction that may write
	fatal   func(error) bool // the error shakes the trust in earlier writes
	busy    func(error) bool // another process has it locked
	tables  string           // counts the tables
	place   string           // what changes when the file is copied; "" if unknown
}

func (d database) close() error {
	return errors.Join(d.writer.Close(), d.readers.Close(), d.backups.Close())
}

// pragmas of every connection. WAL with synchronous=FULL syncs each commit; what
// is deleted is overwritten, because it may be a key.
var pragmas = []string{
	"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	"secure_delete(1)", "trusted_schema(0)", "cell_size_check(1)", "journal_size_limit(16777216)",
}

// openSQLite opens the file, and makes it with its folder if it does not exist.
func openSQLite(path string) (database, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return database{}, err
	}
	place, err := secureFile(path)
	if err != nil {
		return database{}, err
	}
	return connectSQLite(path, place, nil)
}

// connectSQLite opens the pools. A test puts itself between with wrap.
func connectSQLite(path, place string, wrap func(driver.Connector) driver.Connector) (database, error) {
	d := database{
		begin: "BEGIN IMMEDIATE", fatal: sqliteFatal, busy: sqliteBusy, place: place,
		tables: "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'",
	}
	w, err := sqlite.NewConnector(sqliteURL(path, pragmas...))
	if err != nil {
		return database{}, err
	}
	r, err := sqlite.NewConnector(sqliteURL(path, append(pragmas, "query_only(1)")...))
	if err != nil {
		return database{}, err
	}
	b, err := sqlite.NewConnector(sqliteURL(path, pragmas...))
	if err != nil {
		return database{}, err
	}
	if wrap != nil {
		w = wrap(w)
	}
	d.writer, d.readers, d.backups = sql.OpenDB(w), sql.OpenDB(r), sql.OpenDB(b)
	d.writer.SetMaxOpenConns(1)
	d.readers.SetMaxOpenConns(4)
	d.readers.SetMaxIdleConns(4)
	return d, nil
}

func sqliteURL(path string, pragmas ...string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}

// sqliteFatal reports errors of the disk and of the file. After a failed fsync
// the kernel may have thrown away what it holds to be written.
func sqliteFatal(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
	}
	const ioerr, corrupt, cantopen, notadb = 10, 11, 14, 26
	switch e.Code() & 0xff {
	case ioerr, corrupt, cantopen, notadb:
		return true
	}
	return false
}

// sqliteBusy reports that a lock was not free within busy_timeout.
func sqliteBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == 5
}

// secureFile makes sure that path is a file in a folder, both out of reach of
// others, and returns its place.
func secureFile(path string) (place string, err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	d, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	if d.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("folder %s is open to everybody (mode %#o): chmod o-rwx it", dir, d.Mode().Perm())
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close(), syncDir(dir))
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("others may read or write it (mode %#o): chmod it 600", info.Mode().Perm())
	}
	return placeOf(info), nil
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// removeSQLite removes a database file with its companions.
func removeSQLite(path string) {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		_ = os.Remove(path + suffix)
	}
}

// checkSQLite asks SQLite whether the file is whole.
func checkSQLite(ctx context.Context, db *sql.DB) error {
	var answer string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("damaged: %s", strings.TrimSpace(answer))
	}
	return nil
}
