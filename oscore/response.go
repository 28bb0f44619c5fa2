package oscore

import (
	"sync/atomic"
)

// A ServerExchange is a verified request that waits for its responses: it keeps
// the 'kid' and 'Partial IV' of the request, to which they are bound (Section
// 7.1). It is safe for concurrent use unless it lies in a Scratch.
type ServerExchange struct {
	unprintable
	context      *Context // whose Recipient ID is the kid
	piv          partialIV
	registration bool // of an observation
	state        atomic.Uint32
	scratch      *Scratch
}

// States of a ServerExchange. The zero value is spent.
const (
	exchangeSpent     = iota
	exchangeOpen      // the nonce of the request may be used
	exchangeContinued // it was: responses have a Partial IV of their own
)

// PartialIV returns the Partial IV of the request.
func (x *ServerExchange) PartialIV() uint64 { return x.piv.number() }

// ProtectResponse is Protecting the Response (Section 8.3). The first response may
// use the nonce of the request; every other carries a Partial IV of its own, as each
// notification of an observation does after the first (Section 8.3.1). A response
// must not be protected a second time to be sent again: send the same bytes. It
// returns ErrDiscarded once the context has been replaced, and ErrSpent for a zero
// ServerExchange and after Keep.
//
//spec:8613-2-3
//spec:8613-8.3-1
//spec:8613-8.3.1-1
//spec:8613-4.1.3.5-3
//spec:8613-4.1.3.5.2-1
//spec:8613-7.2-1
func (x *ServerExchange) ProtectResponse(m Message) (Protected, error) {
	c := x.context
	if c == nil {
		return Protected{}, ErrSpent
	}
	if !m.Code.response() {
		return Protected{}, errCode
	}
	if _, notify, err := observeValue(&m); err != nil || notify && !x.registration {
		return Protected{}, errObserve
	}
	if c.spent() {
		return Protected{}, c.limit()
	}
	if !c.common.ownPartialIV && x.state.CompareAndSwap(exchangeOpen, exchangeContinued) {
		return x.protect(&m, nil)
	}
	if x.state.Load() == exchangeSpent {
		return Protected{}, ErrSpent
	}
	piv, err := c.sender.sequence.take()
	if err != nil {
		return Protected{}, err
	}
	return x.protect(&m, &piv)
}

// protect makes a response with the Partial IV own, or with the nonce of the
// request.
//
//spec:8613-8.3-2
//spec:8613-8.3-3
func (x *ServerExchange) protect(m *Message, own *uint64) (Protected, error) {
	c := x.context
	v := cover{
		nonceBase: &c.recipient.base, noncePIV: x.piv.number(),
		requestKID: c.recipient.id.bytes(), requestPIV: x.piv,
	}
	if own != nil {
		v.nonceBase, v.noncePIV = &c.sender.base, *own
		v.header.piv = newPartialIV(*own)
	}
	if s := x.scratch; s != nil {
		return c.protect(&s.work, &s.response, m, &v)
	}
	w := works.Get().(*work)
	defer works.Put(w)
	return c.protect(w, new(buffer), m, &v)
}

// Keep moves the exchange out of its Scratch and returns it. x is spent.
func (x *ServerExchange) Keep() *ServerExchange {
	k := &ServerExchange{context: x.context, piv: x.piv, registration: x.registration}
	k.state.Store(x.state.Swap(exchangeSpent))
	return k
}

// limit is the error for a Sender Key that may not be used any more.
func (c *Context) limit() error {
	if c.sender.sequence.exhausted() {
		return ErrSequence
	}
	return ErrKeyLimit
}
