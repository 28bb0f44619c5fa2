package coap

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// An exchange is the server's side of one request, and its ResponseWriter.
// While the handler runs in the reader's goroutine, what it answers is
// encoded into out, and the reader sends it; afterwards the exchange is used
// for another request. An exchange whose handler returns without an answer,
// or that is a registration, is left to the handler.
type exchange struct {
	e    *Endpoint
	lane *lane

	mu        sync.Mutex // guards what follows
	req       Request
	noted     place         // of the message in dedup
	began     time.Duration // when it was received
	typ       messageType
	id        uint16
	token     []byte
	peer      netip.AddrPort
	local     netip.Addr
	size      int      // of the request
	suppress  byte     // No-Response
	echoed    bool     // the request shows that the peer has its address
	kept      [16]byte // requestHash, once the datagram is gone
	inline    bool     // the handler runs in the reader
	responded bool
	refused   bool // no response, and no handler either
	panicked  bool // the handler may have left it to a goroutine
	acked     bool // an Empty acknowledgement was sent
	delayed   bool // the answer waits for its time (multicast)
	timer     timer
	options   Options // scratch
	out       []byte
	spare     []byte

	cancel      context.CancelFunc // of an observation or a registration
	observation *observation
}

// begin makes x the exchange of a request. Nobody else has it now: it is new, or
// was answered, and its handler has returned.
func (x *exchange) begin(d *datagram, m *message, noted place, now time.Duration, multicast bool) {
	x.noted, x.began, x.typ, x.id, x.token = noted, now, m.typ, m.mid, m.token
	x.peer, x.local, x.size = d.peer, d.local, len(d.buf)
	x.suppress, x.echoed = 0, false
	x.inline, x.responded, x.refused, x.acked, x.delayed = true, false, false, false, false
	x.panicked, x.cancel, x.observation = false, nil, nil
	x.out = x.spare[:0]
	r := &x.req
	r.Code, r.Options, r.Payload = m.code, m.options, m.payload
	r.RemoteAddr, r.Identity = d.peer, nil
	r.LocalAddr = netip.AddrPort{}
	if s := x.lane.sessions; s != nil {
		r.Identity, r.RemoteAddr = s.identify(d.peer)
	}
	if d.local.IsValid() {
		r.LocalAddr = netip.AddrPortFrom(d.local, x.lane.port())
	}
	r.NonConfirmable, r.Multicast, r.whole = m.typ == nonConfirmable, multicast, wholeness{}
	r.ctx, r.received = x.e.ctx, x.lane.received
}

func (l *lane) port() uint16 {
	if l.localPort == 0 {
		a, _ := addrPort(l.socket.LocalAddr())
		l.localPort = a.Port()
	}
	return l.localPort
}

// precheck returns the answer to a request that the handler shall not see.
func (x *exchange) precheck(d *datagram) *Response {
	r, e := &x.req, x.e
	if len(x.token) > e.cfg.MaxToken {
		//spec:8974-2.2.2-2
		return r.NewResponse(BadRequest)
	}
	if d.truncated {
		return r.NewResponse(RequestEntityTooLarge)
	}
	if bad := CheckOptions(r, e.cfg.Understands...); bad != 0 {
		e.count.badOptions.Add(1)
		if r.NonConfirmable {
			//spec:7252-5.4.1-4
			x.refused = true
			return nil
		}
		//spec:7252-5.4.1-2
		return r.badOption(bad)
	}
	for i := range r.Options {
		o := &r.Options[i]
		switch o.ID {
		case HopLimit:
			if o.Value[0] == 0 {
				//spec:8768-3-3
				return r.NewResponse(BadRequest)
			}
		case NoResponse:
			x.suppress = byte(decodeUint(o.Value))
		case Echo:
			x.echoed = e.echo.check(x.peer, o.Value, e.now())
		}
	}
	if e.draining.Load() || int(e.count.pending.Load()) >= e.cfg.MaxPending {
		e.count.refused.Add(1)
		resp := r.NewResponse(ServiceUnavailable)
		resp.Options.AddUint(MaxAge, uint32(e.cfg.RetryAfter/time.Second))
		return resp
	}
	if x.echoed {
		r.Options.Remove(Echo)
		if x.fromKept() {
			return nil
		}
	}
	x.observe()
	return nil
}

