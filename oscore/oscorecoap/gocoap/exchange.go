package gocoap

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"

	"github.com/ostiary/ostiary/coap"
)

// An exchange is a request and its answer: the coap.ResponseWriter of its
// handler, and the entry in the cache for its duplicates.
type exchange struct {
	e     *endpoint
	key   messageKey
	path  path
	token string
	con   bool
	quiet uint32 // the request's No-Response (RFC 7967)

	multicast bool
	cancel    context.CancelFunc // of a request to observe, else nil

	mu          sync.Mutex // guards what follows; taken before the endpoint's
	ackTimer    *time.Timer
	acked, done bool
	answer      []byte // for duplicates
	observation *observation

	// The endpoint's mutex guards these, for the cache.
	expires time.Time
	next    *exchange
	size    int
	settled bool // a duplicate has its answer: the entry may be let go
}

// exchangeSize is about what an exchange occupies beside its answer.
const exchangeSize = 512

// receiveRequest answers a duplicate, and starts the handler for a new request.
func (e *endpoint) receiveRequest(d *datagram) {
	remote := d.path.remote
	x := &exchange{e: e, key: messageKey{remote, d.mid}, path: d.path, token: d.token, con: d.typ == message.Confirmable, multicast: d.multicast}
	e.mu.Lock()
	if earlier, duplicate := e.exchanges.entries[x.key]; duplicate {
		e.mu.Unlock()
		earlier.repeat()
		return
	}
	if e.closed || e.cfg.Handler == nil || d.multicast && x.con {
		e.mu.Unlock()
		e.reject(d)
		return
	}
	if e.total >= e.cfg.Requests || e.running[remote] >= e.cfg.RequestsPerPeer {
		e.mu.Unlock()
		e.cfg.Observer.dropped(remote)
		return
	}
	e.exchanges.add(x, time.Now())
	e.running[remote]++
	e.total++
	e.handlers.Add(1)
	e.mu.Unlock()
	go e.handle(x, d)
}

// handle runs the handler in its goroutine.
func (e *endpoint) handle(x *exchange, d *datagram) {
	defer e.handlers.Done()
	defer e.leave(x)
	defer x.recoverHandler()
	if x.con {
		x.mu.Lock()
		x.ackTimer = time.AfterFunc(e.cfg.AckDelay, x.acknowledge)
		x.mu.Unlock()
	}
	r := &coap.Request{
		Code: d.code, Options: d.options, Payload: d.payload,
		RemoteAddr: d.path.remote, LocalAddr: e.localAddrOf(d.path),
		NonConfirmable: !x.con, Multicast: d.multicast,
	}
	if refusal := e.refusal(r); refusal != coap.Empty {
		if x.con { // a Non-confirmable one is ignored (RFC 7252, Section 5.4.1)
			_ = x.Respond(&coap.Response{Code: refusal})
		}
		return
	}
	e.cfg.Handler.ServeCOAP(x, r.WithContext(x.context(r)))
}

func (e *endpoint) leave(x *exchange) {
	remote := x.key.remote
	e.mu.Lock()
	defer e.mu.Unlock()
	x.settled = true
	e.total--
	if e.running[remote]--; e.running[remote] == 0 {
		delete(e.running, remote)
	}
}

// recoverHandler answers for a handler that panicked: that is a mistake in the
// program, and one request shall not end it for all the others.
func (x *exchange) recoverHandler() {
	if v := recover(); v != nil {
		x.e.cfg.Observer.failed(x.key.remote, fmt.Errorf("handler panicked: %v", v))
		_ = x.Respond(&coap.Response{Code: coap.InternalServerError})
	}
}

func (e *endpoint) localAddrOf(p path) netip.AddrPort {
	if p.control != nil {
		if ip, ok := netip.AddrFromSlice(p.control.Src); ok {
			return netip.AddrPortFrom(ip.Unmap(), e.local.Port())
		}
	}
	return e.local
}

// refusal is the code for a request with a critical option that nobody acts
// upon, or Empty (RFC 7252, Sections 5.4.1 and 5.7.2).
func (e *endpoint) refusal(r *coap.Request) coap.Code {
	switch coap.CheckOptions(r, e.cfg.Understands...) {
	case 0:
		return coap.Empty
	case coap.ProxyURI, coap.ProxyScheme:
		return coap.ProxyingNotSupported
	}
	return coap.BadOption
}

// context returns the context of a request, and notes what of the request
// matters when it is answered.
func (x *exchange) context(r *coap.Request) context.Context {
	if r.Options.Has(coap.OSCORE) {
		// The No-Response and the end of an observation that count are inside
		// (RFC 8613, Sections 4.1.3.6 and 4.1.3.5.1).
	} else {
		x.quiet, _ = r.Options.Uint(coap.NoResponse)
	}
	observe, ok := r.Options.Uint(coap.Observe)
	switch {
	case !ok || r.Code != coap.GET && r.Code != coap.FETCH || r.Multicast:
		return x.e.ctx
	case observe == 1 && !r.Options.Has(coap.OSCORE):
		x.e.endObservation(tokenKey{x.key.remote, x.token})
		return x.e.ctx
	case observe != 0:
		return x.e.ctx
	}
	ctx, cancel := context.WithCancel(x.e.serving)
	x.cancel = cancel
	return ctx
}

