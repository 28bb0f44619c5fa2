package coap

import (
	"context"
	"net/netip"
	"time"
)

const (
	// conEvery and conInterval are after how many notifications, and how
	// long, one is sent in a Confirmable message (RFC 7641, Section 4.5).
	conEvery    = 20
	conInterval = 24 * time.Hour
	// nonInterval is the time between two Non-confirmable notifications to a
	// client whose round-trip time is not known (RFC 7641, Section 4.5.1).
	nonInterval = 3 * time.Second
	// observeTick makes a clock a sequence number (RFC 7641, Section 4.4).
	observeTick = 256 * time.Second / (1 << 23)
)

// observationKey is what an entry of the list of observers is known by
// (RFC 7641, Section 4.1).
type observationKey struct {
	peer  netip.AddrPort
	token string
}

// An observation is an entry of the list of observers. It is guarded by
// Endpoint.mu.
type observation struct {
	e      *Endpoint
	lane   *lane
	local  netip.Addr
	key    observationKey
	cancel context.CancelFunc

	format   uint32 // Content-Format of the initial response, plus 1; 0 is none
	ended    bool
	sequence uint64        // of the last notification, not wrapped
	sinceCon int           // notifications since the last Confirmable one
	lastCon  time.Duration // when the client last showed its interest
	rtt      time.Duration // 0 is not known
	nextNon  time.Duration // when the next Non-confirmable one may go
	current  *Response     // the last notification
	pending  bool          // current waits to be sent
	con      *transmission // Confirmable, outstanding
	non      *transmission // the last Non-confirmable
	timer    timer         // sends what is pending, or shows a sign of life
}

// observe prepares a registration, or ends an observation that the client
// deregisters (RFC 7641, Section 4.1). The caller is the reader.
func (x *exchange) observe() {
	r, e := &x.req, x.e
	v, ok := r.Options.Uint(Observe)
	if !ok {
		return
	}
	if r.Code != GET && r.Code != FETCH {
		r.Options.Remove(Observe) // it means nothing there, and no handler shall think so
		return
	}
	switch v {
	case 0:
		ctx, cancel := context.WithCancel(e.ctx)
		r.ctx, x.cancel = ctx, cancel
	case 1:
		if r.Options.Has(OSCORE) {
			return // what counts is inside (RFC 8613, Section 4.1.3.5)
		}
		//spec:7641-4.1-5
		e.mu.Lock()
		if o := e.observations[observationKey{x.peer, string(x.token)}]; o != nil {
			o.remove()
		}
		e.mu.Unlock()
	}
}

