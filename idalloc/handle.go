package idalloc

import "time"

// A Pending is an identifier that is given out in an exchange which is not
// complete. Confirm or Abort uses it up.
type Pending struct {
	a    *Allocator
	id   ID
	held once[entry]
}

// ID returns the identifier, also when the handle is spent.
func (p *Pending) ID() ID { return p.id }

// Validate tells that the peer has proved its address. It may be called always.
func (p *Pending) Validate() {
	e := p.held.v.Load()
	if e == nil {
		return
	}
	p.a.mu.Lock()
	defer p.a.mu.Unlock()
	p.a.settle(e, p.a.tick())
	if e.state == StatePending {
		p.a.validate(e)
	}
}

// Confirm makes the identifier live. Errors: [ErrSpent], [ErrExpired], or one of
// the Journal, after which the identifier rests.
func (p *Pending) Confirm() (*Live, error) {
	e, err := p.held.take()
	if err != nil {
		return nil, err
	}
	a := p.a
	a.mu.Lock()
	a.settle(e, a.tick())
	if e.state != StatePending {
		a.mu.Unlock()
		return nil, ErrExpired
	}
	e.remove()
	a.validate(e)
	a.stats.Confirmed++
	return a.enliven(e, p.id)
}

// enliven makes e live and durable. It is called with mu held and unlocks it.
func (a *Allocator) enliven(e *entry, id ID) (*Live, error) {
	a.set(e, StateLive)
	b := a.mark(e.key)
	a.mu.Unlock()
	if err := a.commit(b); err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.rest(e, a.tick())
		return nil, err
	}
	l := &Live{a: a, id: id}
	l.held.v.Store(e)
	return l, nil
}

// Abort gives the identifier back. It may follow Confirm and then does nothing
// but return [ErrSpent], so that it can be deferred.
func (p *Pending) Abort() error {
	e, err := p.held.take()
	if err != nil {
		return err
	}
	p.a.mu.Lock()
	defer p.a.mu.Unlock()
	now := p.a.tick()
	p.a.settle(e, now)
	if e.state == StatePending {
		p.a.stats.Aborted++
		p.a.rest(e, now)
	}
	return nil
}

// A Live is an identifier that names a security context. Release uses it up.
type Live struct {
	a    *Allocator
	id   ID
	held once[entry]
}

// ID returns the identifier, also when the handle is spent.
func (l *Live) ID() ID { return l.id }

// RestUntil tells that after its release the identifier must rest until t at
// least: a token, an observation or a sleeping peer may use it until then. The
// latest t of several counts. Errors: [ErrSpent], or one of the Journal, after
// which t holds until the next crash only.
func (l *Live) RestUntil(t time.Time) error {
	e := l.held.v.Load()
	if e == nil {
		return ErrSpent
	}
	a := l.a
	a.mu.Lock()
	if l.held.v.Load() != e { // released meanwhile
		a.mu.Unlock()
		return ErrSpent
	}
	b := a.batch // also for an earlier t: its write may be under way or have failed
	if until := t.Sub(a.base); until > e.notBefore {
		e.notBefore = until
		a.mark(e.key)
	}
	a.mu.Unlock()
	return a.commit(b)
}

// Release ends the use of the identifier, which then rests. A second call does
// nothing but return [ErrSpent]. The journal learns it with its next write: a
// crash before that only makes the rest longer.
func (l *Live) Release() error {
	a := l.a
	if a == nil {
		return ErrSpent
	}
	a.mu.Lock() // before take, so that RestUntil sees both or neither
	defer a.mu.Unlock()
	e, err := l.held.take()
	if err != nil {
		return err
	}
	a.stats.Released++
	a.rest(e, a.tick())
	return nil
}
