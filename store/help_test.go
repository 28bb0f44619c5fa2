package store

import "time"

// A clock is set by the test.
type clock struct{ t time.Time }

func newClock() *clock { return &clock{time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time      { return c.t }
func (c *clock) use(cfg *Config)     { cfg.Now = c.now }
func (c *clock) add(d time.Duration) { c.t = c.t.Add(d) }
