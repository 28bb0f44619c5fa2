package coap

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// A lane is one socket with the goroutine that reads it. Peers keep to their
// lane, so each has its own memory of messages received.
type lane struct {
	e      *Endpoint
	socket net.PacketConn
	conn   batchConn
	dedup  *dedup
	// sessions is the socket, if that is one of secured sessions.
	sessions *sessions

	localPort uint16 // see port

	// what follows belongs to the goroutine
	in        []datagram
	buffers   [][]byte
	out       []datagram
	empties   [batchSize][headerSize]byte
	exchanges [batchSize]*exchange
	msg       message
	received  time.Time // the batch in hand
	requests  uint64    // in it
	answer    []byte    // scratch for answers remembered
}

func newLane(e *Endpoint, socket net.PacketConn, conn batchConn) *lane {
	l := &lane{e: e, socket: socket, conn: conn, dedup: newDedup(e.cfg.DedupBytes)}
	l.sessions, _ = socket.(*sessions)
	l.in = make([]datagram, batchSize)
	l.buffers = make([][]byte, batchSize)
	l.out = make([]datagram, 0, batchSize)
	return l
}

// run reads until the socket closes.
func (l *lane) run() {
	size := l.e.cfg.MaxMessageSize
	// A power of two between the buffers would have all of them in the same few
	// lines of the processor's cache.
	stride := size + 192
	backing := make([]byte, batchSize*stride)
	for i := range l.buffers {
		l.buffers[i] = backing[i*stride:][:size:size]
	}
	failed := 0
	for {
		for i := range l.in {
			l.in[i].buf = l.buffers[i]
		}
		n, err := l.conn.read(l.in)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				_ = l.e.end() // closed under it, or by it
			}
			if l.e.ctx.Err() != nil {
				return
			}
			// An ICMP error on a datagram sent, or the like: it concerns one
			// peer, and may be forged (RFC 7252, Section 4.2). Many in a row
			// are no such thing.
			if failed++; failed > batchSize {
				pause(l.e.ctx, 10*time.Millisecond)
			}
			continue
		}
		failed = 0
		l.handleBatch(n, l.e.now())
	}
}

func (l *lane) handleBatch(n int, now time.Duration) {
	l.out = l.out[:0]
	l.answer = l.answer[:0]
	l.received, l.requests = l.e.start.Add(now), 0
	l.dedup.settle()
	l.e.count.received.Add(uint64(n))
	for i := range n {
		l.handle(i, &l.in[i], now)
	}
	if l.requests > 0 {
		l.e.count.requests.Add(l.requests)
	}
	if len(l.out) > 0 {
		l.e.count.sent.Add(uint64(len(l.out)))
		if err := l.conn.writeBatch(l.out); err != nil {
			l.e.count.sendErrors.Add(1)
		}
	}
}

// queue sends b, which stays unchanged until then, with the batch.
func (l *lane) queue(d *datagram, b []byte) {
	l.out = append(l.out, datagram{buf: b, peer: d.peer, local: d.local})
}

// write sends a datagram at once. It may be called by any goroutine.
func (l *lane) write(d datagram) {
	l.e.count.sent.Add(1)
	if err := l.conn.write(d); err != nil {
		l.e.count.sendErrors.Add(1)
	}
}

// handle processes datagram i of a batch.
func (l *lane) handle(i int, d *datagram, now time.Duration) {
	m := &l.msg
	err := m.parse(d.buf)
	if errors.Is(err, errSilence) {
		l.e.count.ignored.Add(1)
		return
	}
	multicast := d.local.IsMulticast()
	if multicast && (m.typ != nonConfirmable || !m.code.IsRequest()) {
		//spec:7252-8-1
		//spec:7252-8.1-2
		l.e.count.ignored.Add(1)
		return
	}
	switch {
	case m.typ == acknowledgement || m.typ == reset:
		//spec:7252-4.2-6
		if err == nil {
			l.e.handleReply(d.peer, m, now)
		} else {
			l.e.count.formatErrors.Add(1)
		}
	case err != nil && !d.truncated:
		l.e.count.formatErrors.Add(1)
		l.reject(i, d, m)
	case err != nil: // cut off within the options
		l.reject(i, d, m)
	case m.code.IsRequest() && l.e.cfg.Handler != nil:
		l.handleRequest(i, d, m, now, multicast)
	case m.code.IsResponse():
		l.handleResponse(i, d, m, now)
	default: // a ping, a reserved class, or a request to a mere client
		l.reject(i, d, m)
	}
}

