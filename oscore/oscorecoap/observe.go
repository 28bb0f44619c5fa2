package oscorecoap

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// Observe observes a resource (coap.Observer): it returns nil when ctx is done
// or the server has ended the observation, after notify got the last response.
// It registers again when the representation has become stale without a
// notification (RFC 7641, Section 3.3.1) and when the association has a new
// security context, whose predecessor protects no notification any more. What
// does not verify is dropped and does not end the observation (RFC 8613,
// Section 8.4.2).
func (c *Client) Observe(ctx context.Context, r *coap.Request, notify func(*coap.Response)) error {
	if _, ok := c.next.transport.(coap.Observer); !ok {
		return ErrNoObserver
	}
	return c.whole.(coap.Observer).Observe(ctx, r, notify) //nolint:forcetypeassert // the protector is one
}

// observeCanceler is a transport that can send the cancellation with the
// Token of the observation.
type observeCanceler interface {
	ObserveCancel(ctx context.Context, r *coap.Request, notify func(*coap.Response), cancel func() *coap.Request) error
}

// Observe protects a registration, sends it and verifies what comes, and
// begins anew as long as there is reason to.
func (p *protector) Observe(ctx context.Context, r *coap.Request, notify func(*coap.Response)) error {
	registration := r.Clone()
	registration.Options.SetUint(coap.Observe, 0)
	for tries := 0; ; {
		o := &observing{p: p, request: registration, notify: notify}
		err := o.run(ctx)
		var retry *oscore.Retry
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errAgain):
			tries = 0
		case errors.As(err, &retry) && tries < p.cfg.Retries:
			tries++
		default:
			return err
		}
	}
}

// errAgain ends one registration so that the next begins.
var errAgain = errors.New("oscorecoap: to be registered again")

// observing is one registration and its notifications.
type observing struct {
	p       *protector
	request *coap.Request
	notify  func(*coap.Response)
	end     context.CancelCauseFunc
	land    func() // when the first response is there

	mu       sync.Mutex      // guards what follows
	context  *oscore.Context // of the registration; nil until the server has accepted it
	accepted bool
	err      error // of the registration
	stale    *time.Timer
}

