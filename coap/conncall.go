package coap

import (
	"context"
	"crypto/rand"
)

// connCall is a request of ours, or an observation.
type connCall struct {
	observe bool
	queue   []*Response
	signal  chan struct{}
}

// bareConn sends single messages.
type bareConn struct{ c *Conn }

// begin sends a request under a token of its own.
func (b bareConn) begin(r *Request, observe bool) (string, *connCall, error) {
	c := b.c
	if !r.Code.IsRequest() || hasDotSegment(r.Options, URIPath) {
		return "", nil, ErrBadRequest
	}
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails
	token := string(raw[:])
	call := &connCall{observe: observe, signal: make(chan struct{}, 1)}
	c.mu.Lock()
	limit, released := c.peerMax, c.released
	c.calls[token] = call
	c.mu.Unlock()
	err := c.Err()
	switch {
	case err != nil:
	case released:
		err = ErrClosed
	case messageSize(r) > limit:
		err = ErrTooLarge
	default:
		err = c.f.writeMessage(r.Code, []byte(token), r.Options, r.Payload)
	}
	if err != nil {
		b.end(token)
		return "", nil, err
	}
	return token, call, nil
}

// messageSize is how long the message of a request is at most.
func messageSize(r *Request) int {
	n := 16 + len(r.Payload)
	for i := range r.Options {
		n += 5 + len(r.Options[i].Value)
	}
	return n
}

func (b bareConn) end(token string) {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	delete(b.c.calls, token)
	if b.c.released && len(b.c.calls) == 0 {
		b.c.fail(ErrClosed)
	}
}

// next takes the next response.
func (b bareConn) next(ctx context.Context, call *connCall) (*Response, error) {
	for {
		b.c.mu.Lock()
		if len(call.queue) > 0 {
			resp := call.queue[0]
			call.queue = call.queue[1:]
			b.c.mu.Unlock()
			return resp, nil
		}
		b.c.mu.Unlock()
		select {
		case <-call.signal:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-b.c.ctx.Done():
			return nil, b.c.Err()
		}
	}
}

// Do sends one message and waits for one.
func (b bareConn) Do(ctx context.Context, r *Request) (*Response, error) {
	token, call, err := b.begin(r, false)
	if err != nil {
		return nil, err
	}
	defer b.end(token)
	return b.next(ctx, call)
}

// Observe observes without block-wise transfers (RFC 8323, Section 7).
func (b bareConn) Observe(ctx context.Context, r *Request, notify func(*Response)) error {
	return b.ObserveCancel(ctx, r, notify, nil)
}

// ObserveCancel is Observe with the caller's cancellation.
func (b bareConn) ObserveCancel(ctx context.Context, r *Request, notify func(*Response), cancel func() *Request) error {
	reg := *r
	reg.reply = Response{}
	reg.Options = append(make(Options, 0, len(r.Options)+1), r.Options...)
	reg.Options.SetUint(Observe, 0)
	token, call, err := b.begin(&reg, true)
	if err != nil {
		return err
	}
	defer b.end(token)
	for registered := false; ; registered = true {
		resp, err := b.next(ctx, call)
		if err != nil && ctx.Err() != nil {
			b.deregister(token, call, &reg, cancel)
		}
		if err != nil && ctx.Err() != nil && registered {
			return nil
		}
		if err != nil {
			return err
		}
		//spec:8323-7.1-1
		notify(resp)
		if !resp.Options.Has(Observe) || !resp.Code.IsSuccess() {
			return nil
		}
	}
}

// deregister tells the server that the client is no longer interested, also when
// its answer to the registration is still to come: there is no Reset message
// that would tell it later (RFC 8323, Section 7.4).
func (b bareConn) deregister(token string, call *connCall, reg *Request, cancel func() *Request) {
	switch {
	case cancel != nil:
		b.cancelBy(token, call, cancel)
	case reg.Options.Has(OSCORE): // who protected the registration protects its cancellation
	default:
		//spec:8323-7.4-1
		reg.Options.SetUint(Observe, 1)
		_ = b.c.f.writeMessage(reg.Code, []byte(token), reg.Options, reg.Payload)
	}
}
