package coap

import (
	"context"
	"net/netip"
	"time"
)

// callKey is what a response is matched by (RFC 7252, Section 5.3.2). The
// peer is zero for a request to a group.
type callKey struct {
	peer  netip.AddrPort
	token [8]byte
}

// A call is the client's side of one request, or of an observation with its
// registrations. It is guarded by Endpoint.mu.
type call struct {
	e     *Endpoint
	key   callKey
	token string
	req   *Request // the caller's, while it waits

	sent      *transmission
	departure *departure
	flight    bool // a Non-confirmable request that counts against NSTART
	timer     timer
	done      chan result
	finished  bool
	notes     *notes // of an observation, or of a group
}

type result struct {
	resp *Response
	err  error
}

// Do sends a request to its RemoteAddr and waits for the response, or until
// ctx is done. A Confirmable request fails with ErrTimeout when it is not
// acknowledged, with ErrReset when it is rejected. When the server asks for
// the peer's address to be shown by an Echo option, Do does so (RFC 9175,
// Section 2.3). Requests to one peer wait for each other beyond NSTART.
func (e *Endpoint) Do(ctx context.Context, r *Request) (*Response, error) {
	resp, err := e.do(ctx, r)
	if err != nil || resp.Code != Unauthorized || resp.Options.Has(OSCORE) {
		return resp, err
	}
	if v, ok := resp.Options.Get(Echo); ok && !r.Options.Has(Echo) {
		return e.do(ctx, r.withEcho(v))
	}
	return resp, nil
}

// withEcho returns a copy of r with an Echo option.
func (r *Request) withEcho(v []byte) *Request {
	again := *r
	again.reply = Response{}
	again.Options = append(make(Options, 0, len(r.Options)+1), r.Options...)
	//spec:9175-2.2.1-1
	//spec:9175-2.3-2
	again.Options.Set(Echo, v)
	return &again
}

