package store

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

// A migration takes the schema from version number-1 to number. Once released
// it is never changed.
type migration struct {
	number int64
	name   string
	sql    string
}

// loadMigrations returns what is in the folder migrations of fsys, in order.
func loadMigrations(fsys fs.FS) ([]migration, error) {
	names, err := fs.Glob(fsys, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	for i, name := range names {
		digits, rest, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		number, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || number != int64(i+1) {
			return nil, fmt.Errorf("store: migration %s: number is not %d", name, i+1)
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		all = append(all, migration{number, strings.TrimSuffix(rest, ".sql"), string(text)})
	}
	return all, nil
}

// migrate brings the schema up to date.
func migrate(t *tx) error {
	all, err := loadMigrations(migrations)
	if err != nil {
		return err
	}
	return migrateTo(t, all)
}

func migrateTo(t *tx, all []migration) error {
	if err := refuseForeign(t); err != nil {
		return err
	}
	if _, err := t.exec("CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, applied BIGINT NOT NULL)"); err != nil {
		return fmt.Errorf("store: migrate: %w", err)
	}
	var version int64
	if _, err := t.row("SELECT COALESCE(MAX(number), 0) FROM migrations", nil, &version); err != nil {
		return fmt.Errorf("store: migrate: %w", err)
	}
	if version > int64(len(all)) {
		return fmt.Errorf("%w: its schema has version %d, this program knows versions up to %d", ErrNewer, version, len(all))
	}
	for _, m := range all[version:] {
		for _, statement := range statements(m.sql) {
			if _, err := t.exec(statement); err != nil {
				return fmt.Errorf("store: migrate to version %d (%s): %w", m.number, m.name, err)
			}
		}
		if _, err := t.exec("INSERT INTO migrations (number, name, applied) VALUES ($1, $2, $3)", m.number, m.name, t.w.now().Unix()); err != nil {
			return fmt.Errorf("store: migrate to version %d: %w", m.number, err)
		}
	}
	return nil
}

// refuseForeign refuses a database with tables that are not ours.
func refuseForeign(t *tx) error {
	var tables, ours int64
	if _, err := t.row(t.w.db.tables, nil, &tables); err != nil {
		return fmt.Errorf("store: look for tables: %w", err)
	}
	if tables == 0 {
		return nil
	}
	if _, err := t.row(t.w.db.tables+" AND name = 'migrations'", nil, &ours); err != nil {
		return fmt.Errorf("store: look for tables: %w", err)
	}
	if ours == 0 {
		return errors.New("store: this is the database of another program")
	}
	return nil
}

// statements splits a migration, in which a semicolon ends a line.
func statements(text string) []string {
	var all []string
	for s := range strings.SplitSeq(text, ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}
