package store

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ostiary/ostiary/ace/as"
)

func TestMigrationsAreInOrder(t *testing.T) {
	all, err := loadMigrations(migrations)
	if err != nil || len(all) == 0 {
		t.Fatalf("loadMigrations: %d, %v", len(all), err)
	}
	gap := fstest.MapFS{"migrations/0001_a.sql": {}, "migrations/0003_b.sql": {}}
	if _, err := loadMigrations(gap); err == nil {
		t.Error("a gap in the numbers was accepted")
	}
}

func TestOpenRefusesNewer(t *testing.T) {
	all, err := loadMigrations(migrations)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := openAt(t, dir)
	next := len(all) + 1
	if err := s.write(t.Context(), func(t *tx) error {
		_, err := t.exec("INSERT INTO migrations (number, name, applied) VALUES ($1, 'future', 0)", next)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Config{Path: filepath.Join(dir, "state", "ostiary.db")})
	if want := fmt.Sprintf("version %d,", next); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), want) {
		t.Errorf("Open = %v, want ErrNewer that names %s", err, want)
	}
}

// A migration is made whole or not at all, and is not made twice.
func testMigrate(t *testing.T, open opener) {
	s := open(t, t.TempDir())
	all, err := loadMigrations(migrations)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(len(all))
	good := migration{n + 1, "good", "CREATE TABLE good (x BIGINT);\n\nINSERT INTO good (x) VALUES (1);\n"}
	bad := migration{n + 2, "bad", "CREATE TABLE bad (x BIGINT);\nnonsense;\n"}
	to := func(m ...migration) error {
		return s.write(t.Context(), func(t *tx) error { return migrateTo(t, append(all[:n:n], m...)) })
	}
	if err := to(good, bad); err == nil {
		t.Error("nonsense was executed")
	}
	count := func(query string) (n int) {
		if err := s.readers.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			return -1
		}
		return n
	}
	if got := count("SELECT COUNT(*) FROM good"); got != -1 {
		t.Error("a migration that failed left a table behind")
	}
	for range 2 {
		if err := to(good); err != nil {
			t.Fatal(err)
		}
	}
	if got := count("SELECT COUNT(*) FROM good"); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
	if got := count("SELECT MAX(number) FROM migrations"); got != int(n)+1 {
		t.Errorf("version %d, want %d", got, n+1)
	}
}

// testMigrateKinds: contexts of an older version belong to the client with the name of
// their subject, or else to the resource server.
func testMigrateKinds(t *testing.T, open opener) {
	s := open(t, t.TempDir())
	me, ctx := s.Admin("me"), t.Context()
	both := fullServer(t)
	both.Name, both.Audiences = "pump", nil
	if err := errors.Join(
		me.AddClient(ctx, as.Client{Name: "pump"}, newContext("one", "", 1, 2)),
		me.AddResourceServer(ctx, fullServer(t), newContext("two", "", 3, 4)), me.AddResourceServer(ctx, both),
		s.write(ctx, func(t *tx) error {
			for _, statement := range []string{"ALTER TABLE oscore_contexts DROP COLUMN kind", "DELETE FROM migrations WHERE number = 2"} {
				if _, err := t.exec(statement); err != nil {
					return err
				}
			}
			return migrate(t)
		}),
	); err != nil {
		t.Fatal(err)
	}
	all, err := s.Contexts(ctx)
	if err != nil || len(all) != 2 || all[0].Subject != "pump" || all[1].Subject != as.ResourceServerSubject("valve") {
		t.Errorf("Contexts = %+v, %v", all, err)
	}
}

func TestOpenRefusesForeignDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "other.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := withSQLite(path, func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), "CREATE TABLE songs (x)")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: path}); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("Open = %v", err)
	}
}

func TestFileModes(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	if err := s.AddEvent(t.Context(), Event{Kind: "x"}); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "state")
	if info, err := os.Stat(state); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v, want mode 700", info.Mode(), err)
	}
	files, err := os.ReadDir(state)
	if err != nil || len(files) < 2 { // with the -wal
		t.Fatalf("files %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 600", f.Name(), info.Mode(), err)
		}
	}
}

func TestOpenRefusesOpenDoors(t *testing.T) {
	for name, door := range map[string]struct{ dir, file os.FileMode }{
		"folder": {0o755, 0o600}, "file of others": {0o700, 0o604}, "file of group": {0o750, 0o640},
	} {
		path := filepath.Join(t.TempDir(), "state", "x.db")
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Chmod(path, door.file), os.Chmod(filepath.Dir(path), door.dir)); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(t.Context(), Config{Path: path}); err == nil || !strings.Contains(err.Error(), "chmod") {
			t.Errorf("%s: Open = %v, %v, want an error that says what to do", name, s, err)
		}
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("Open without a path")
	}
	if _, err := Open(t.Context(), Config{Path: t.TempDir()}); err == nil {
		t.Error("Open of a folder")
	}
}

// A path is no URL.
func TestStrangePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a?b#c%20d e", "x&y=z.db")
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