// acceptObservation returns the options of a response that has the Observe
// option. If the request is a registration, the response a success and there
// is room, x becomes an observation; otherwise the option is left out. The
// caller holds x.mu.
func (x *exchange) acceptObservation(resp *Response, now time.Duration) Options {
	x.options = append(x.options[:0], resp.Options...)
	//spec:7641-4.1-4
	//spec:7641-4.1-6
	x.options.Remove(Observe)
	if x.cancel == nil || !resp.Code.IsSuccess() {
		return x.options
	}
	e := x.e
	o := &observation{
		e: e, lane: x.lane, local: x.local, cancel: x.cancel, lastCon: now,
		key: observationKey{x.peer, string(x.token)}, current: resp.Clone(), format: formatOf(resp),
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	//spec:7641-4.1-2
	//spec:7641-4.1-3
	if old := e.observations[o.key]; old != nil {
		o.sequence = old.sequence
		old.remove()
	}
	if e.closed || len(e.observations) >= e.cfg.MaxObservations || e.observers[x.peer] >= e.cfg.MaxPeerObservations {
		return x.options
	}
	e.observations[o.key] = o
	e.observers[x.peer]++
	x.observation = o
	o.timer.fire = o.due
	o.nextNon = now
	e.setTimer(&o.timer, now+conInterval)
	x.options.SetUint(Observe, o.next(now))
	return x.options
}

// next returns the next sequence number: a clock, so that it also grows from
// one observation to the next with the same token.
func (o *observation) next(now time.Duration) uint32 {
	//spec:7641-4.4-1
	//spec:7641-4.4-2
	//spec:7641-4.4-3
	o.sequence = max(o.sequence+1, uint64(now/observeTick)+2)
	return uint32(o.sequence & 0xffffff)
}

// end removes an observation without a word to the client.
func (o *observation) end() {
	o.e.mu.Lock()
	defer o.e.mu.Unlock()
	o.remove()
}

// remove takes an observation from the list of observers and ends the context
// of its handler. The caller holds e.mu.
func (o *observation) remove() {
	if o.ended {
		return
	}
	o.ended = true
	e := o.e
	delete(e.observations, o.key)
	if e.observers[o.key.peer]--; e.observers[o.key.peer] <= 0 {
		delete(e.observers, o.key.peer)
	}
	e.stopTimer(&o.timer)
	if o.non != nil && e.sent[o.non.key] == o.non {
		delete(e.sent, o.non.key)
	}
	o.cancel()
}

// notify sends a notification, or keeps it until one may be sent; a newer one
// then takes its place (RFC 7641, Section 4.5.2).
func (o *observation) notify(resp *Response) error {
	if !resp.Code.IsResponse() {
		return ErrBadRequest
	}
	e := o.e
	now := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if o.ended || e.closed {
		return ErrClosed
	}
	if resp.Code.IsSuccess() && resp.Code != Valid && formatOf(resp) != o.format {
		//spec:7641-4.2-2
		//spec:7641-4.2-3
		//spec:7641-4.2-4
		resp = &Response{Code: NotAcceptable}
	}
	o.current, o.pending = resp.Clone(), true
	o.advance(now)
	return nil
}

func formatOf(r *Response) uint32 {
	if f, ok := r.Options.Uint(ContentFormat); ok {
		return f + 1
	}
	return 0
}

// last reports whether the current notification ends the observation.
func (o *observation) last() bool {
	return !o.current.Code.IsSuccess() || !o.current.Options.Has(Observe)
}

// advance sends what is pending, if it may. The caller holds e.mu.
func (o *observation) advance(now time.Duration) {
	e := o.e
	if !o.pending || o.con != nil || o.ended {
		return
	}
	last := o.last()
	if last || o.current.Confirmable || o.sinceCon+1 >= conEvery || o.rtt == 0 || now-o.lastCon >= conInterval {
		//spec:7641-4.5-3
		o.sendCon(now, last)
		return
	}
	if now < o.nextNon {
		e.setTimer(&o.timer, o.nextNon)
		return
	}
	o.sendNon(now)
}

// message encodes the current notification.
func (o *observation) message(typ messageType, now time.Duration) ([]byte, uint16, error) {
	id, fresh := o.e.ids.take(o.key.peer, now, true)
	if !fresh {
		o.e.count.idsReused.Add(1)
	}
	options := append(make(Options, 0, len(o.current.Options)+1), o.current.Options...)
	options.Remove(Observe)
	//spec:7641-4.2-5
	//spec:7641-4.2-6
	if !o.last() {
		options.SetUint(Observe, o.next(now))
	}
	//spec:7641-4.2-1
	b, err := appendMessage(nil, typ, o.current.Code, id, []byte(o.key.token), options, o.current.Payload)
	return b, id, err
}

func (o *observation) sendNon(now time.Duration) {
	e := o.e
	o.pending = false
	b, id, err := o.message(nonConfirmable, now)
	if err != nil {
		o.remove()
		return
	}
	if o.non != nil && e.sent[o.non.key] == o.non {
		delete(e.sent, o.non.key)
	}
	o.sinceCon++
	o.nextNon = now + max(o.rtt, time.Millisecond)
	o.non = &transmission{e: e, lane: o.lane, key: sentKey{o.key.peer, id}, local: o.local, bytes: b, owner: o}
	e.sent[o.non.key] = o.non
	e.setTimer(&o.timer, o.lastCon+conInterval)
	e.count.notifications.Add(1)
	o.non.send()
}

// sendCon sends the current notification in a Confirmable message, when the
// peer's other interactions allow.
func (o *observation) sendCon(now time.Duration, last bool) {
	e := o.e
	t := &transmission{lane: o.lane, local: o.local, owner: o, renew: o.renew}
	o.con = t
	start := func(now time.Duration) {
		o.pending = false
		b, id, err := o.message(confirmable, now)
		if err != nil || o.ended && !last {
			o.con = nil
			o.remove()
			e.leave(o.key.peer, now)
			return
		}
		t.bytes, t.key = b, sentKey{o.key.peer, id}
		e.count.notifications.Add(1)
		e.transmit(t, now)
	}
	if !e.enter(o.key.peer, &departure{start: start}, now) {
		o.con = nil
	}
	if last {
		//spec:7641-4.2-2
		//spec:7641-4.2-3
		//spec:7641-4.2-4
		o.remove()
	}
}

// renew replaces an old state by the current one before it is retransmitted,
// with a Message ID of its own (RFC 7641, Section 4.5.2).
func (o *observation) renew(t *transmission, now time.Duration) {
	if !o.pending {
		return
	}
	b, id, err := o.message(confirmable, now)
	if err != nil {
		return
	}
	//spec:7641-4.3.1-1
	//spec:7641-4.4-4
	//spec:7641-4.4-5
	//spec:7641-4.5-1
	o.pending = false
	delete(o.e.sent, t.key)
	t.bytes, t.key = b, sentKey{o.key.peer, id}
	o.e.sent[t.key] = t
}

// transmitted is told of acknowledgements and Resets.
func (o *observation) transmitted(t *transmission, how outcome, now time.Duration) {
	if t == o.con {
		o.con = nil
	}
	switch how {
	case acknowledged:
		if t.retries == 0 {
			o.rtt = max(now-t.first, 1)
		} else if o.rtt == 0 {
			o.rtt = nonInterval
		}
		o.sinceCon, o.lastCon = 0, now
		o.nextNon = now
		if !o.ended {
			o.e.setTimer(&o.timer, now+conInterval)
		}
		o.advance(now)
	case rejected, timedOut:
		//spec:7641-4.5-2
		o.remove()
	}
}

// due sends what waited, or, when the client has shown no interest for a day,
// the current state once more in a Confirmable message.
func (o *observation) due(now time.Duration) {
	e := o.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if o.ended || e.closed {
		return
	}
	//spec:7641-4.5-3
	if now-o.lastCon >= conInterval {
		o.pending = true
	}
	e.setTimer(&o.timer, max(o.lastCon+conInterval, now+time.Minute))
	o.advance(now)
}