// reject sends a Reset for a Confirmable message; a Non-confirmable one is
// ignored silently (RFC 7252, Sections 4.2 and 4.3).
func (l *lane) reject(i int, d *datagram, m *message) {
	if m.typ != confirmable {
		//spec:7252-4.3-3
		//spec:7252-4.3-4
		return
	}
	//spec:7252-4.2-1
	//spec:7252-4.2-4
	//spec:7252-4.2-5
	l.e.count.resetsSent.Add(1)
	l.empties[i] = emptyMessage(reset, m.mid)
	l.queue(d, l.empties[i][:])
}

// duplicate answers a message received before as it was answered then
// (RFC 7252, Section 4.5).
func (l *lane) duplicate(d *datagram, from int) {
	l.e.count.duplicates.Add(1)
	if len(l.answer) > from {
		l.queue(d, l.answer[from:])
	}
}

// handleRequest serves a request (RFC 7252, Section 5.2).
func (l *lane) handleRequest(i int, d *datagram, m *message, now time.Duration, multicast bool) {
	e := l.e
	key := l.dedup.key(d.peer, m.mid)
	life := e.cfg.exchangeLifetime()
	if m.typ == nonConfirmable {
		life = e.cfg.nonLifetime()
	}
	from := len(l.answer)
	var noted place
	var known bool
	//spec:7252-4.5-1
	if l.answer, noted, known = l.dedup.receive(key, l.dedup.network(d.peer), m.typ == nonConfirmable, now, life, l.answer); known {
		l.duplicate(d, from)
		return
	}
	l.requests++
	x := l.exchanges[i]
	if x == nil {
		x = &exchange{e: e, lane: l}
		x.spare = make([]byte, 0, 256)
		l.exchanges[i] = x
	}
	x.begin(d, m, noted, now, multicast)
	l.call(x, d)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.inline = false
	if !x.responded {
		x.detach(now)
		l.exchanges[i] = nil
		return
	}
	if x.cancel != nil || x.panicked {
		l.exchanges[i] = nil // the handler of a registration keeps it, or what it has begun
	}
	if len(x.out) == 0 || x.delayed {
		return
	}
	if x.typ == confirmable {
		l.dedup.answer(noted, x.out)
	}
	l.queue(d, x.out)
}

// call checks a request and calls the handler.
func (l *lane) call(x *exchange, d *datagram) {
	defer x.recovered()
	if resp := x.precheck(d); resp != nil {
		_ = x.Respond(resp)
		return
	}
	if x.refused {
		return
	}
	x.e.cfg.Handler.ServeCOAP(x, &x.req)
}

// handleResponse takes a response in a message of its own (RFC 7252, Sections
// 5.2.2 and 5.2.3).
func (l *lane) handleResponse(i int, d *datagram, m *message, now time.Duration) {
	key := l.dedup.key(d.peer, m.mid)
	from := len(l.answer)
	var known bool
	if l.answer, known = l.dedup.lookup(key, now, l.answer); known {
		l.duplicate(d, from)
		return
	}
	if !l.e.deliver(d.peer, m, now) {
		l.e.count.unmatched.Add(1)
		if m.typ == confirmable || m.options.Has(Observe) {
			//spec:7252-5.3.2-5
			//spec:7641-3.5-1
			m.typ = confirmable
			l.reject(i, d, m)
		}
		return
	}
	if m.typ == nonConfirmable {
		_, _, _ = l.dedup.receive(key, l.dedup.network(d.peer), true, now, l.e.cfg.nonLifetime(), nil)
		//spec:7252-4.3-2
		return
	}
	//spec:7252-5.2.2-3
	//spec:7641-3.5-2
	_, noted, _ := l.dedup.receive(key, l.dedup.network(d.peer), false, now, l.e.cfg.exchangeLifetime(), nil)
	l.empties[i] = emptyMessage(acknowledgement, m.mid)
	l.dedup.answer(noted, l.empties[i][:])
	l.queue(d, l.empties[i][:])
}

// handleReply takes an acknowledgement, empty or with a response, or a Reset
// (RFC 7252, Sections 4.2 and 5.2.1).
func (e *Endpoint) handleReply(peer netip.AddrPort, m *message, now time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	//spec:7252-4.4-3
	t := e.sent[sentKey{peer, m.mid}]
	if t == nil || e.closed {
		return
	}
	switch {
	case m.typ == reset && m.code == Empty:
		e.count.resetsReceived.Add(1)
		t.end(rejected, now)
	case m.typ == reset || !t.reliable:
	case m.code == Empty:
		t.end(acknowledged, now)
	case m.code.IsResponse():
		c, ok := t.owner.(*call)
		if !ok {
			//spec:7252-5.2.2-4
			t.end(acknowledged, now)
			return
		}
		//spec:7252-5.2.1-1
		//spec:7252-5.3.2-2
		//spec:7252-5.3.2-3
		if c.token == string(m.token) {
			t.end(acknowledged, now)
			c.receive(m, peer, true, now)
		}
	}
}
