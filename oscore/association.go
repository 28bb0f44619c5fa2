package oscore

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// An Association is one peer: its input parameters, who it is, and the security
// context in use. The protocol of Appendix B.2 replaces the context and keeps the
// Association, whose pointer is therefore the identity of the peer: observations,
// caches and access rights hang on it. It is safe for concurrent use.
type Association struct {
	unprintable
	subject    string
	id         id // the Recipient ID
	own, peer  fingerprint
	onReplaced func(old, new *Context)
	attached   atomic.Pointer[any]
	next       *Association // with the same Recipient ID; guarded by the mu of a Contexts

	current atomic.Pointer[Context] // nil: none yet, or discarded
	mu      sync.Mutex              // guards changes of current, and all below
	gone    bool                    // discarded
	b2      *b2                     // nil: B2Off
}

// NewAssociation derives the first context of cfg, of which it keeps no slice.
func NewAssociation(cfg Config) (*Association, error) {
	set, err := cfg.settings()
	if err != nil {
		return nil, err
	}
	a := &Association{subject: cfg.Subject, id: set.recipient, onReplaced: cfg.OnReplaced}
	a.own, a.peer = fingerprints(&set.params, &set.sender, &set.recipient)
	m := newMaterial(&set.params, set.sender, set.recipient)
	shared := set.shared()
	if cfg.B2 == B2Off {
		defer m.prk.Erase()
	} else if a.b2, err = newB2(m, shared, &cfg, set); err != nil {
		return nil, err
	}
	switch {
	case len(cfg.Resume) > 0:
		err = a.resume(m, shared, &cfg, set)
	case cfg.B2 != B2Required:
		err = a.begin(m, shared, &cfg, set)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// begin installs the context of the Params.
func (a *Association) begin(m *material, shared *settings, cfg *Config, set *checked) error {
	c, err := newContext(m, shared, set.params.IDContext)
	if err != nil {
		return err
	}
	if err := c.begin(cfg, set.rand); err != nil {
		return err
	}
	a.current.Store(c)
	return nil
}

// Subject returns Config.Subject.
func (a *Association) Subject() string { return a.subject }

// RecipientID returns the Recipient ID, which is the same in all contexts of the
// association. The caller must not change it.
func (a *Association) RecipientID() []byte { return a.id.bytes() }

// Current returns the security context in use; nil after Discard, and before the
// first run of Appendix B.2 with B2Required.
func (a *Association) Current() *Context { return a.current.Load() }

// ProtectRequest protects m with the context in use, or as request #1 or #2 of
// Appendix B.2. The same message is protected again when the exchange says
// [*Retry].
func (a *Association) ProtectRequest(m Message) (Protected, *ClientExchange, error) {
	c, kidContext, err := a.sending()
	if err != nil {
		return Protected{}, nil, err
	}
	p, x, err := c.protectRequest(m, kidContext)
	if err != nil {
		return Protected{}, nil, err
	}
	x.association = a
	return p, x, nil
}

// sending returns the context for the next request, and the kid context to send with
// it.
func (a *Association) sending() (c *Context, kidContext []byte, err error) {
	if a.b2 != nil {
		return a.sendingB2()
	}
	if c = a.current.Load(); c == nil {
		return nil, nil, ErrDiscarded
	}
	return c, c.kidContext(), nil
}

// VerifyRequest verifies p as a request of this peer; see Contexts.VerifyRequest.
func (a *Association) VerifyRequest(p Protected) (Message, *ServerExchange, error) {
	if err := p.request(); err != nil {
		return Message{}, nil, err
	}
	if kid, ok := newID(p.header.kid); !ok || kid != a.id {
		return Message{}, nil, errNoContext
	}
	if a.knows(&p.header) {
		m, x, _, err := a.verifyCurrent(&p)
		return m, x, err
	}
	return a.verifyB2(&p)
}

// knows reports whether a request with header h belongs to the context in use.
func (a *Association) knows(h *header) bool {
	c := a.current.Load()
	return c != nil && c.named(h)
}

// verifyCurrent verifies p under the context in use, which it returns too.
func (a *Association) verifyCurrent(p *Protected) (Message, *ServerExchange, *Context, error) {
	c := a.current.Load()
	if c == nil {
		return Message{}, nil, nil, ErrDiscarded
	}
	m, x, err := c.verifyRequest(p, a)
	if err == nil && a.b2 != nil && a.replaces(c) {
		return Message{}, nil, c, a.response1(p, c.common.idContext)
	}
	return m, x, c, err
}

// Rederive asks for a new context (Appendix B.2): the next request to the peer
// begins a run, or the next request of the peer is answered with response #1,
// whatever comes first. It returns ErrDiscarded, or an error with B2Off.
func (a *Association) Rederive() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.gone:
		return ErrDiscarded
	case a.b2 == nil:
		return fmt.Errorf("%w: Appendix B.2 is off", errConfig)
	}
	a.b2.ask()
	return nil
}

// Discard ends the association: from now on everything returns ErrDiscarded, also
// in the exchanges that are open. It may be called more than once.
func (a *Association) Discard() {
	r, _ := a.discard()
	r.announce()
}

// discard reports false if that was done before.
func (a *Association) discard() (r replacement, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return replacement{}, false
	}
	a.gone = true
	if a.b2 != nil {
		a.b2.end(nil)
		a.b2.material.prk.Erase()
	}
	old := a.current.Swap(nil)
	if old != nil {
		old.discard()
	}
	return replacement{a.onReplaced, old, nil}, true
}

// install makes c the context in use, and deletes the one before. The caller holds
// mu.
func (a *Association) install(c *Context) replacement {
	a.b2.end(c)
	old := a.current.Swap(c)
	if old != nil {
		old.discard()
	}
	return replacement{a.onReplaced, old, c}
}

func (a *Association) isDiscarded() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gone
}

// base returns the ID Context of the Params, nil if there is none.
func (a *Association) base() []byte {
	if a.b2 != nil {
		return a.b2.base
	}
	if c := a.current.Load(); c != nil {
		return c.common.idContext
	}
	return nil
}

// derive makes the context of a run of Appendix B.2.
func (a *Association) derive(idContext []byte, s step) (*Context, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return nil, ErrDiscarded
	}
	return a.b2.derive(idContext, s)
}

// A replacement is to be announced to the caller when no lock is held.
type replacement struct {
	announceTo func(old, new *Context)
	old, new   *Context
}

func (r replacement) announce() {
	if r.announceTo != nil {
		r.announceTo(r.old, r.new)
	}
}
