package coap

import (
	"context"
	"errors"
	"time"
)

// errRefresh wakes an observation whose representation has become stale.
var errRefresh = errors.New("coap: registration is due")

// maxNotes bounds the notifications that wait for a slow caller; the oldest
// give way.
const maxNotes = 64

// notes are the responses to a call that has several: the notifications of an
// observation (RFC 7641, Section 3) or the answers of a group. It is guarded
// by Endpoint.mu.
type notes struct {
	group      bool
	registered bool // no registration waits for its answer
	unanswered int  // registrations anew, one after the other
	canceled   bool // the caller's cancellation waits for its answer
	queue      []*Response
	signal     chan struct{}
	err        error

	sequence uint32
	at       time.Duration
	fresh    bool // sequence and at are set
}

func newNotes() *notes { return &notes{signal: make(chan struct{}, 1)} }

func (n *notes) wake(err error) {
	if err != nil {
		n.err = err
	}
	select {
	case n.signal <- struct{}{}:
	default:
	}
}

// receive takes a response that matches and is not passed over. The caller holds
// e.mu.
func (n *notes) receive(c *call, resp *Response, now time.Duration) {
	sequence, ok := resp.Options.Uint(Observe)
	switch {
	case n.group:
	case !ok || !resp.Code.IsSuccess():
		n.registered = false
		c.finish(result{resp: resp})
		return
	default:
		n.fresh, n.sequence, n.at, n.registered, n.unanswered = true, sequence, now, true, 0
		//spec:7641-3.3.1-1
		//spec:7252-5.4.4-1
		age := uint32(60)
		if v, ok := resp.Options.Uint(MaxAge); ok {
			age = v
		}
		c.registerAt(now + time.Duration(age)*time.Second)
	}
	if len(n.queue) >= maxNotes {
		n.queue = n.queue[1:]
	}
	n.queue = append(n.queue, resp)
	n.wake(nil)
}

// passesOver reports whether a response counts for nothing: it is a notification
// that was sent before the freshest so far, or before the server had the
// cancellation. The one in the acknowledgement of a registration never is: the
// registration was sent after the freshest had come, whatever the numbers of a
// server that has been restarted say. The caller holds e.mu.
func (n *notes) passesOver(c *call, resp *Response, acknowledges bool, now time.Duration) bool {
	sequence, ok := resp.Options.Uint(Observe)
	switch {
	case n.group || !ok || !resp.Code.IsSuccess():
		return false
	case n.canceled:
		return true
	// Inside OSCORE the order is that of the Partial IVs, and the outer number is
	// anybody's (RFC 8613, Section 4.1.3.5.2).
	case !n.fresh || acknowledges || c.req.Options.Has(OSCORE) || newer(n.sequence, sequence, n.at, now):
		return false
	}
	if !n.registered && c.sent == nil {
		// That may be the answer to a registration acknowledged before. It is seen
		// when the numbers count no more.
		n.registered = true
		c.registerAt(n.at + forgetSequence)
	}
	return true
}

// registerAt has the client register anew a random while after a moment, for a
// notification that is on its way (RFC 7641, Section 3.3.1). The caller holds e.mu.
func (c *call) registerAt(at time.Duration) {
	c.e.setTimer(&c.timer, at+5*time.Second+c.e.random.below(10*time.Second))
}

// forgetSequence is after how long a notification is newer than another whatever
// its number (RFC 7641, Section 3.4).
const forgetSequence = 128 * time.Second

// newer reports whether a notification was sent after the freshest so far
// (RFC 7641, Section 3.4).
func newer(v1, v2 uint32, t1, t2 time.Duration) bool {
	//spec:7641-3.4-1
	return v1 < v2 && v2-v1 < 1<<23 || v1 > v2 && v1-v2 > 1<<23 || t2 > t1+forgetSequence
}

// Observe observes a resource; see Observer. When no notification comes while
// the last one is fresh, it registers again (RFC 7641, Section 3.3.1), and once
// more when that is not answered. When neither is, it returns ErrTimeout. A
// request protected by OSCORE cannot be sent twice: it returns ErrTimeout at once,
// and who protected the request observes anew. When ctx is done it deregisters.
func (e *Endpoint) Observe(ctx context.Context, r *Request, notify func(*Response)) error {
	return e.observeCancel(ctx, r, notify, nil)
}

// observeCancel is Observe and, with cancel, Client.ObserveCancel.
func (e *Endpoint) observeCancel(ctx context.Context, r *Request, notify func(*Response), cancel func() *Request) error {
	reg := *r
	reg.reply = Response{}
	reg.Options = append(make(Options, 0, len(r.Options)+2), r.Options...)
	reg.Options.SetUint(Observe, 0)
	for {
		resp, err := e.observe(ctx, &reg, notify, cancel)
		if err != nil || resp == nil {
			return err
		}
		if v, ok := resp.Options.Get(Echo); ok && resp.Code == Unauthorized && !resp.Options.Has(OSCORE) && !reg.Options.Has(Echo) {
			reg.Options.Set(Echo, v)
			continue
		}
		notify(resp)
		return nil
	}
}

