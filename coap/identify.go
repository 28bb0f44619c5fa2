package coap

// The ResponseWriters of this package, and those of package gocoap, have three
// more methods for the layer of OSCORE, which tells one request from another,
// ends observations on its own account, and leaves repeated requests without a
// response: Token, the Token of the request, good until the handler returns;
// End, which ends the observation that the request has become without a word
// to the client, and does nothing to another; and Drop, which says that there
// will be no response, so that nothing is kept for one, and does nothing to a
// request that was answered. A dropped Confirmable request is acknowledged.

type (
	tokener interface{ Token() []byte }
	ender   interface{ End() }
	dropper interface{ Drop() }
)

// drop leaves a request without a response.
func drop(w ResponseWriter) {
	if d, ok := w.(dropper); ok {
		d.Drop()
	}
}

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
	if t, ok := bw.w.(tokener); ok {
		return t.Token()
	}
	return nil
}

// End ends the observation that the request has become.
func (bw *blockWriter) End() {
	bw.mu.Lock()
	bw.observing = false
	bw.mu.Unlock()
	if e, ok := bw.w.(ender); ok {
		e.End()
	}
}

// Drop leaves the request without a response.
func (x *exchange) Drop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.responded {
		return
	}
	x.responded = true
	if x.cancel != nil {
		x.cancel()
	}
	if x.inline {
		x.encodeNothing()
		return
	}
	x.e.count.pending.Add(-1)
	x.e.mu.Lock()
	x.e.stopTimer(&x.timer)
	x.e.mu.Unlock()
	if x.typ == confirmable && !x.acked {
		x.acked = true
		x.sendEmpty()
	}
}

// Drop leaves the request without a response.
func (x *connExchange) Drop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.responded {
		return
	}
	x.responded = true
	if x.cancel != nil {
		x.cancel()
	}
}

// Drop leaves the request without a response.
func (bw *blockWriter) Drop() {
	if w := bw.w; w != nil && bw.state.CompareAndSwap(writerOpen, writerPassed) {
		drop(w)
	}
}
