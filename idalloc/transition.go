package idalloc

import (
	"errors"
	"time"
)

// All functions of this file are called with mu held.

var errTooLong = errors.New("longer than 7 bytes")

// tick returns the time since base. It never goes back.
func (a *Allocator) tick() time.Duration {
	a.last = max(a.last, a.now().Sub(a.base))
	return a.last
}

// enter makes an entry for a key that has none and takes it out of its urn.
func (a *Allocator) enter(k key, h Holder) *entry {
	if c, number := a.classOf(k); c != nil {
		c.urn.take(number)
	}
	return a.add(k, h)
}

// add makes an entry, in state reserved, for a key that is in no urn.
func (a *Allocator) add(k key, h Holder) *entry {
	e := &entry{key: k, state: StateReserved, holder: h}
	a.entries[k] = e
	a.states[k.length()][StateReserved]++
	return e
}

// classOf returns nil for what only Claim may give out.
func (a *Allocator) classOf(k key) (*class, uint64) {
	for _, c := range a.classes {
		if c.length != k.length() {
			continue
		}
		if number, ok := c.space.number(k.value()); ok {
			return c, number
		}
	}
	return nil, 0
}

func (a *Allocator) set(e *entry, s State) {
	a.states[e.key.length()][e.state]--
	a.states[e.key.length()][s]++
	e.state = s
}

// rest puts e into quarantine as of the time from.
func (a *Allocator) rest(e *entry, from time.Duration) {
	e.remove()
	a.set(e, StateQuarantined)
	e.orphan = false
	e.until = from + a.quarantine
	distant := e.notBefore > e.until
	e.until = max(e.until, e.notBefore)
	a.resting.push(e, distant)
	a.mark(e.key)
}

// free forgets e: it may be given out again, or is reserved by the Config.
func (a *Allocator) free(e *entry) {
	e.remove()
	a.set(e, StateFree)
	a.states[e.key.length()][StateFree]--
	a.validate(e)
	delete(a.entries, e.key)
	if c, number := a.classOf(e.key); c != nil {
		c.urn.put(number)
	}
	a.mark(e.key)
}

func (a *Allocator) validate(e *entry) {
	if e.unvalidated {
		e.unvalidated = false
		a.unvalidated--
	}
}

// settle does what a timer at the deadline of e would have done by now.
func (a *Allocator) settle(e *entry, now time.Duration) {
	for e.in != nil && e.until <= now {
		switch e.in {
		case &a.waiting:
			a.stats.Expired++
			a.rest(e, e.until)
		case &a.orphans:
			a.rest(e, e.until)
		default:
			a.free(e)
		}
	}
}

// sweep settles what is due, at most limit entries; a negative limit is none.
func (a *Allocator) sweep(now time.Duration, limit int) {
	for _, q := range []*queue{&a.waiting, &a.orphans, &a.resting} {
		for e := q.due(now); e != nil && limit != 0; e = q.due(now) {
			a.settle(e, now)
			limit--
		}
	}
}
