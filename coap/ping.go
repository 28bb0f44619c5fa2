package coap

import (
	"context"
	"net/netip"
	"time"
)

// pinger waits for the Reset to an empty message.
type pinger chan outcome

func (p pinger) transmitted(_ *transmission, how outcome, _ time.Duration) { p <- how }

func (e *Endpoint) ping(ctx context.Context, peer netip.AddrPort) error {
	p := make(pinger, 1)
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	now := e.now()
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return ErrClosed
	}
	id, ok := e.ids.take(peer, now, false)
	if !ok {
		e.mu.Unlock()
		return ErrTimeout
	}
	b := emptyMessage(confirmable, id)
	t := &transmission{lane: e.lanes[0], key: sentKey{peer, id}, bytes: b[:], owner: p}
	d := &departure{start: func(now time.Duration) { e.transmit(t, now) }}
	ok = e.enter(peer, d, now)
	e.mu.Unlock()
	if !ok {
		return ErrTimeout
	}
	select {
	case how := <-p:
		if how == timedOut {
			return ErrTimeout
		}
		return nil
	case <-ctx.Done():
	case <-e.ctx.Done():
		return ErrClosed
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d.canceled = true
	if e.sent[t.key] == t {
		t.owner = nil
		t.end(rejected, e.now())
	}
	return context.Cause(ctx)
}
