package idalloc

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// Allocate gives out a free identifier of the shortest length, at random, that
// is not one of avoid (the peer's own, such as C_I or ID1). Errors:
// [ErrExhausted], or one of the Journal or of Rand.
func (a *Allocator) Allocate(h Holder, avoid ...ID) (*Pending, error) {
	return a.allocate(h, avoid, false)
}

// AllocateUnvalidated is Allocate for a peer that has not proved its address.
// What such peers occupy is bounded, see Config.MaxUnvalidated; beyond that the
// error is [ErrUnvalidated]. Pending.Validate ends the restriction.
func (a *Allocator) AllocateUnvalidated(h Holder, avoid ...ID) (*Pending, error) {
	return a.allocate(h, avoid, true)
}

// RefusesUnvalidated reports whether AllocateUnvalidated fails with [ErrUnvalidated] now:
// then nothing need be computed for such a peer before it has proved its address.
func (a *Allocator) RefusesUnvalidated() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.admit() {
		return false
	}
	a.stats.Refused++
	return true
}

func (a *Allocator) allocate(h Holder, avoid []ID, unvalidated bool) (*Pending, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if unvalidated {
		if !a.admit() {
			a.stats.Refused++
			return nil, ErrUnvalidated
		}
		a.unvalidated++ // also while a block is written
	}
	e, err := a.find(avoid)
	if err != nil {
		if unvalidated {
			a.unvalidated--
		}
		return nil, err
	}
	a.set(e, StatePending)
	e.holder = h
	e.unvalidated = unvalidated
	e.until = a.tick() + a.pendingTTL
	a.waiting.push(e, false)
	a.stats.Allocated++
	p := &Pending{a: a, id: e.key.id()}
	p.held.v.Store(e)
	return p, nil
}

// admit reports whether one more unvalidated peer may have an identifier.
func (a *Allocator) admit() bool {
	if a.unvalidated >= a.maxUnvalidated {
		a.sweep(a.tick(), -1)
	}
	return a.unvalidated < a.maxUnvalidated
}

// find returns an entry in no queue that the caller may give out. It unlocks mu
// while it writes a block to the journal.
func (a *Allocator) find(avoid []ID) (*entry, error) {
	limit := 4 // more than one call adds
search:
	for {
		a.sweep(a.tick(), limit)
		for _, c := range a.classes {
			e, again, err := a.findIn(c, avoid)
			if err != nil {
				return nil, err
			}
			if e != nil {
				return e, nil
			}
			if again {
				continue search
			}
		}
		if limit < 0 {
			a.stats.Exhausted++
			return nil, ErrExhausted
		}
		limit = -1
	}
}

// findIn is find in one class; again tells that mu was unlocked.
func (a *Allocator) findIn(c *class, avoid []ID) (e *entry, again bool, err error) {
	if a.journal == nil {
		e, err = a.draw(c, avoid)
		return e, false, err
	}
	for i := len(c.block) - 1; i >= 0; i-- {
		if e := c.block[i]; !slices.Contains(avoid, e.key.id()) {
			c.block = slices.Delete(c.block, i, i+1)
			return e, false, nil
		}
	}
	if c.refill == nil && c.urn.left() == 0 {
		return nil, false, nil
	}
	return nil, true, a.fill(c)
}

// fill draws a block and makes it durable, or waits for who does. It unlocks mu.
func (a *Allocator) fill(c *class) error {
	if b := c.refill; b != nil {
		a.mu.Unlock()
		err := a.commit(b)
		a.mu.Lock()
		return err
	}
	want := min(blockSize, 1+int(c.urn.left()/8))
	drawn := make([]*entry, 0, want)
	for len(drawn) < want {
		e, err := a.draw(c, nil)
		if err != nil {
			for _, e := range drawn {
				a.free(e)
			}
			return err
		}
		drawn = append(drawn, e)
		a.mark(e.key)
	}
	b := a.batch
	c.refill = b
	a.mu.Unlock()
	err := a.commit(b)
	a.mu.Lock()
	c.refill = nil
	for _, e := range drawn {
		switch {
		case e.state != StateReserved: // claimed meanwhile
		case err != nil:
			a.free(e)
		default:
			c.block = append(c.block, e)
		}
	}
	return err
}

// draw takes a random identifier that is not in avoid out of the class's urn.
// It returns nil if there is none.
func (a *Allocator) draw(c *class, avoid []ID) (*entry, error) {
	var skipped []uint64
	defer func() {
		for _, number := range skipped {
			c.urn.put(number)
		}
	}()
	for c.urn.left() > 0 {
		r, err := a.random(c.urn.left())
		if err != nil {
			return nil, err
		}
		number := c.urn.draw(r)
		k := key(c.length)<<56 | key(c.space.at(number))
		//spec:9528-3.3.3-1
		if len(avoid) > 0 && slices.Contains(avoid, k.id()) {
			skipped = append(skipped, number)
			continue
		}
		return a.add(k, Holder{}), nil
	}
	return nil, nil
}

// random returns a number below n, which is not 0.
func (a *Allocator) random(n uint64) (uint64, error) {
	mask := uint64(1)<<bits.Len64(n-1) - 1
	for {
		b, err := a.rand.Peek(8)
		if err != nil {
			return 0, fmt.Errorf("idalloc: read random: %w", err)
		}
		r := binary.LittleEndian.Uint64(b) & mask
		_, _ = a.rand.Discard(len(b)) // buffered by Peek
		if r < n {
			return r, nil
		}
	}
}
