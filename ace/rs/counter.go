package rs

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// A Counter is what the RS remembers of the tokens with an exi claim (RFC 9200,
// Section 5.10.3). Of each issuer there is at most one with Left zero, for the
// highest Sequence that has expired: it and all lower ones count as expired.
type Counter struct {
	Issuer   string // Name of the [Issuer]
	Sequence uint64 // of the token, from its cti
	Left     uint64 // seconds of lifetime that remain
}

// A CounterStore keeps Counters over restarts. Save replaces all of them and
// returns when they are durable. Calls do not overlap.
type CounterStore interface {
	Load() ([]Counter, error)
	Save([]Counter) error
}

// counterID names one token with an exi claim.
type counterID struct {
	issuer   string
	sequence uint64
}

// counters count the lifetimes of tokens with an exi claim, from the first time
// that one is verified, in time during which the RS runs.
type counters struct {
	store CounterStore // nil: memory only
	step  time.Duration
	max   int

	mu      sync.Mutex // guards all below
	up      uptime
	saved   time.Duration               // of uptime, when the store was last written
	dirty   bool                        // something has expired since
	next    time.Duration               // of uptime: nothing expires before
	ends    map[counterID]time.Duration // of uptime; those that have not expired
	highest map[string]uint64           // expired, by issuer
}

func newCounters(store CounterStore, step time.Duration, most int) (*counters, error) {
	c := &counters{
		store: store, step: step, max: most,
		ends: map[counterID]time.Duration{}, highest: map[string]uint64{},
	}
	if store == nil {
		return c, nil
	}
	list, err := store.Load()
	if err != nil {
		return nil, fmt.Errorf("rs: load exi counters: %w", err)
	}
	for _, k := range list {
		if k.Left == 0 {
			c.expire(counterID{k.Issuer, k.Sequence})
		}
	}
	for _, k := range list {
		id := counterID{k.Issuer, k.Sequence}
		if k.Left > 0 && !c.expired(id) {
			c.ends[id] = seconds(k.Left)
		}
	}
	return c, nil
}

// check reports whether the token may still be used: its lifetime is not over,
// and that of no later one is.
func (c *counters) check(id counterID, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick(now)
	if c.expired(id) {
		return errors.New("exi sequence number has expired")
	}
	return nil
}

// start begins to count, unless this token is counted already.
func (c *counters) start(id counterID, exi uint64, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick(now)
	if c.expired(id) {
		return errors.New("exi sequence number has expired")
	}
	if _, ok := c.ends[id]; ok {
		return nil
	}
	if len(c.ends) >= c.max {
		return errors.New("too many tokens with exi")
	}
	//spec:9200-5.10.1.1-16
	c.ends[id] = c.up.total + seconds(exi)
	c.next = 0
	if err := c.save(); err != nil {
		delete(c.ends, id)
		return err
	}
	return nil
}

// run counts the time up to now and, once in a step, saves it.
func (c *counters) run(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick(now)
	if c.dirty || len(c.ends) > 0 && c.up.total-c.saved >= c.step {
		return c.save()
	}
	return nil
}

// tick counts the time up to now.
func (c *counters) tick(now time.Time) {
	up := c.up.at(now)
	if up < c.next {
		return
	}
	for id, end := range c.ends {
		if up >= end {
			c.expire(id)
		}
	}
	c.next = 1<<63 - 1
	for _, end := range c.ends {
		c.next = min(c.next, end)
	}
}

// expire remembers that the token and all before it have expired.
//
//spec:9200-5.10.3-1
//spec:9200-5.10.3-4
func (c *counters) expire(id counterID) {
	if h, ok := c.highest[id.issuer]; !ok || id.sequence > h {
		c.highest[id.issuer] = id.sequence
		c.dirty = true
	}
	for lower := range c.ends {
		if c.expired(lower) {
			delete(c.ends, lower)
		}
	}
}

func (c *counters) expired(id counterID) bool {
	h, ok := c.highest[id.issuer]
	return ok && id.sequence <= h
}

// save writes everything to the store.
func (c *counters) save() error {
	if c.store == nil {
		return nil
	}
	list := make([]Counter, 0, len(c.highest)+len(c.ends))
	for issuer, sequence := range c.highest {
		list = append(list, Counter{Issuer: issuer, Sequence: sequence})
	}
	for id, end := range c.ends {
		left := uint64((end - c.up.total + time.Second - 1) / time.Second)
		list = append(list, Counter{Issuer: id.issuer, Sequence: id.sequence, Left: left})
	}
	if err := c.store.Save(list); err != nil {
		return fmt.Errorf("save exi counters: %w", err)
	}
	c.saved, c.dirty = c.up.total, false
	return nil
}

// seconds is n seconds, or a century if that is less: a sum of two such is a
// Duration.
func seconds(n uint64) time.Duration {
	const century = 100 * 366 * 24 * 60 * 60
	return time.Duration(min(n, century)) * time.Second
}
