package edhoc

import (
	"io"
	"slices"
	"sync"
)

// An EphemeralPool is a bounded stock of ephemeral keys that were made ahead of time:
// its Take is for Config.Ephemeral. It has no goroutine: whoever has time calls Fill.
// Every key in it is the secret of a session to come, so keep it small; a copy of the
// memory, such as a snapshot of a virtual machine, copies the keys. It is safe for
// concurrent use.
type EphemeralPool struct {
	size   int
	curves []Curve
	random io.Reader
	low    chan struct{}

	mu     sync.Mutex // guards all below
	keys   map[Curve][]*EphemeralKey
	owed   map[Curve]int // that Fill is making
	closed bool
}

// NewEphemeralPool gives an empty stock for up to size keys of each curve that the
// cipher suites of c use, made of the randomness of c, whose Ephemeral becomes Take.
func NewEphemeralPool(c Config, size int) (*EphemeralPool, error) {
	if size < 1 {
		return nil, misuse("pool of %d keys", size)
	}
	s, err := newSettings(c, initiator)
	if err != nil { // it may be that of a Responder, who needs other keys
		if s, err = newSettings(c, responder); err != nil {
			return nil, err
		}
	}
	p := &EphemeralPool{
		size: size, random: s.rand, low: make(chan struct{}, 1), keys: map[Curve][]*EphemeralKey{}, owed: map[Curve]int{},
	}
	for _, id := range s.offered {
		if suite := s.suites[id]; suite != nil && !slices.Contains(p.curves, suite.Curve) {
			p.curves = append(p.curves, suite.Curve)
		}
	}
	return p, nil
}

// Take gives the oldest key on the curve, which is in the stock no more, or nil if there
// is none.
//
//spec:9528-9.2-2
func (p *EphemeralPool) Take(c Curve) *EphemeralKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	stock := p.keys[c]
	if len(stock) == 0 {
		return nil
	}
	k := stock[0]
	p.keys[c] = slices.Delete(stock, 0, 1)
	p.signal()
	return k
}

// Fill makes up to n keys, where they are fewest first, and says how many: less than n
// when the stock is full. After Close the error is ErrSpent; others are those of the
// source of randomness.
func (p *EphemeralPool) Fill(n int) (made int, err error) {
	for made < n {
		c, ok, err := p.order()
		if err != nil || !ok {
			return made, err
		}
		k, err := NewEphemeralKey(c, p.random)
		if err := p.deliver(c, k, err); err != nil {
			return made, err
		}
		made++
	}
	return made, nil
}

// order says on which curve a key is wanted.
func (p *EphemeralPool) order() (c Curve, ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return c, false, ErrSpent
	}
	fewest := p.size
	for _, each := range p.curves {
		if n := len(p.keys[each]) + p.owed[each]; n < fewest {
			c, fewest, ok = each, n, true
		}
	}
	if ok {
		p.owed[c]++
	}
	return c, ok, nil
}

func (p *EphemeralPool) deliver(c Curve, k *EphemeralKey, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owed[c]--
	switch {
	case err != nil:
		return err
	case p.closed:
		k.Discard()
		return ErrSpent
	}
	p.keys[c] = append(p.keys[c], k)
	return nil
}

// Low has a value when keys were taken since it was read last, and after Close.
func (p *EphemeralPool) Low() <-chan struct{} { return p.low }

func (p *EphemeralPool) signal() {
	select {
	case p.low <- struct{}{}:
	default:
	}
}

// Len is the number of keys on the curve.
func (p *EphemeralPool) Len(c Curve) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.keys[c])
}

// Close erases the keys. Take gives none after that.
func (p *EphemeralPool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, stock := range p.keys {
		for _, k := range stock {
			k.Discard()
		}
	}
	clear(p.keys)
	p.signal()
}
