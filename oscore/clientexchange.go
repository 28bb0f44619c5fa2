package oscore

import "sync"

// A ClientExchange is a request that waits for its responses. It is safe for
// concurrent use.
//
//spec:8613-8-1
//spec:8613-8-2
type ClientExchange struct {
	unprintable
	context      *Context     // whose Sender ID is the kid of the request
	association  *Association // nil for a Context of its own
	piv          partialIV    // of the request
	registration bool         // of an observation
	echo         []byte       // the value that went with the request

	mu           sync.Mutex // guards all below
	done         bool       // no response is expected any more
	nonceUsed    bool       // a response had the nonce of the request
	notified     bool       // a notification had a Partial IV:
	notification uint64     // the highest, the Notification Number (Section 7.4.1)
}

// VerifyResponse is Verifying the Response (Section 8.4). A failure changes
// nothing: go on waiting, also for an observation, which must not be registered again
// because of it (Section 8.4.2). A [*Retry] ends the exchange, as the first verified
// response does, unless that is a notification. Notifications come out in the order
// of the server, with the lower three bytes of their Partial IV as Observe option: one
// that is not newer than the last is an [*Error].
//
//spec:8613-8.4-1
//spec:8613-8.4-3
//spec:8613-8.4.2-2
func (x *ClientExchange) VerifyResponse(p Protected) (Message, error) {
	if len(p.payload) == 0 {
		return Message{}, ErrUnprotected
	}
	p.scratch = nil // a Scratch is a server's
	m, r, err := x.verifyResponse(&p)
	r.announce()
	return m, err
}

func (x *ClientExchange) verifyResponse(p *Protected) (Message, replacement, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done || x.context == nil {
		return Message{}, replacement{}, ErrSpent
	}
	if x.association != nil && (p.header.hasKIDContext || x.context.step == stepFirst) {
		if m, err := x.association.verifyResponse1(x, p); err == nil {
			x.done = true
			return Message{}, replacement{}, &Retry{Response: m, Section: "B.2"}
		} else if x.context.step == stepFirst {
			return Message{}, replacement{}, err
		}
	}
	m, err := x.verify(p)
	if err != nil {
		return Message{}, replacement{}, err
	}
	var r replacement
	if x.context.step == stepThird {
		r = x.association.confirm(x.context)
	}
	if err := x.context.sender.echo.learn(&m, x.echo); err != nil {
		x.done = true
		return Message{}, r, err
	}
	return m, r, nil
}

// verify is the response under the context of the request.
func (x *ClientExchange) verify(p *Protected) (Message, error) {
	own := p.header.piv.n != 0
	if p.header.hasKID && string(p.header.kid) != string(x.context.recipient.id.bytes()) {
		return Message{}, errDecode // the kid is in no AAD, but it is there for nothing else
	}
	if x.registration && !own && x.nonceUsed {
		return Message{}, errNotification //spec:8613-8.4.2-1
	}
	m, err := x.open(p, x.context, &x.context.sender.base)
	if err != nil {
		return Message{}, err
	}
	if _, notify := m.option(optionObserve); !notify {
		x.done = true
		return m, nil
	}
	if !x.registration {
		return Message{}, errNotRegistered
	}
	if err := x.notify(p, &m); err != nil {
		return Message{}, err
	}
	return m, nil
}

// open decrypts p as a response to the request of x: with its own Partial IV, or with
// the nonce of the request.
func (x *ClientExchange) open(p *Protected, c *Context, request *nonceBase) (Message, error) {
	v := cover{
		nonceBase: request, noncePIV: x.piv.number(),
		requestKID: c.sender.id.bytes(), requestPIV: x.piv,
	}
	if p.header.piv.n != 0 {
		v.nonceBase, v.noncePIV = &c.recipient.base, p.header.piv.number()
	}
	w := works.Get().(*work)
	defer works.Put(w)
	return c.open(w, new(buffer), p, &v, Code.response)
}

// notify is the replay protection of notifications (Section 7.4.1). It accepts those
// that are newer than the newest: one without Partial IV is the oldest of all.
//
//spec:8613-7.4.1-1
//spec:8613-7.4.1-2
//spec:8613-7.4.1-3
//spec:8613-7.4.1-4
//spec:8613-4.1.3.5.2-2
//spec:8613-4.1.3.5.2-5
func (x *ClientExchange) notify(p *Protected, m *Message) error {
	if p.header.piv.n == 0 {
		x.nonceUsed = true
		if x.notified {
			return errNotification
		}
		setObserve(m, nil)
		return nil
	}
	number := p.header.piv.number()
	if x.notified && number <= x.notification {
		return errNotification
	}
	x.notified, x.notification = true, number
	piv := newPartialIV(number & 0xffffff)
	setObserve(m, append([]byte(nil), piv.bytes()...))
	return nil
}

func setObserve(m *Message, value []byte) {
	for i := range m.Options {
		if m.Options[i].Number == optionObserve {
			m.Options[i].Value = value
		}
	}
}