func (e *Endpoint) do(ctx context.Context, r *Request) (*Response, error) {
	c, err := e.newCall(r, nil)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	select {
	case res := <-c.done:
		return res.resp, res.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// newCall registers a call under a fresh token.
func (e *Endpoint) newCall(r *Request, n *notes) (*call, error) {
	peer := netip.AddrPortFrom(r.RemoteAddr.Addr().Unmap(), r.RemoteAddr.Port())
	if !r.Code.IsRequest() || !peer.IsValid() || peer.Port() == 0 || hasDotSegment(r.Options, URIPath) {
		return nil, ErrBadRequest
	}
	//spec:7252-8.1-1
	//spec:7252-8.2.1-1
	if peer.Addr().IsMulticast() && (!r.NonConfirmable || r.Options.Has(ETag)) {
		return nil, ErrBadRequest
	}
	c := &call{e: e, req: r, done: make(chan result, 1), notes: n}
	c.key.peer = peer
	if peer.Addr().IsMulticast() {
		c.key.peer = netip.AddrPort{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	if r.token != nil {
		c.key.token = *r.token
	}
	//spec:9175-4.2-1
	if r.token == nil || e.calls[c.key] != nil {
		e.random.take(c.key.token[:])
	}
	if e.calls[c.key] != nil {
		return nil, ErrTimeout // the random source repeats itself
	}
	c.token = string(c.key.token[:])
	c.timer.fire = c.expire
	e.calls[c.key] = c
	return c, nil
}

func (c *call) peer() netip.AddrPort {
	return netip.AddrPortFrom(c.req.RemoteAddr.Addr().Unmap(), c.req.RemoteAddr.Port())
}

// begin sends the request, or has it wait for its turn. It waits itself only
// while no Message ID is free.
func (c *call) begin(ctx context.Context) error {
	e := c.e
	for {
		now := e.now()
		e.mu.Lock()
		if e.closed {
			e.mu.Unlock()
			return ErrClosed
		}
		id, ok := e.ids.take(c.peer(), now, false)
		if ok {
			err := c.enter(id, now)
			e.mu.Unlock()
			return err
		}
		e.mu.Unlock()
		t := e.cfg.Clock.NewTimer(time.Second)
		select {
		case <-t.C():
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		case <-e.ctx.Done():
			t.Stop()
			return ErrClosed
		}
	}
}

// enter encodes the request and queues it. The caller holds e.mu.
func (c *call) enter(id uint16, now time.Duration) error {
	e := c.e
	typ := confirmable
	if c.req.NonConfirmable {
		typ = nonConfirmable
	}
	b, err := appendMessage(nil, typ, c.req.Code, id, []byte(c.token), c.req.Options, c.req.Payload)
	if err != nil {
		return err
	}
	peer := c.peer()
	t := &transmission{lane: e.lanes[0], key: sentKey{peer, id}, bytes: b, owner: c}
	c.departure = &departure{start: func(now time.Duration) {
		if typ == confirmable {
			c.sent = t
			e.transmit(t, now)
			return
		}
		t.e, c.flight = e, true
		e.sent[t.key] = t // for a Reset
		c.sent = t
		e.setTimer(&c.timer, now+e.cfg.ResponseTimeout)
		t.send()
	}}
	if !e.enter(peer, c.departure, now) {
		return ErrTimeout
	}
	return nil
}

// transmitted is told what became of the request message.
func (c *call) transmitted(t *transmission, how outcome, now time.Duration) {
	if c.sent == t {
		c.sent = nil
	}
	switch how {
	case acknowledged:
		if !c.finished && (c.notes == nil || !c.notes.registered && !c.notes.canceled) {
			c.e.setTimer(&c.timer, now+c.e.cfg.ResponseTimeout)
		}
	case rejected:
		c.finish(result{err: ErrReset})
	case timedOut:
		//spec:7252-4.2-7
		c.unanswered(now)
	}
}

// expire ends the wait for a response, or registers again.
func (c *call) expire(now time.Duration) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.finished || c.timer.index != 0 {
		return // or set anew meanwhile
	}
	if c.notes != nil && c.notes.registered {
		c.notes.wake(errRefresh)
		return
	}
	c.unanswered(now)
}

// finish hands the result over, once. The caller holds e.mu.
func (c *call) finish(r result) {
	if !c.finished {
		c.finished = true
		c.done <- r
	}
}

// close forgets the call; the message is no longer retransmitted.
func (c *call) close() {
	e := c.e
	now := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	c.finished = true
	delete(e.calls, c.key)
	e.stopTimer(&c.timer)
	c.stopSending(now)
}

// stopSending ends the transmission of the request and its place in the
// peer's flight. The caller holds e.mu.
func (c *call) stopSending(now time.Duration) {
	e := c.e
	if c.departure != nil {
		c.departure.canceled = true
	}
	if t := c.sent; t != nil {
		c.sent = nil
		t.owner = nil
		if e.sent[t.key] == t {
			t.end(acknowledged, now)
		}
	}
	if c.flight {
		c.flight = false
		e.leave(c.peer(), now)
	}
}

// deliver matches a response in a message of its own. It is false if nobody
// waits for it.
func (e *Endpoint) deliver(peer netip.AddrPort, m *message, now time.Duration) bool {
	if len(m.token) != 8 {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	//spec:7252-5.3.2-1
	//spec:7252-5.2.3-1
	//spec:7252-5.3.2-4
	c := e.calls[callKey{peer, [8]byte(m.token)}]
	if c == nil {
		//spec:7252-8.2-1
		c = e.calls[callKey{token: [8]byte(m.token)}]
	}
	if c == nil || e.closed {
		return false
	}
	return c.receive(m, peer, false, now)
}

// receive takes a response that matches, in the acknowledgement of the request or
// in a message of its own. It is false if the response is to be rejected for an
// option (RFC 7252, Section 5.4.1). The caller holds e.mu.
func (c *call) receive(m *message, peer netip.AddrPort, acknowledges bool, now time.Duration) bool {
	if c.finished {
		return false
	}
	//spec:7252-5.4.1-3
	bad, n := filterOptions(m.options, false, nil)
	if bad != 0 {
		return false
	}
	resp := &Response{Code: m.code, Options: m.options[:n].Clone(), RemoteAddr: peer}
	if c.notes != nil && c.notes.passesOver(c, resp, acknowledges, now) {
		return true
	}
	c.stopSending(now)
	if len(m.payload) > 0 {
		resp.Payload = append([]byte(nil), m.payload...)
	}
	if c.notes != nil {
		c.notes.receive(c, resp, now)
		return true
	}
	c.e.stopTimer(&c.timer)
	c.finish(result{resp: resp})
	return true
}
