package store

import (
	"path/filepath"
	"testing"
	"time"
)

// openAt opens the store of a test in a folder.
func openAt(t testing.TB, dir string, change ...func(*Config)) *Store {
	t.Helper()
	cfg := Config{Path: filepath.Join(dir, "state", "ostiary.db")}
	for _, c := range change {
		c(&cfg)
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// A clock is set by the test.
type clock struct{ t time.Time }

func newClock() *clock { return &clock{time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time      { return c.t }
func (c *clock) use(cfg *Config)     { cfg.Now = c.now }
func (c *clock) add(d time.Duration) { c.t = c.t.Add(d) }
