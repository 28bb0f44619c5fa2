package gocoap

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"

	"github.com/ostiary/ostiary/coap"
)

// A waiter receives the responses to a request.
type waiter struct {
	key       tokenKey
	responses chan *coap.Response
}

// waiting is how many notifications wait for an observer that is busy; the
// oldest give way to newer ones (RFC 7641, Section 1.3).
const waiting = 64

func (e *endpoint) await(remote netip.AddrPort, token string, n int) *waiter {
	if token == "" {
		token = rand.Text()[:8] // 40 random bits, never used again while they matter
	}
	w := &waiter{key: tokenKey{remote, token}, responses: make(chan *coap.Response, n)}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiters[w.key] = w
	return w
}

func (e *endpoint) leaveWaiter(w *waiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waiters[w.key] == w {
		delete(e.waiters, w.key)
	}
}

// receiveResponse takes a separate response or a notification (RFC 7252,
// Sections 5.2.2 and 5.3.2). One that nobody waits for is rejected, which ends
// an observation (RFC 7641, Section 3.6).
func (e *endpoint) receiveResponse(d *datagram) {
	x := &exchange{e: e, key: messageKey{d.path.remote, d.mid}, path: d.path, done: true}
	e.mu.Lock()
	earlier, duplicate := e.exchanges.entries[x.key]
	if !duplicate {
		e.exchanges.add(x, time.Now())
	}
	e.mu.Unlock()
	if duplicate {
		earlier.repeat()
		return
	}
	typ := message.Acknowledgement
	if !e.deliver(d) {
		typ = message.Reset
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if d.typ == message.Confirmable || typ == message.Reset {
		x.send(empty(typ, d.mid))
	}
}

// deliver passes a response to the request that waits for it. It is false if
// there is none, or if the response cannot be processed.
func (e *endpoint) deliver(d *datagram) bool {
	for _, o := range d.options {
		switch o.ID {
		case coap.Block1, coap.Block2, coap.OSCORE:
		default:
			if o.ID.Critical() {
				return false // RFC 7252, Section 5.4.1
			}
		}
	}
	resp := &coap.Response{Code: d.code, Options: d.options, Payload: d.payload, RemoteAddr: d.path.remote}
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.waiters[tokenKey{d.path.remote, d.token}]
	if w == nil {
		return false
	}
	select {
	case w.responses <- resp:
		return true
	default:
	}
	select { // full: the oldest gives way; nobody else sends, the mutex is held
	case <-w.responses:
	default:
	}
	w.responses <- resp
	return true
}

// path returns the way to an address, by go-coap's connection for it.
func (e *endpoint) path(ctx context.Context, r *coap.Request) (path, error) {
	if !r.RemoteAddr.IsValid() || !r.Code.IsRequest() {
		return path{}, fmt.Errorf("%w: no address or no method", coap.ErrBadRequest)
	}
	select {
	case <-e.started:
	case <-ctx.Done():
		return path{}, ctx.Err()
	case <-e.ctx.Done():
		return path{}, coap.ErrClosed
	}
	return path{remote: r.RemoteAddr}, nil
}

// do sends a request and waits for its response.
func (e *endpoint) do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	p, err := e.path(ctx, r)
	if err != nil {
		return nil, err
	}
	w := e.await(r.RemoteAddr, "", 1)
	defer e.leaveWaiter(w)
	return e.request(ctx, p, w, r)
}

// request sends a request and waits for the first response that w receives.
func (e *endpoint) request(ctx context.Context, p path, w *waiter, r *coap.Request) (*coap.Response, error) {
	typ, mid := message.Confirmable, e.nextMID(r.RemoteAddr)
	if r.NonConfirmable {
		typ = message.NonConfirmable
	}
	b, err := encode(typ, mid, w.key.token, r.Code, r.Options, r.Payload)
	if err != nil {
		return nil, err
	}
	if r.NonConfirmable {
		e.write(p, b)
		return e.response(ctx, w)
	}
	if err := e.enter(ctx, r.RemoteAddr); err != nil {
		return nil, err
	}
	t := e.transmit(p, mid, b)
	resp, err := e.outcome(ctx, w, t)
	t.stop()
	e.exit(r.RemoteAddr)
	if resp != nil || err != nil {
		return resp, err
	}
	return e.response(ctx, w)
}

