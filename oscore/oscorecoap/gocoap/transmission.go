package gocoap

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/ostiary/ostiary/coap"
)

// An outcome is what became of a Confirmable message: acknowledged or reset.
type outcome struct{ reset bool }

// A transmission is a Confirmable message under way (RFC 7252, Section 4.2).
type transmission struct {
	e       *endpoint
	key     messageKey
	path    path
	message []byte
	settled chan outcome // at most one
	timer   *time.Timer
	timeout time.Duration
	tries   int
}

// transmit sends a Confirmable message for the first time.
func (e *endpoint) transmit(p path, mid uint16, b []byte) *transmission {
	t := &transmission{
		e: e, path: p, message: b,
		key:     messageKey{p.remote, mid},
		settled: make(chan outcome, 1),
		// Between ACK_TIMEOUT and half as much again, ACK_RANDOM_FACTOR.
		timeout: e.cfg.AckTimeout + e.cfg.AckTimeout*time.Duration(random()%1024)/2048,
	}
	e.mu.Lock()
	e.transmissions[t.key] = t.settled
	e.mu.Unlock()
	e.write(p, b)
	t.timer = time.NewTimer(t.timeout)
	return t
}

// retransmit sends the message once more, when the timer has fired, and waits
// twice as long for the next time. It is false after MAX_RETRANSMIT times.
func (t *transmission) retransmit() bool {
	if t.tries == t.e.cfg.MaxRetransmit {
		return false
	}
	t.tries++
	t.timeout *= 2
	t.e.write(t.path, t.message)
	t.timer.Reset(t.timeout)
	return true
}

// stop ends the transmission, whatever its outcome.
func (t *transmission) stop() {
	t.timer.Stop()
	t.e.mu.Lock()
	defer t.e.mu.Unlock()
	if t.e.transmissions[t.key] == t.settled {
		delete(t.e.transmissions, t.key)
	}
}

// confirm sends a Confirmable message until it is acknowledged (nil), reset,
// or given up.
func (e *endpoint) confirm(p path, mid uint16, b []byte) error {
	t := e.transmit(p, mid, b)
	defer t.stop()
	for {
		select {
		case o := <-t.settled:
			if o.reset {
				return coap.ErrReset
			}
			return nil
		case <-t.timer.C:
			if !t.retransmit() {
				return coap.ErrTimeout
			}
		case <-e.ctx.Done():
			return coap.ErrClosed
		}
	}
}

// spawn runs f in a goroutine that serve waits for, unless the endpoint is
// closed.
func (e *endpoint) spawn(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.stopped {
		e.workers.Go(f)
	}
}

// random returns 32 random bits.
func random() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // does not fail
	return binary.BigEndian.Uint32(b[:])
}

// A gate lets NSTART requests to one address be outstanding at a time
// (RFC 7252, Section 4.7).
type gate struct {
	slots chan struct{}
	users int
}

func (e *endpoint) enter(ctx context.Context, remote netip.AddrPort) error {
	e.mu.Lock()
	g := e.gates[remote]
	if g == nil {
		g = &gate{slots: make(chan struct{}, e.cfg.NStart)}
		e.gates[remote] = g
	}
	g.users++
	e.mu.Unlock()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		e.forget(remote, g)
		return ctx.Err()
	case <-e.ctx.Done():
		e.forget(remote, g)
		return coap.ErrClosed
	}
}

// exit frees the slot that enter has taken.
func (e *endpoint) exit(remote netip.AddrPort) {
	e.mu.Lock()
	g := e.gates[remote]
	e.mu.Unlock()
	<-g.slots
	e.forget(remote, g)
}

func (e *endpoint) forget(remote netip.AddrPort, g *gate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if g.users--; g.users == 0 {
		delete(e.gates, remote)
	}
}
