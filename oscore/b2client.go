package oscore

// sendingB2 is sending for an association with Appendix B.2: it continues a run, or
// begins one if there is no context, if one was asked for, or if the one in use has
// done half of what it may.
func (a *Association) sendingB2() (c *Context, kidContext []byte, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, current := a.b2, a.current.Load()
	switch {
	case a.gone:
		return nil, nil, ErrDiscarded
	case b.third != nil:
		return b.third, wrap(b.third.common.idContext), nil // request #2
	case b.first != nil:
	case current != nil && !current.worn() && !b.asked.Load():
		return current, current.kidContext(), nil
	default:
		if err := b.begin(); err != nil {
			return nil, nil, err
		}
	}
	return b.first, wrap(b.first.common.idContext), nil // request #1
}

// begin is step 1 of Appendix B.2: a first context with ID Context = R1.
func (b *b2) begin() error {
	r1, err := b.random(sizeR1)
	if err != nil {
		return err
	}
	if b.first, err = b.derive(r1, stepFirst); err != nil {
		return err
	}
	b.asked.Store(false)
	return nil
}

// verifyResponse1 is step 3 of Appendix B.2: it verifies p as response #1 to the request
// of x, under the second context with ID Context = R2 || ID1, and prepares request #2.
// ID1 is R1, or the ID Context of the context in use if it is the server who begins.
func (a *Association) verifyResponse1(x *ClientExchange, p *Protected) (Message, error) {
	if a.b2 == nil || !p.header.hasKIDContext {
		return Message{}, errNotResponse1
	}
	id1 := x.context.common.idContext
	for _, r2 := range readings(p.header.kidContext) {
		m, err := a.openResponse1(x, p, concat(r2, id1))
		if err != nil {
			continue
		}
		return m, a.prepareRequest2(x.context, r2)
	}
	return Message{}, errNotResponse1
}

// openResponse1 decrypts p under the second context. If it has no Partial IV, its nonce is
// that of the request: with the Common IV of the first context, or, as others read
// Section 5.2, of the second.
func (a *Association) openResponse1(x *ClientExchange, p *Protected, id2 []byte) (Message, error) {
	second, err := a.derive(id2, stepSecond)
	if err != nil {
		return Message{}, err
	}
	defer second.discard()
	m, err := x.open(p, second, &x.context.sender.base)
	if err != nil && p.header.piv.n == 0 {
		m, err = x.open(p, second, &second.sender.base)
	}
	return m, err
}

// prepareRequest2 makes the third context, with ID Context = R2 || R3, for the next
// requests. Of several responses #1 the first counts, unless the server says by another
// that it does not know R2 any more: then that comes in answer to request #2. A
// response #1 to a request from before the context in use only says that the request
// was not processed.
func (a *Association) prepareRequest2(asked *Context, r2 []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.b2
	if a.gone {
		return ErrDiscarded
	}
	live := asked == b.first || asked == b.third || asked == a.current.Load()
	if !live || b.third != nil && b.third != asked {
		return nil
	}
	r3, err := b.random(sizeR3)
	if err != nil {
		return err
	}
	third, err := b.derive(concat(r2, r3), stepThird)
	if err != nil {
		return err
	}
	if b.third != nil {
		b.third.discard()
	}
	b.third = third
	return nil
}

// confirm is step 5 of Appendix B.2: a response under the third context, with which
// that comes into use.
func (a *Association) confirm(c *Context) replacement {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone || a.b2.third != c {
		return replacement{}
	}
	return a.install(c)
}