// outcome waits until a request is answered, acknowledged (nil, nil), rejected
// or given up.
func (e *endpoint) outcome(ctx context.Context, w *waiter, t *transmission) (*coap.Response, error) {
	for {
		select {
		case resp := <-w.responses:
			return resp, nil
		case o := <-t.settled:
			if o.reset {
				return nil, coap.ErrReset
			}
			return nil, nil
		case <-t.timer.C:
			if !t.retransmit() {
				return nil, coap.ErrTimeout
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-e.ctx.Done():
			return nil, coap.ErrClosed
		}
	}
}

// response waits for a response that comes by itself.
func (e *endpoint) response(ctx context.Context, w *waiter) (*coap.Response, error) {
	timeout := time.NewTimer(e.cfg.ResponseTimeout)
	defer timeout.Stop()
	select {
	case resp := <-w.responses:
		return resp, nil
	case <-timeout.C:
		return nil, coap.ErrTimeout
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.ctx.Done():
		return nil, coap.ErrClosed
	}
}

// observe registers, passes on what comes, and cancels.
func (e *endpoint) observe(ctx context.Context, r *coap.Request, notify func(*coap.Response), cancel func() *coap.Request) error {
	p, err := e.path(ctx, r)
	if err != nil {
		return err
	}
	registration := r.Clone()
	registration.Options.SetUint(coap.Observe, 0)
	protected := r.Options.Has(coap.OSCORE)
	w := e.await(r.RemoteAddr, "", waiting)
	defer e.leaveWaiter(w)
	resp, err := e.request(ctx, p, w, registration)
	var order sequence
	for err == nil {
		if !observed(resp) {
			notify(resp)
			return nil
		}
		// Inside OSCORE the order is that of the Partial IVs, and the outer
		// value is anybody's (RFC 8613, Section 4.1.3.5.2).
		if protected || order.newer(resp, time.Now()) {
			notify(resp)
		}
		select {
		case resp = <-w.responses:
		case <-ctx.Done():
			err = ctx.Err()
		case <-e.ctx.Done():
			return coap.ErrClosed
		}
	}
	if ctx.Err() == nil {
		return err
	}
	e.deregister(p, w, registration, cancel)
	return nil
}

func observed(resp *coap.Response) bool {
	return resp.Code.IsSuccess() && resp.Options.Has(coap.Observe)
}

// deregister cancels an observation with a request that has its token
// (RFC 7641, Section 3.6). It waits for the answer no longer than for one
// transmission: the server will learn of it from a Reset message otherwise.
func (e *endpoint) deregister(p path, w *waiter, registration *coap.Request, cancel func() *coap.Request) {
	r := registration
	switch {
	case cancel != nil:
		if r = cancel(); r == nil {
			return
		}
		r.RemoteAddr = registration.RemoteAddr
	case registration.Options.Has(coap.OSCORE):
		return // must be protected anew, and nobody does
	default:
		r.Options.SetUint(coap.Observe, 1)
	}
	ctx, stop := context.WithTimeout(e.ctx, 2*e.cfg.AckTimeout)
	defer stop()
	again := e.await(r.RemoteAddr, w.key.token, 1)
	defer e.leaveWaiter(again)
	_, err := e.request(ctx, p, again, r)
	e.cfg.Observer.failed(r.RemoteAddr, err)
}

// A sequence puts notifications in order (RFC 7641, Section 3.4).
type sequence struct {
	any  bool
	last uint32
	at   time.Time
}

func (s *sequence) newer(resp *coap.Response, now time.Time) bool {
	v, ok := resp.Options.Uint(coap.Observe)
	if !ok {
		return true
	}
	const half = 1 << 23
	fresher := s.last < v && v-s.last < half || s.last > v && s.last-v > half || now.Sub(s.at) > 128*time.Second
	if s.any && !fresher {
		return false
	}
	s.any, s.last, s.at = true, v, now
	return true
}