// recovered answers 5.00 for a handler that panicked: no request may end the
// process.
func (x *exchange) recovered() {
	v := recover()
	if v == nil {
		return
	}
	x.e.count.panics.Add(1)
	if x.e.cfg.Panicked != nil {
		x.e.cfg.Panicked(v)
	}
	x.mu.Lock()
	x.panicked = true
	x.mu.Unlock()
	_ = x.Respond(&Response{Code: InternalServerError})
}

// detach leaves x to a handler that will answer later. The caller holds x.mu.
func (x *exchange) detach(now time.Duration) {
	if x.refused {
		x.responded = true
		return
	}
	x.token = append([]byte(nil), x.token...)
	if x.e.echo.limit > 0 && !x.repeatable() {
		x.kept = x.requestHash()
	}
	x.req.Options, x.req.Payload = nil, nil // parts of the datagram
	e := x.e
	e.count.pending.Add(1)
	if x.typ != confirmable {
		return
	}
	x.timer.fire = x.acknowledge
	e.mu.Lock()
	e.setTimer(&x.timer, now+e.cfg.AckDelay)
	e.mu.Unlock()
}

// acknowledge promises an answer that takes longer (RFC 7252, Section 5.2.2).
func (x *exchange) acknowledge(time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.responded || x.acked {
		return
	}
	x.acked = true
	x.sendEmpty()
}

func (x *exchange) sendEmpty() {
	//spec:7252-4.2-2
	//spec:7252-4.2-3
	//spec:7252-4.4-1
	b := emptyMessage(acknowledgement, x.id)
	x.lane.dedup.answerLate(x.noted, b[:])
	x.lane.write(datagram{buf: b[:], peer: x.peer, local: x.local})
}

// Respond answers the request; see ResponseWriter.
func (x *exchange) Respond(resp *Response) error {
	x.mu.Lock()
	if o := x.observation; o != nil {
		x.mu.Unlock()
		return o.notify(resp)
	}
	defer x.mu.Unlock()
	if x.responded {
		return ErrResponded
	}
	now := x.began
	if !x.inline {
		now = x.e.now()
	}
	x.responded = true
	err := x.encode(resp, now)
	if err != nil {
		_ = x.encode(textResponse(InternalServerError, "response cannot be sent"), now)
	}
	if x.cancel != nil && x.observation == nil {
		x.cancel() // no observation came of it
	}
	switch {
	case x.delayed:
		x.scheduleLeisure(now)
	case !x.inline:
		x.e.count.pending.Add(-1)
		x.sendLate(now)
	}
	return err
}

// scheduleLeisure sends an answer to a group at a random time (RFC 7252,
// Section 8.2).
func (x *exchange) scheduleLeisure(now time.Duration) {
	e := x.e
	late := &timer{}
	b := append([]byte(nil), x.out...)
	l, peer := x.lane, x.peer
	late.fire = func(time.Duration) { l.write(datagram{buf: b, peer: peer}) }
	if !x.inline {
		e.count.pending.Add(-1)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.setTimer(late, now+e.random.below(e.cfg.Leisure))
}

// sendLate sends what encode has made after the handler left the reader.
func (x *exchange) sendLate(now time.Duration) {
	e := x.e
	e.mu.Lock()
	e.stopTimer(&x.timer)
	e.mu.Unlock()
	if len(x.out) == 0 || e.ctx.Err() != nil {
		return
	}
	if x.typ != confirmable || !x.acked {
		x.lane.write(datagram{buf: x.out, peer: x.peer, local: x.local})
		return
	}
	if x.out[0]>>4&3 == byte(nonConfirmable) { // a challenge
		x.lane.write(datagram{buf: x.out, peer: x.peer, local: x.local})
		return
	}
	//spec:7252-5.2.2-1
	t := &transmission{lane: x.lane, local: x.local, bytes: x.out}
	t.key = sentKey{x.peer, uint16(x.out[2])<<8 | uint16(x.out[3])}
	if x.observation != nil {
		//spec:7641-4.5-2
		t.owner = x.observation // the first notification: a Reset ends it too
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.enter(x.peer, &departure{start: func(now time.Duration) { e.transmit(t, now) }}, now)
	}
}