// acknowledge acknowledges the request without a response (RFC 7252, Section
// 5.2.2).
func (x *exchange) acknowledge() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done || x.acked {
		return
	}
	x.sendAck()
}

func (x *exchange) sendAck() {
	x.acked = true
	x.send(empty(message.Acknowledgement, x.key.mid))
}

// send sends a message and keeps it for the duplicates of the request.
func (x *exchange) send(b []byte) {
	x.answer = b
	x.e.mu.Lock()
	x.settled = true
	x.e.exchanges.grow(x, len(b))
	x.e.mu.Unlock()
	x.e.write(x.path, b)
}

// repeat answers a duplicate of the request with the bytes its original got,
// if it got any.
func (x *exchange) repeat() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.answer != nil {
		x.e.write(x.path, x.answer)
	}
}

// Respond sends the response (coap.ResponseWriter).
func (x *exchange) Respond(resp *coap.Response) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.observation != nil {
		return x.observation.notify(resp)
	}
	if x.done {
		return coap.ErrResponded
	}
	x.done = true
	if x.ackTimer != nil {
		x.ackTimer.Stop()
	}
	if x.cancel != nil && !x.accept(resp) {
		x.cancel()
	}
	if x.suppressed(resp.Code) {
		if x.con && !x.acked {
			x.sendAck()
		}
		return nil
	}
	return x.respond(resp.Code, x.outerOptions(resp), resp.Payload)
}

// respond sends the first response: in the acknowledgement if that has not
// been sent, else separately (RFC 7252, Section 5.2).
func (x *exchange) respond(code coap.Code, options coap.Options, payload []byte) error {
	typ, mid := message.Acknowledgement, x.key.mid
	if !x.con {
		typ, mid = message.NonConfirmable, x.e.nextMID(x.key.remote)
	} else if x.acked {
		typ, mid = message.Confirmable, x.e.nextMID(x.key.remote)
	}
	b, err := encode(typ, mid, x.token, code, options, payload)
	if err != nil {
		if code != coap.InternalServerError {
			_ = x.respond(coap.InternalServerError, nil, nil)
		}
		return err
	}
	if typ != message.Confirmable {
		x.send(b)
		return nil
	}
	// A duplicate of the request gets the acknowledgement once more.
	x.e.spawn(func() { x.e.cfg.Observer.failed(x.key.remote, x.e.confirm(x.path, mid, b)) })
	return nil
}

// outerOptions are the options of a response, with the number of a first
// notification, and without Observe if there will be no second.
func (x *exchange) outerOptions(resp *coap.Response) coap.Options {
	if !resp.Options.Has(coap.Observe) {
		return resp.Options
	}
	options := resp.Options.Clone()
	options.Remove(coap.Observe)
	if x.observation != nil {
		options.AddUint(coap.Observe, x.e.nextObserve())
	}
	return options
}

// suppressed reports whether the client does not want a response of this
// class (RFC 7967, Section 2.1), or it would be an error for a group (RFC 7252,
// Section 8.1).
func (x *exchange) suppressed(code coap.Code) bool {
	return x.quiet&(1<<(code.Class()-1)) != 0 || x.multicast && !code.IsSuccess()
}

// accept makes an observation of the request if the handler wants one.
func (x *exchange) accept(resp *coap.Response) bool {
	if !resp.Code.IsSuccess() || !resp.Options.Has(coap.Observe) {
		return false
	}
	o := &observation{e: x.e, key: tokenKey{x.key.remote, x.token}, path: x.path, cancel: x.cancel, confirmed: time.Now()}
	if !x.e.addObservation(o) {
		return false
	}
	x.observation = o
	return true
}

// End ends the observation without a last notification, for a handler that
// knows the client has cancelled it. It is for package oscorecoap, which finds
// the cancellation inside of a request.
func (x *exchange) End() {
	x.mu.Lock()
	o := x.observation
	x.mu.Unlock()
	if o != nil {
		o.end()
	}
}

// Drop says that there will be no response. A Confirmable request is
// acknowledged. It does nothing to a request that was answered.
func (x *exchange) Drop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done {
		return
	}
	x.done = true
	if x.ackTimer != nil {
		x.ackTimer.Stop()
	}
	if x.cancel != nil {
		x.cancel()
	}
	if x.con && !x.acked {
		x.sendAck()
	}
}

// Token is the request's token, by which package oscorecoap tells a
// retransmission from a new request.
func (x *exchange) Token() []byte { return []byte(x.token) }
