package oscore

import (
	"errors"
	"sync"
	"sync/atomic"
)

// Contexts is an endpoint's table of associations by Recipient ID. The zero value
// is an empty table. It is safe for concurrent use, but for its fields, which are set
// before; it must not be copied.
type Contexts struct {
	// Tries bounds the verifications of one request, whose 'kid' may belong to
	// several contexts (Section 3.3). 0 means 8, which is the most.
	Tries int
	// Uniform makes every *Error of VerifyRequest look the same to the peer: 4.01
	// without diagnostic payload (Appendix D.5.3).
	Uniform bool

	mu    sync.RWMutex             // guards all below
	byID  map[id]*Association      // the first of a list
	owned map[fingerprint]struct{} // the Sender Keys
}

const maxTries = 8

// Add puts a into the table. It returns ErrRecipientIDInUse if a has the Recipient ID
// and the ID Context of another, ErrKeyInUse if it has a key of another, and
// ErrDiscarded.
//
//spec:8613-3.3-1
//spec:8613-3.3-2
//spec:8613-3.3-3
//spec:8613-4.1.3.2-2
func (t *Contexts) Add(a *Association) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.isDiscarded() {
		return ErrDiscarded
	}
	for _, key := range []fingerprint{a.own, a.peer} {
		if _, used := t.owned[key]; used {
			return ErrKeyInUse
		}
	}
	for b := t.byID[a.id]; b != nil; b = b.next {
		if sameBytes(b.base(), a.base()) {
			return ErrRecipientIDInUse
		}
	}
	if t.byID == nil {
		t.byID, t.owned = map[id]*Association{}, map[fingerprint]struct{}{}
	}
	a.next = t.byID[a.id]
	t.byID[a.id] = a
	t.owned[a.own] = struct{}{}
	return nil
}

// Remove takes a out of the table, and does not discard it. It reports whether a
// was there.
func (t *Contexts) Remove(a *Association) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := t.byID[a.id]
	at := &first
	for *at != a {
		if *at == nil {
			return false
		}
		at = &(*at).next
	}
	*at, a.next = a.next, nil
	if first == nil {
		delete(t.byID, a.id)
	} else {
		t.byID[a.id] = first
	}
	delete(t.owned, a.own)
	return true
}

// Len returns the number of associations.
func (t *Contexts) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.owned)
}

// VerifyRequest finds the association that p belongs to, by its 'kid' and 'kid
// context', and verifies p (Section 8.2). When the error is not nil, the request must
// not be processed, and ErrorMessage(err) is the answer. An association that is
// discarded is never returned.
//
//spec:8613-8.2-3
//spec:8613-4.1.3.2-1
func (t *Contexts) VerifyRequest(p Protected) (*Association, Message, *ServerExchange, error) {
	return t.verify(&p)
}

// verify is VerifyRequest, with what the peer may know of the error.
func (t *Contexts) verify(p *Protected) (*Association, Message, *ServerExchange, error) {
	a, m, x, err := t.verifyRequest(p)
	if err != nil && t.Uniform {
		if refused := (*Error)(nil); errors.As(err, &refused) {
			err = refused.uniform()
		}
	}
	return a, m, x, err
}

func (t *Contexts) verifyRequest(p *Protected) (*Association, Message, *ServerExchange, error) {
	if err := p.request(); err != nil {
		return nil, Message{}, nil, err
	}
	if a := t.only(p); a != nil {
		m, x, _, err := a.verifyCurrent(p)
		if err == error(errDecrypt) { //nolint:errorlint // of this package, and never wrapped
			p.failed(a)
		}
		if err != nil {
			a = nil
		}
		return a, m, x, err
	}
	return t.verifyAmong(p)
}

// only returns the association that p belongs to if no other has its Recipient ID.
func (t *Contexts) only(p *Protected) *Association {
	kid, ok := newID(p.header.kid)
	if !ok {
		return nil
	}
	t.mu.RLock()
	a := t.byID[kid]
	if a != nil && a.next != nil {
		a = nil
	}
	t.mu.RUnlock()
	if a == nil || !a.knows(&p.header) {
		return nil
	}
	return a
}

// verifyAmong tries the associations that p may belong to.
func (t *Contexts) verifyAmong(p *Protected) (*Association, Message, *ServerExchange, error) {
	var found candidates
	t.find(&found, p)
	err := error(errNoContext)
	var tried [maxTries]*Context
	for i, a := range found.known[:found.n] {
		m, x, c, err2 := a.verifyCurrent(p)
		if !refused(err2) {
			pardon(tried[:i])
			if err2 != nil {
				a = nil
			}
			return a, m, x, err2
		}
		if err2 == error(errDecrypt) { //nolint:errorlint // as below
			tried[i] = c
		}
		// A replay is one whatever another context makes of it.
		if err == error(errNoContext) || err2 == error(errReplay) { //nolint:errorlint // of this package, and never wrapped
			err = err2
		}
	}
	for i, c := range tried {
		if c != nil {
			p.failed(found.known[i])
		}
	}
	for _, a := range found.asking[:found.asks] {
		if !p.admits(a) {
			if err == error(errNoContext) { //nolint:errorlint // as above
				err = errThrottledB2
			}
			continue
		}
		m, x, err2 := a.verifyB2(p)
		if err2 == nil {
			return a, m, x, nil
		}
		if !refused(err2) {
			return nil, Message{}, nil, err2
		}
		p.failed(a)
	}
	return nil, Message{}, nil, err
}

// candidates are the associations that a request may belong to: known are those
// whose context in use it names, asking are those with which Appendix B.2 may begin.
type candidates struct {
	known, asking [maxTries]*Association
	n, asks       int
}

// find collects the candidates for p. A kid context that names a context excludes all
// others, as only chance could make it the random string of a run.
func (t *Contexts) find(found *candidates, p *Protected) {
	kid, ok := newID(p.header.kid)
	if !ok {
		return
	}
	tries := maxTries
	if t.Tries > 0 {
		tries = min(t.Tries, maxTries)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for a := t.byID[kid]; a != nil; a = a.next {
		switch {
		case a.knows(&p.header):
			if found.n < tries {
				found.known[found.n] = a
				found.n++
			}
		case a.b2 != nil && found.asks < tries:
			found.asking[found.asks] = a
			found.asks++
		}
	}
	if p.header.hasKIDContext && found.n > 0 {
		found.asks = 0
	}
	found.asks = min(found.asks, tries-found.n)
}

// pardon takes back the failed decryptions of a request that turned out to belong to
// another context: nobody has tried to forge anything.
func pardon(tried []*Context) {
	for _, c := range tried {
		if c != nil {
			decrement(&c.recipient.failed)
		}
	}
}

func decrement(n *atomic.Uint64) {
	for {
		old := n.Load()
		if old == 0 || n.CompareAndSwap(old, old-1) {
			return
		}
	}
}

// Compact drops the expanded keys of the associations that were not used since the
// last call; they come back with the next use. Call it now and then where there are
// many idle peers.
func (t *Contexts) Compact() {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, a := range t.byID {
		for ; a != nil; a = a.next {
			if c := a.current.Load(); c != nil {
				c.keys.rest()
			}
		}
	}
}
