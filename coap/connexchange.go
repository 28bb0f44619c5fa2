package coap

import (
	"context"
	"errors"
	"sync"
	"time"
)

// connExchange is the server's side of one request on a connection, and its
// ResponseWriter.
type connExchange struct {
	c     *Conn
	token string

	mu        sync.Mutex // guards what follows
	suppress  byte       // No-Response
	responded bool
	ctx       context.Context // of a registration
	cancel    context.CancelFunc
	observed  bool
	sequence  uint32
}

// serve handles a request in the goroutine that reads.
func (c *Conn) serve(m *message) {
	x := &connExchange{c: c, token: string(m.token)}
	r := &Request{
		Code: m.code, Options: m.options, Payload: m.payload,
		RemoteAddr: c.cfg.RemoteAddr, LocalAddr: c.cfg.LocalAddr, Identity: c.cfg.Identity, ctx: c.ctx, room: c.room(),
	}
	defer func() {
		if v := recover(); v != nil {
			_ = x.Respond(&Response{Code: InternalServerError})
		}
	}()
	if resp := x.precheck(r); resp != nil {
		_ = x.Respond(resp)
		return
	}
	c.cfg.Handler.ServeCOAP(x, r)
}

// precheck returns the answer to a request the handler shall not see, and
// prepares a registration (RFC 8323, Section 7.1).
func (x *connExchange) precheck(r *Request) *Response {
	if x.c.cfg.Handler == nil {
		return r.NewResponse(NotImplemented) //spec:8323-3.3-5
	}
	if bad := CheckOptions(r, x.c.cfg.Understands...); bad != 0 {
		return r.badOption(bad)
	}
	if v, ok := r.Options.Get(HopLimit); ok && v[0] == 0 {
		return r.NewResponse(BadRequest)
	}
	if v, ok := r.Options.Uint(NoResponse); ok {
		x.suppress = byte(v)
	}
	v, ok := r.Options.Uint(Observe)
	if !ok || r.Code != GET && r.Code != FETCH {
		return nil
	}
	if v == 0 {
		x.ctx, x.cancel = context.WithCancel(x.c.ctx)
		r.ctx = x.ctx
		return nil
	}
	x.c.mu.Lock()
	old := x.c.observations[x.token]
	x.c.mu.Unlock()
	// Inside OSCORE the inner option counts (RFC 8613, Section 4.1.3.5).
	if v == 1 && old != nil && !r.Options.Has(OSCORE) {
		old.end()
	}
	return nil
}

// end takes x from the observations.
func (x *connExchange) end() {
	x.c.mu.Lock()
	if x.c.observations[x.token] == x {
		delete(x.c.observations, x.token)
	}
	x.c.mu.Unlock()
	x.cancel()
}

// Respond answers; see ResponseWriter.
func (x *connExchange) Respond(resp *Response) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !resp.Code.IsResponse() || hasDotSegment(resp.Options, LocationPath) {
		return ErrBadRequest
	}
	if x.observed {
		return x.notify(resp)
	}
	if x.responded {
		return ErrResponded
	}
	x.responded = true
	if x.cancel != nil {
		x.observed = resp.Code.IsSuccess() && resp.Options.Has(Observe) && x.register()
		if !x.observed {
			x.cancel()
		}
	}
	return x.write(resp, x.observed)
}

// register adds x to the observations, in the place of one with its token.
func (x *connExchange) register() bool {
	x.c.mu.Lock()
	old := x.c.observations[x.token]
	ok := old != nil || len(x.c.observations) < x.c.cfg.MaxObservations
	if ok {
		x.c.observations[x.token] = x
	}
	x.c.mu.Unlock()
	if old != nil {
		old.cancel()
	}
	return ok
}

func (x *connExchange) notify(resp *Response) error {
	if x.ctx.Err() != nil {
		return ErrClosed
	}
	last := !resp.Code.IsSuccess() || !resp.Options.Has(Observe)
	if last {
		defer x.end()
	}
	return x.write(resp, !last)
}

// write sends a response on the connection of its request.
func (x *connExchange) write(resp *Response, observe bool) error {
	if x.suppress>>(resp.Code.Class()-1)&1 != 0 {
		return nil
	}
	options := resp.Options
	if options.Has(Observe) {
		options = append(make(Options, 0, len(options)), options...)
		options.Remove(Observe)
		if observe {
			// The connection keeps the order; the number is for readers of
			// another transport (RFC 8323, Section 7.2).
			x.sequence = max(x.sequence+1, uint32(time.Now().Unix())&0xffffff)
			options.SetUint(Observe, x.sequence&0xffffff)
		}
	}
	//spec:8323-3.3-4
	//spec:8323-4.3-2
	err := x.c.f.writeMessage(resp.Code, []byte(x.token), options, resp.Payload)
	if err != nil && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrBadRequest) {
		x.c.fail(err)
	}
	return err
}
