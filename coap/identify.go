package coap

// The ResponseWriters of this package, and those of package gocoap, have two
// more methods for the layer of OSCORE, which tells one request from another
// and ends observations on its own account: Token, the Token of the request,
// good until the handler returns; and End, which ends the observation that the
// request has become without a word to the client, and does nothing to another.

type tokener interface{ Token() []byte }

type ender interface{ End() }

// Token returns the token of the request.
func (x *exchange) Token() []byte { return x.token }

// End ends the observation that the request has become.
func (x *exchange) End() {
	x.mu.Lock()
	o := x.observation
	x.mu.Unlock()
	if o == nil {
		return
	}
	o.e.mu.Lock()
	defer o.e.mu.Unlock()
	if !o.pending || !o.last() { // a last response on its way ends it too
		o.remove()
	}
}

// Token returns the token of the request.
func (x *connExchange) Token() []byte { return []byte(x.token) }

// End ends the observation that the request has become.
func (x *connExchange) End() {
	x.mu.Lock()
	observed := x.observed
	x.mu.Unlock()
	if observed {
		x.end()
	}
}

// Token returns the token of the request, or of its last block.
func (bw *blockWriter) Token() []byte {
	bw.mu.Lock()
	defer bw.mu.Unlock()
	if t, ok := bw.w.(tokener); ok {
		return t.Token()
	}
	return nil
}

// End ends the observation that the request has become.
func (bw *blockWriter) End() {
	bw.mu.Lock()
	w := bw.w
	bw.observing = false
	bw.mu.Unlock()
	if e, ok := w.(ender); ok {
		e.End()
	}
}