// run registers, and waits for the end.
func (o *observing) run(outer context.Context) error {
	f, err := o.p.depart(outer)
	if err != nil {
		return err
	}
	o.land = sync.OnceFunc(func() { o.p.land(f) })
	defer o.land()
	out, exchange, err := o.p.protect(o.request)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(outer)
	defer end(nil)
	o.end = end
	o.p.enter(o)
	defer o.p.leave(o)
	receive := func(answer *coap.Response) { o.receive(exchange, answer) }
	switch t := o.p.transport.(type) {
	case observeCanceler:
		err = t.ObserveCancel(ctx, out, receive, func() *coap.Request { return o.cancellation(ctx) })
	case coap.Observer:
		err = t.Observe(ctx, out, receive)
		o.cancelLate(ctx, outer)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch cause := context.Cause(ctx); {
	case o.err != nil:
		return o.err
	case errors.Is(cause, errAgain), o.accepted && errors.Is(err, coap.ErrTimeout):
		return errAgain // the second: coap.Endpoint takes it for stale
	}
	return err
}

// receive takes a response. The first says whether there is an observation.
func (o *observing) receive(exchange *oscore.ClientExchange, answer *coap.Response) {
	if !o.admits() {
		o.p.cfg.Dropped(errThrottled)
		return
	}
	resp, err := o.p.verifyNotification(exchange, answer)
	o.land()
	o.mu.Lock()
	first := !o.accepted
	switch {
	case err != nil && first:
		o.err = err
		o.end(err)
	case err != nil:
		o.p.cfg.Dropped(err) //spec:8613-8.4.2-3
	case observed(resp):
		if first {
			o.accepted, o.context = true, o.p.sec.Current()
		}
		o.freshFor(resp)
	}
	if err == nil && !observed(resp) {
		o.accepted = false // the server has ended it
		o.end(nil)
	}
	o.mu.Unlock()
	if err == nil {
		o.notify(resp)
	}
}

// errThrottled is for notifications that are dropped without a look at them.
var errThrottled = fmt.Errorf("oscorecoap: too many notifications did not verify: %w", oscore.ErrThrottled)

// admits reports whether a response may be decrypted: the first may.
func (o *observing) admits() bool {
	o.mu.Lock()
	first := !o.accepted
	o.mu.Unlock()
	if first {
		return true
	}
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	return o.p.cfg.Forgeries.allows(o.p.debt, time.Now().UnixNano())
}

// verifyNotification verifies a response and counts the failed decryptions.
func (p *protector) verifyNotification(exchange *oscore.ClientExchange, answer *coap.Response) (*coap.Response, error) {
	before := p.failures()
	resp, err := verify(exchange, answer)
	if err != nil && p.failures() != before {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.debt = p.cfg.Forgeries.charge(p.debt, time.Now().UnixNano(), random())
	}
	return resp, err
}

// failures returns how many decryptions under the key of the server have failed.
func (p *protector) failures() uint64 {
	if c := p.sec.Current(); c != nil {
		return c.Usage().Failures
	}
	return 0
}

// freshFor says when the representation will be stale. The client then waits a
// little longer, for a notification that is on its way (RFC 7641, Section
// 3.3.1).
func (o *observing) freshFor(resp *coap.Response) {
	age, ok := resp.Options.Uint(coap.MaxAge)
	if !ok {
		age = 60 // RFC 7252, Section 5.10.5
	}
	var random [2]byte
	_, _ = rand.Read(random[:]) // does not fail
	grace := 5*time.Second + 10*time.Second*time.Duration(binary.BigEndian.Uint16(random[:]))>>16
	after := time.Duration(age)*time.Second + grace
	if o.stale == nil {
		o.stale = time.AfterFunc(after, func() { o.end(errAgain) })
		return
	}
	o.stale.Reset(after)
}

// cancellation is the request that cancels the observation, protected anew
// (RFC 8613, Section 4.1.3.5.1); nil if there is nothing to cancel, or another
// registration follows and replaces this one.
func (o *observing) cancellation(ctx context.Context) *coap.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.accepted || errors.Is(context.Cause(ctx), errAgain) {
		return nil
	}
	r := o.request.Clone()
	r.Options.SetUint(coap.Observe, 1)
	out, _, err := o.p.protect(r)
	if err != nil {
		o.p.cfg.Dropped(err)
		return nil
	}
	return out
}

// cancelLate cancels over a transport that cannot send a request with the
// Token of the observation. A server may not find it then; it learns with the
// next notification, which the transport rejects.
func (o *observing) cancelLate(ctx, outer context.Context) {
	out := o.cancellation(ctx)
	if out == nil {
		return
	}
	late, stop := context.WithTimeout(context.WithoutCancel(outer), cancelTimeout)
	defer stop()
	if _, err := o.p.transport.Do(late, out); err != nil {
		o.p.cfg.Dropped(err)
	}
}

// cancelTimeout is how long a cancellation waits for its answer.
const cancelTimeout = 4 * time.Second

// enter notes an observation, which must begin anew when the context is
// replaced.
func (p *protector) enter(o *observing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.observing == nil {
		p.observing = make(map[*observing]bool)
	}
	p.observing[o] = true
}

func (p *protector) leave(o *observing) {
	p.mu.Lock()
	delete(p.observing, o)
	p.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stale != nil {
		o.stale.Stop()
	}
}

// renew ends the registrations that were made with a context that is no
// longer in use, so that they begin anew.
func (p *protector) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.observing) == 0 {
		return
	}
	current := p.sec.Current()
	for o := range p.observing {
		o.mu.Lock()
		if o.accepted && o.context != current {
			o.end(errAgain)
		}
		o.mu.Unlock()
	}
}
