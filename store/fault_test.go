package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// A faulty database does, before or after a statement is run, what a test says.
type faulty struct {
	before, after atomic.Pointer[func(query string) error]
}

func (f *faulty) set(p *atomic.Pointer[func(string) error], do func(query string) error) {
	p.Store(&do)
}

func (f *faulty) ask(p *atomic.Pointer[func(string) error], query string) error {
	if do := p.Load(); do != nil && *do != nil {
		return (*do)(query)
	}
	return nil
}

var errFault = errors.New("injected fault")

// failing returns a func that fails the n-th statement with a prefix, once.
func failing(prefix string, n int) func(string) error {
	var seen atomic.Int64
	return func(query string) error {
		if strings.HasPrefix(query, prefix) && seen.Add(1) == int64(n) {
			return errFault
		}
		return nil
	}
}

// openFaulty opens a store with faults in its writer.
func openFaulty(t *testing.T, fatal bool, change ...func(*Config)) (*Store, *faulty) {
	t.Helper()
	f := new(faulty)
	path := filepath.Join(t.TempDir(), "state", "ostiary.db")
	place, err := secureFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := connectSQLite(path, place, func(c driver.Connector) driver.Connector { return faultyConnector{c, f} })
	if err != nil {
		t.Fatal(err)
	}
	plain := db.fatal
	db.fatal = func(err error) bool { return plain(err) || fatal && errors.Is(err, errFault) }
	cfg := Config{Path: path}
	for _, c := range change {
		c(&cfg)
	}
	s, err := open(t.Context(), cfg, db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // the fault may still be there
	return s, f
}

type faultyConnector struct {
	driver.Connector
	f *faulty
}

func (c faultyConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	return faultyConn{conn, c.f}, err
}

type faultyConn struct {
	driver.Conn
	f *faulty
}

func (c faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.f.ask(&c.f.before, query); err != nil {
		return nil, err
	}
	r, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	if err == nil {
		err = c.f.ask(&c.f.after, query)
	}
	return r, err
}

func (c faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	st, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	return faultyStmt{st, c.f, query}, err
}

type faultyStmt struct {
	driver.Stmt
	f     *faulty
	query string
}

func (s faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.f.ask(&s.f.before, s.query); err != nil {
		return nil, err
	}
	r, err := s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	if err == nil {
		err = s.f.ask(&s.f.after, s.query)
	}
	return r, err
}

func (s faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.f.ask(&s.f.before, s.query); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}
