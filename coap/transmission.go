package coap

import (
	"net/netip"
	"time"
)

// sentKey is by what an acknowledgement or Reset finds its message
// (RFC 7252, Section 4.4).
type sentKey struct {
	peer netip.AddrPort
	id   uint16
}

// A transmission is a message sent that may be acknowledged or rejected: each
// Confirmable one until that happens (RFC 7252, Section 4.2), and the last
// Non-confirmable notification of an observation. It is guarded by
// Endpoint.mu.
type transmission struct {
	e        *Endpoint
	lane     *lane
	key      sentKey
	local    netip.Addr
	bytes    []byte
	reliable bool
	retries  int
	timeout  time.Duration
	first    time.Duration // when it was sent first
	timer    timer
	flight   bool // counts against NSTART until it ends

	// owner is told the end, with Endpoint.mu held; nil needs not know.
	owner transmissionOwner
	// renew, if set, may replace bytes before a retransmission.
	renew func(t *transmission, now time.Duration)
}

// outcome is how a transmission ended.
type outcome int

const (
	acknowledged outcome = iota
	rejected
	timedOut
)

type transmissionOwner interface {
	transmitted(t *transmission, how outcome, now time.Duration)
}

// transmit sends a Confirmable message for the first time. The caller holds
// e.mu, and a place in the peer's flight.
func (e *Endpoint) transmit(t *transmission, now time.Duration) {
	t.e, t.reliable, t.first, t.flight = e, true, now, true
	//spec:7252-4.2-7
	spread := time.Duration(float64(e.cfg.AckTimeout) * (e.cfg.AckRandomFactor - 1))
	t.timeout = e.cfg.AckTimeout + e.random.below(spread+1)
	t.timer.fire = t.expire
	e.sent[t.key] = t
	e.outstanding++
	e.setTimer(&t.timer, now+t.timeout)
	t.send()
}

func (t *transmission) send() {
	t.lane.write(datagram{buf: t.bytes, peer: t.key.peer, local: t.local})
}

// expire retransmits or gives up (RFC 7252, Section 4.2).
func (t *transmission) expire(now time.Duration) {
	e := t.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sent[t.key] != t || e.closed {
		return
	}
	if t.retries >= e.cfg.MaxRetransmit {
		e.count.timeouts.Add(1)
		t.end(timedOut, now)
		return
	}
	t.retries++
	t.timeout *= 2
	e.setTimer(&t.timer, now+t.timeout)
	//spec:7252-4.2-8
	if now-t.first > e.cfg.maxTransmitSpan() {
		return // too late: the endpoint was asleep
	}
	if t.renew != nil {
		t.renew(t, now)
	}
	e.count.retransmissions.Add(1)
	t.send()
}

// end forgets a transmission and tells its owner. The caller holds e.mu.
func (t *transmission) end(how outcome, now time.Duration) {
	e := t.e
	delete(e.sent, t.key)
	if t.reliable {
		e.outstanding--
	}
	e.stopTimer(&t.timer)
	flight := t.flight
	t.flight = false
	if t.owner != nil {
		t.owner.transmitted(t, how, now)
	}
	if flight {
		e.leave(t.key.peer, now)
	}
}

// A flight counts the interactions outstanding with one peer, of which there
// are at most NSTART (RFC 7252, Section 4.7; RFC 7641, Section 4.5.1). It
// exists only while there are some.
type flight struct {
	active  int
	waiting []*departure
}

// A departure is something that waits for its place in a flight. start is
// called with Endpoint.mu held.
type departure struct {
	start    func(now time.Duration)
	canceled bool
}

// maxWaiting bounds the responses that wait for a peer that does not answer.
const maxWaiting = 256

// enter starts d when fewer than NSTART interactions with the peer are
// outstanding. It is false if too many wait already. The caller holds e.mu.
func (e *Endpoint) enter(peer netip.AddrPort, d *departure, now time.Duration) bool {
	f := e.flights[peer]
	if f == nil {
		f = new(flight)
		e.flights[peer] = f
	}
	//spec:7252-4.7-1
	//spec:7641-4.5.1-1
	if f.active < e.cfg.NStart {
		f.active++
		d.start(now)
		return true
	}
	if len(f.waiting) >= maxWaiting {
		return false
	}
	f.waiting = append(f.waiting, d)
	return true
}

// leave ends one interaction with the peer and starts the next.
func (e *Endpoint) leave(peer netip.AddrPort, now time.Duration) {
	f := e.flights[peer]
	f.active--
	for f.active < e.cfg.NStart && len(f.waiting) > 0 {
		d := f.waiting[0]
		f.waiting = f.waiting[1:]
		if !d.canceled {
			f.active++
			d.start(now)
		}
	}
	if f.active == 0 && e.flights[peer] == f {
		delete(e.flights, peer)
	}
}
