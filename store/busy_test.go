package store

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/ostiary/ostiary/ace/as"
)

// TestBusy: a lock that another process does not give up is an error of its own, and
// passes with the lock.
func TestBusy(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	if _, err := s.w.conn.ExecContext(t.Context(), "PRAGMA busy_timeout = 0"); err != nil {
		t.Fatal(err)
	}
	add := func() error { return s.Admin("me").AddClient(t.Context(), as.Client{Name: "pump"}) }
	other, err := connectSQLite(filepath.Join(dir, "state", "ostiary.db"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.close() }()
	locked := func(do func(*sql.Conn)) {
		conn, err := other.writer.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
			t.Fatal(err)
		}
		do(conn)
		if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
	locked(func(*sql.Conn) {
		if err := add(); !errors.Is(err, ErrBusy) {
			t.Errorf("while it is locked: %v, want ErrBusy", err)
		}
	})
	if err := add(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	// An extended code of it: the one who reads comes too late to write.
	conn, err := other.writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var n int
	if _, err := conn.ExecContext(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM clients").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if err := s.Admin("me").RemoveClient(t.Context(), "pump"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "DELETE FROM clients"); !other.busy(err) {
		t.Errorf("got %v, want one that is busy", err)
	}
	if s.Err() != nil {
		t.Errorf("the store does not go on: %v", s.Err())
	}
}