// observe runs one observation. The response it returns is the last, which is
// no notification; nil if ctx was done.
func (e *Endpoint) observe(ctx context.Context, reg *Request, notify func(*Response), cancel func() *Request) (*Response, error) {
	n := newNotes()
	c, err := e.newCall(reg, n)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	for {
		select {
		case res := <-c.done:
			_ = c.drain(notify)
			return res.resp, res.err
		case <-ctx.Done():
			if cancel != nil && c.cancelBy(cancel) || cancel == nil && c.deregister() {
				return nil, nil
			}
			return nil, context.Cause(ctx)
		case <-n.signal:
			if !errors.Is(c.drain(notify), errRefresh) {
				continue
			}
			if reg.Options.Has(OSCORE) {
				return nil, ErrTimeout
			}
			if err := c.refresh(ctx); err != nil && ctx.Err() == nil {
				return nil, err
			}
		}
	}
}

// drain passes on the notifications that wait.
func (c *call) drain(notify func(*Response)) error {
	for {
		c.e.mu.Lock()
		n := c.notes
		if len(n.queue) == 0 {
			err := n.err
			n.err = nil
			c.e.mu.Unlock()
			return err
		}
		resp := n.queue[0]
		n.queue = n.queue[1:]
		c.e.mu.Unlock()
		notify(resp)
	}
}

// refresh sends the registration again, with the same token and options, unless a
// notification has come meanwhile.
func (c *call) refresh(ctx context.Context) error {
	e := c.e
	now := e.now()
	e.mu.Lock()
	if c.timer.index != 0 {
		e.mu.Unlock()
		return nil
	}
	c.notes.registered = false
	c.stopSending(now)
	e.mu.Unlock()
	//spec:7641-3.3.1-2
	err := c.begin(ctx)
	if !errors.Is(err, ErrTimeout) {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c.unanswered(now)
	return nil
}

// maxUnanswered is how many registrations anew may go unanswered, one after the
// other. One is often a matter of the network, of which a client that registers
// for each Max-Age sees much.
const maxUnanswered = 1

// unanswered ends a call that was not answered in time. An observation goes on for
// another registration. The caller holds e.mu.
func (c *call) unanswered(now time.Duration) {
	n := c.notes
	if n == nil || !n.fresh || n.canceled || n.unanswered >= maxUnanswered {
		c.finish(result{err: ErrTimeout})
		return
	}
	n.unanswered++
	n.registered = true
	c.registerAt(now)
}

// deregister tells the server that the client is no longer interested
// (RFC 7641, Section 3.6); should the message get lost, the next notification
// is rejected. It reports whether there was a registration.
func (c *call) deregister() bool {
	e := c.e
	now := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !c.notes.fresh || e.closed {
		return c.notes.fresh
	}
	c.finished = true
	delete(e.calls, c.key)
	if !c.key.peer.IsValid() {
		return true // a group gets no Confirmable message; its members learn by Resets
	}
	if c.req.Options.Has(OSCORE) {
		return true // who protected the registration protects its cancellation
	}
	peer := c.peer()
	id, ok := e.ids.take(peer, now, false)
	if !ok {
		return true
	}
	//spec:7641-3.6-1
	options := append(Options(nil), c.req.Options...)
	options.SetUint(Observe, 1)
	b, err := appendMessage(nil, confirmable, c.req.Code, id, []byte(c.token), options, c.req.Payload)
	if err != nil {
		return true
	}
	t := &transmission{lane: e.lanes[0], key: sentKey{peer, id}, bytes: b}
	e.enter(peer, &departure{start: func(now time.Duration) { e.transmit(t, now) }}, now)
	return true
}

// DoMulticast sends a Non-confirmable request to the group at its RemoteAddr
// (RFC 7252, Section 8) and calls collect with each response, whose
// RemoteAddr is its sender, until ctx is done.
func (e *Endpoint) DoMulticast(ctx context.Context, r *Request, collect func(*Response)) error {
	req := *r
	req.reply = Response{}
	req.NonConfirmable = true
	n := newNotes()
	n.group = true
	c, err := e.newCall(&req, n)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.begin(ctx); err != nil {
		return err
	}
	for {
		select {
		case res := <-c.done:
			if errors.Is(res.err, ErrTimeout) {
				return nil
			}
			return res.err
		case <-ctx.Done():
			_ = c.drain(collect)
			return nil
		case <-n.signal:
			_ = c.drain(collect)
		}
	}
}
