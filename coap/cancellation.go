package coap

import (
	"context"
	"time"
)

// observeCanceler is an Observer that ends an observation with a request of its
// caller's; see Client.ObserveCancel.
type observeCanceler interface {
	ObserveCancel(ctx context.Context, r *Request, notify func(*Response), cancel func() *Request) error
}

// ObserveCancel is Observe with a request of the caller's own for the end: when
// ctx is done and the server has accepted the observation, cancel makes the
// request that ends it, with the Observe option 1, for the same thing as r
// (RFC 7641, Section 3.6). It is sent with the token of the observation, and
// ObserveCancel waits for its answer, but no longer than twice ACK_TIMEOUT.
// That is for requests that OSCORE protects, which are not sent twice. When
// cancel returns nil, nothing is sent.
func (c *Client) ObserveCancel(ctx context.Context, r *Request, notify func(*Response), cancel func() *Request) error {
	return c.doer().(observeCanceler).ObserveCancel(ctx, r, notify, cancel)
}

// ObserveCancel is Endpoint.Observe to the peer, with the caller's cancellation.
func (p toPeer) ObserveCancel(ctx context.Context, r *Request, notify func(*Response), cancel func() *Request) error {
	return p.e.observeCancel(ctx, p.address(r), notify, cancel)
}

// cancelBy ends the observation with the request that the caller makes, and
// waits for its answer. When none comes in time, the message is retransmitted
// all the same: nobody needs the answer, but the server the request. It reports
// whether there was a registration.
func (c *call) cancelBy(cancel func() *Request) bool {
	c.e.mu.Lock()
	registered, open := c.notes.fresh, !c.finished && !c.e.closed
	c.e.mu.Unlock()
	if !registered || !open {
		return registered
	}
	if r := cancel(); r != nil && c.sendCancellation(r) {
		<-c.done
	}
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.sent != nil {
		c.sent.owner = nil
	}
	c.sent, c.departure = nil, nil
	return true
}

// sendCancellation sends a request with the token of the observation. It is
// false if that cannot be.
func (c *call) sendCancellation(r *Request) bool {
	e := c.e
	now := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	id, ok := e.ids.take(c.peer(), now, false)
	if c.finished || e.closed || !ok || !c.key.peer.IsValid() {
		return false
	}
	c.stopSending(now)
	own := *r
	own.reply = Response{}
	own.RemoteAddr, own.NonConfirmable = c.req.RemoteAddr, false
	c.req = &own
	c.notes.canceled, c.notes.registered = true, false
	//spec:7641-3.6-1
	if c.enter(id, now) != nil {
		return false
	}
	e.setTimer(&c.timer, now+2*e.cfg.AckTimeout)
	return true
}

// ObserveCancel is BlockwiseClient's Observe with the caller's cancellation,
// whose answer nobody needs whole.
func (c *blockwiseCanceler) ObserveCancel(ctx context.Context, r *Request, notify func(*Response), cancel func() *Request) error {
	op := c.registration(r)
	return c.next.ObserveCancel(ctx, op, c.puttingTogether(ctx, op, notify), cancel)
}

// blockwiseCanceler is a blockwiseObserver on an observeCanceler.
type blockwiseCanceler struct {
	*blockwiseObserver
	next observeCanceler
}

// ObserveCancel is Observe with a request of the caller's own for the end; see
// Client.ObserveCancel. cancel is also asked when the answer to the registration
// is still to come, and waits 4 s at most for its own.
func (c *Conn) ObserveCancel(ctx context.Context, r *Request, notify func(*Response), cancel func() *Request) error {
	return c.whole.(observeCanceler).ObserveCancel(ctx, r, notify, cancel)
}

// cancelPatience is how long a connection waits for the answer to a
// cancellation: as long as a Client with the default ACK_TIMEOUT.
const cancelPatience = 4 * time.Second

// cancelBy sends the request that the caller makes, and waits for its answer.
func (b bareConn) cancelBy(token string, call *connCall, cancel func() *Request) {
	r := cancel()
	if r == nil {
		return
	}
	//spec:8323-7.4-1
	if b.c.f.writeMessage(r.Code, []byte(token), r.Options, r.Payload) != nil {
		return
	}
	ctx, stop := context.WithTimeout(b.c.ctx, cancelPatience)
	defer stop()
	for {
		resp, err := b.next(ctx, call)
		if err != nil || !resp.Code.IsSuccess() || !resp.Options.Has(Observe) {
			return // the answer; others are notifications under way
		}
	}
}
