package oscore

// ProtectRequest is Protecting the Request (Section 8.1).
func (c *Context) ProtectRequest(m Message) (Protected, *ClientExchange, error) {
	return c.protectRequest(m, c.kidContext())
}

// kidContext returns the kid context of ordinary requests: the ID Context, or nil to
// send none (Section 5.1).
//
//spec:8613-5-5
func (c *Context) kidContext() []byte {
	if c.common.omitKIDC {
		return nil
	}
	return c.common.idContext
}

//spec:8613-8.1-1
func (c *Context) protectRequest(m Message, kidContext []byte) (Protected, *ClientExchange, error) {
	if !m.Code.request() {
		return Protected{}, nil, errCode //spec:8613-4.3-7
	}
	observe, isObserve, err := observeValue(&m)
	if err != nil || isObserve && observe > 1 {
		return Protected{}, nil, errObserve
	}
	if m.Options, err = splitProxyURI(m.Options); err != nil {
		return Protected{}, nil, err
	}
	x := &ClientExchange{context: c, registration: isObserve && observe == 0}
	v := cover{nonceBase: &c.sender.base, requestKID: c.sender.id.bytes()}
	if _, has := m.option(optionEcho); !has {
		v.echo = c.sender.echo.get()
		x.echo = v.echo
	}
	//spec:8613-4.1.3.5.1-2
	if v.noncePIV, err = c.sender.sequence.take(); err != nil {
		return Protected{}, nil, err
	}
	x.piv = newPartialIV(v.noncePIV)
	v.requestPIV = x.piv
	v.header = header{
		piv: x.piv,
		kid: c.sender.id.bytes(), hasKID: true,
		kidContext: kidContext, hasKIDContext: kidContext != nil,
	}
	w := works.Get().(*work)
	defer works.Put(w)
	p, err := c.protect(w, new(buffer), &m, &v)
	if err != nil {
		return Protected{}, nil, err
	}
	return p, x, nil
}

// VerifyRequest is Verifying the Request (Section 8.2). The error is a
// [*Challenge] or an [*Error], or one of our side; ErrorMessage has the answer.
func (c *Context) VerifyRequest(p Protected) (Message, *ServerExchange, error) {
	if err := p.request(); err != nil {
		return Message{}, nil, err
	}
	kid, ok := newID(p.header.kid)
	if !ok || kid != c.recipient.id || !c.named(&p.header) {
		return Message{}, nil, errNoContext
	}
	return c.verifyRequest(&p, nil)
}

// named reports whether the kid context of a request, if any, is the ID Context of
// c: as it is, or in the CBOR byte string of a request #2 if c came of a run of Appendix
// B.2.
//
//spec:8613-5-6
func (c *Context) named(h *header) bool {
	if !h.hasKIDContext {
		return true
	}
	if c.common.idContext == nil {
		return false
	}
	if string(h.kidContext) == string(c.common.idContext) {
		return true
	}
	if c.step != stepThird {
		return false
	}
	unwrapped, ok := unwrap(h.kidContext)
	return ok && string(unwrapped) == string(c.common.idContext)
}

// verifyRequest is Section 8.2 from step 3 on, for a request whose kid and kid context
// are those of c. The Partial IV is checked, and after the decryption taken. Unless a
// is nil, the gate is asked in between.
//
//spec:8613-8.2-1
func (c *Context) verifyRequest(p *Protected, a *Association) (Message, *ServerExchange, error) {
	number := p.header.piv.number()
	fresh, lost := c.recipient.window.check(number)
	//spec:8613-7.4-2
	if !fresh {
		return Message{}, nil, errReplay
	}
	if a != nil && !p.admits(a) {
		return Message{}, nil, errThrottled
	}
	m, err := c.openRequest(p)
	//spec:8613-8.2-4
	if err != nil {
		return Message{}, nil, err
	}
	x := c.exchange(p, &m)
	if lost {
		if !c.recipient.echo.answered(&m) {
			return Message{}, nil, c.challenge(x)
		}
		if c.recoverWindow(number) {
			return m, x, nil
		}
	}
	//spec:8613-8.2-5
	if !c.recipient.window.take(number) {
		return Message{}, nil, errReplay
	}
	return m, x, nil
}

// openRequest decrypts p (Section 8.2, steps 4 to 6) and makes the decrypted request
// of it (step 7). It knows no replay window.
func (c *Context) openRequest(p *Protected) (Message, error) {
	v := cover{
		nonceBase: &c.recipient.base, noncePIV: p.header.piv.number(),
		requestKID: c.recipient.id.bytes(), requestPIV: p.header.piv,
	}
	if s := p.scratch; s != nil {
		return c.open(&s.work, &s.request, p, &v, Code.request)
	}
	w := works.Get().(*work)
	defer works.Put(w)
	return c.open(w, new(buffer), p, &v, Code.request)
}

// exchange keeps what the responses to the request are bound to.
//
//spec:8613-8-1
//spec:8613-8-2
func (c *Context) exchange(p *Protected, m *Message) *ServerExchange {
	var x *ServerExchange
	if p.scratch != nil {
		x = &p.scratch.exchange
		x.scratch = p.scratch
	} else {
		x = new(ServerExchange)
	}
	x.context, x.piv = c, p.header.piv
	value, observe, err := observeValue(m)
	x.registration = observe && err == nil && value == 0
	x.state.Store(exchangeOpen)
	return x
}
