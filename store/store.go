package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// A Config describes a [Store].
type Config struct {
	// Path is the database file, required. It is made with mode 0600 if it does
	// not exist, and so is its folder with 0700. A folder that everybody may
	// enter, or a file that others may read, is refused.
	Path string

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// MaxGroup is how many changes may share a transaction; 0 means 256.
	MaxGroup int

	// MaxStale is how long Client, ResourceServer and Audience may answer from
	// memory after another process has changed the registry; 0 means a second.
	// Changes by this Store are seen at once.
	MaxStale time.Duration

	// Observer is told what the store does; the zero value is silent.
	Observer Observer

	// DangerKeepGeneration opens a file that has moved to another place (another
	// inode) in the same generation. It is right only if no copy of the file was
	// opened since, and lets OSCORE nonces repeat otherwise.
	DangerKeepGeneration bool
}

// An Observer is told what a [Store] does. A nil func is silent. The funcs are
// called by the writer and must not call the Store.
type Observer struct {
	// Commit tells of each transaction: how many changes it had, how long BEGIN
	// to COMMIT took, and how it ended.
	Commit func(changes int, took time.Duration, err error)
	// Generation tells that Open began a new generation, and why.
	Generation func(Generation)
}

// A Store is a database. It is safe for concurrent use.
type Store struct {
	cfg     Config
	db      database
	w       *writer
	readers *sql.DB
	gen     Generation
	reg     registry

	closing sync.Once
	closed  error

	claiming sync.Mutex // guards claim
	claim    *os.File   // locked while the store is claimed
}

// Open opens the database, makes it if there is none, and brings its schema up
// to date. It fails with [ErrNewer] if a newer program has written it.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Path == "" {
		return nil, errors.New("store: no path")
	}
	db, err := openSQLite(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", cfg.Path, err)
	}
	return open(ctx, cfg, db)
}

// open is Open with any database, which it closes on error.
func open(ctx context.Context, cfg Config, db database) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxGroup <= 0 {
		cfg.MaxGroup = 256
	}
	if cfg.MaxStale <= 0 {
		cfg.MaxStale = time.Second
	}
	s := &Store{cfg: cfg, db: db, readers: db.readers}
	conn, err := db.writer.Conn(ctx)
	if err != nil {
		if db.busy(err) {
			err = fmt.Errorf("%w: %w", ErrBusy, err)
		}
		return nil, errors.Join(fmt.Errorf("store: open %s: %w", cfg.Path, err), db.close())
	}
	s.w = newWriter(conn, cfg, db)
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.w.close(), db.close())
	}
	go s.w.run()
	return s, nil
}

// prepare makes the database ready, before the writer runs.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.w.exclusive(ctx, migrate); err != nil {
		return err
	}
	begun := false
	err := s.w.exclusive(ctx, func(t *tx) (err error) {
		s.gen, begun, err = s.generation(t)
		return err
	})
	if err == nil && begun && s.cfg.Observer.Generation != nil {
		s.cfg.Observer.Generation(s.gen)
	}
	return err
}

// Close waits for the writes under way and closes the database. Every later
// call fails with [ErrClosed].
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.w.stop()
		s.closed = errors.Join(s.w.close(), s.db.close(), s.unclaim())
	})
	return s.closed
}

// Err says whether the store can still take changes: nil, or why it does not.
// After an I/O error the only remedy is a restart of the process, because the
// kernel may have dropped what it could not write.
func (s *Store) Err() error { return s.w.failure() }

// write makes a change durable. do may be called twice, with nothing left of
// the first call; it must not use anything but t. When ctx is done before the
// change is begun there is no change; when it has begun, write waits for it.
func (s *Store) write(ctx context.Context, do func(t *tx) error) error {
	return s.w.submit(ctx, do)
}

// now is the clock, in whole seconds.
func (s *Store) now() int64 { return s.cfg.Now().Unix() }
