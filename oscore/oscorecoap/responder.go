package oscorecoap

import (
	"context"
	"errors"
	"sync"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// refuse answers a request that OSCORE refuses, without OSCORE, or with the
// challenge that OSCORE has made.
func (s *Server) refuse(x *answer, r *coap.Request, err error) {
	x.abandon()
	if s.cfg.Observer.Refused != nil {
		s.cfg.Observer.Refused(r.RemoteAddr, err)
	}
	if r.Multicast { // no errors to a group (RFC 7252, Section 8.1)
		drop(x.writer)
		return
	}
	_ = x.writer.Respond(responseOf(oscore.ErrorMessage(err)))
}

// repeat answers a retransmission with the bytes of the first answer.
func (s *Server) repeat(x *answer, w coap.ResponseWriter, r *coap.Request) {
	response, waits := x.again(w, r)
	if s.cfg.Observer.Repeated != nil {
		s.cfg.Observer.Repeated(r.RemoteAddr, response != nil)
	}
	switch {
	case response != nil:
		_ = w.Respond(response)
	case !waits:
		drop(w)
	}
}

// authorize asks for access control.
func (s *Server) authorize(sec *oscore.Association, r *coap.Request) (grant any, err error) {
	if s.cfg.Authorize == nil {
		return nil, nil
	}
	grant, err = s.cfg.Authorize(sec, r)
	if err != nil && s.cfg.Observer.Denied != nil {
		s.cfg.Observer.Denied(sec, r, err)
	}
	return grant, err
}

// A responder protects the responses to one request: the coap.ResponseWriter
// of the protected handler. It is safe for concurrent use.
type responder struct {
	s      *Server
	answer *answer
	sec    *oscore.Association
	quiet  uint32 // the inner No-Response
	ctx    requestContext

	// Of a request to observe; else nil.
	registration *registration

	mu        sync.Mutex // guards what follows, and keeps notifications in order
	memory    *memory    // while the handler runs; exchange lies in it
	exchange  *oscore.ServerExchange
	responded bool
	observing bool
	ended     bool
}

// A registration is a request to observe (RFC 7641, Section 4.1).
type registration struct {
	request *coap.Request // a copy
	target  string        // what a cancellation has in common with it
	token   string
	context *oscore.Context // the security context it came with
	cancel  context.CancelFunc
}

func newResponder(s *Server, x *answer) *responder {
	return &responder{s: s, answer: x, memory: memories.Get().(*memory)} //nolint:forcetypeassert // the pool has nothing else
}

// release gives the memory back when the handler has returned. What is still
// to be answered is moved out of it.
func (out *responder) release() {
	out.mu.Lock()
	defer out.mu.Unlock()
	if out.exchange != nil && (!out.responded || out.observing) {
		out.exchange = out.exchange.Keep()
	} else {
		out.exchange = nil
	}
	memories.Put(out.memory)
	out.memory = nil
}

// verify finds the security context of a request and verifies it (RFC 8613,
// Section 8.2).
func (out *responder) verify(r *coap.Request) (*oscore.Association, oscore.Message, *oscore.ServerExchange, error) {
	m := out.memory
	outer := messageOf(m.in[:0], r.Code, r.Options, r.Payload)
	m.in = outer.Options
	p, err := m.scratch.Parse(outer)
	if err != nil {
		return nil, oscore.Message{}, nil, err
	}
	return out.s.contexts.VerifyRequest(p)
}

// open returns the request that came inside of r. If it cancels an observation,
// that ends here (RFC 8613, Section 4.1.3.5).
func (out *responder) open(sec *oscore.Association, m oscore.Message, exchange *oscore.ServerExchange, r *coap.Request) *coap.Request {
	out.sec, out.exchange = sec, exchange
	out.answer.verified(sec)
	out.s.observations.endReplaced(sec)
	out.memory.options = optionsOf(out.memory.options[:0], m)
	out.ctx.Context = r.Context()
	request := (&coap.Request{
		Code: coap.Code(m.Code), Options: out.memory.options, Payload: m.Payload,
		RemoteAddr: r.RemoteAddr, LocalAddr: r.LocalAddr, Identity: sec,
		NonConfirmable: r.NonConfirmable, Multicast: r.Multicast,
	}).WithContext(&out.ctx)
	out.observe(request)
	if f := out.s.cfg.Observer.Verified; f != nil {
		f(sec, request)
	}
	return request
}

// observe notes what the options of a request ask of its responses.
func (out *responder) observe(r *coap.Request) {
	out.quiet, _ = r.Options.Uint(coap.NoResponse)
	observe, ok := r.Options.Uint(coap.Observe)
	if !ok || r.Code != coap.GET && r.Code != coap.FETCH {
		return
	}
	switch token := tokenOf(out.answer.writer); observe {
	case 0:
		ctx, cancel := context.WithCancel(out.ctx.Context)
		out.ctx.Context = ctx
		out.registration = &registration{
			request: r.Clone(), target: targetOf(r), token: token, context: out.sec.Current(), cancel: cancel,
		}
	case 1:
		out.s.observations.cancel(out.sec, targetOf(r), token)
	}
}

func tokenOf(w coap.ResponseWriter) string {
	if t, ok := w.(tokener); ok {
		return string(t.Token())
	}
	return ""
}

// granted puts the grant where Grant finds it.
func (out *responder) granted(r *coap.Request, grant any) *coap.Request {
	out.ctx.grant = grant
	return r
}

// Respond protects a response and sends it.
func (out *responder) Respond(resp *coap.Response) error {
	out.mu.Lock()
	defer out.mu.Unlock()
	switch {
	case out.ended:
		return coap.ErrClosed
	case !out.responded:
		return out.first(resp)
	case !out.observing:
		return coap.ErrResponded
	}
	err := out.recheck()
	switch {
	case out.ended:
		return coap.ErrClosed
	case err != nil: // the peer has no right to it any more
		resp = refusal(err)
	}
	return out.notify(resp)
}

// recheck asks for access control again, before a notification. It lets go of mu
// meanwhile: Authorize may end observations, and this one among them.
func (out *responder) recheck() error {
	out.mu.Unlock()
	defer out.mu.Lock()
	_, err := out.s.authorize(out.sec, out.registration.request)
	return err
}

// first sends the first response, and enters the observation if there is to
// be one.
func (out *responder) first(resp *coap.Response) error {
	out.responded = true
	if out.registration != nil {
		out.observing = observed(resp) && out.s.observations.add(out)
		if !out.observing {
			out.registration.cancel()
		}
	}
	if out.quiet&(1<<(resp.Code.Class()-1)) != 0 && out.answer.none() { // RFC 7967, Section 2.1
		return nil
	}
	outer, err := out.protect(resp)
	if err != nil {
		out.failed(err)
		return errors.Join(err, out.answer.give(responseOf(oscore.ErrorMessage(err))))
	}
	return out.answer.give(outer)
}

// refuse answers with an error of Authorize.
func (out *responder) refuse(err error) error {
	var r *Refusal
	if !errors.As(err, &r) || !r.Unprotected {
		return out.Respond(refusal(err))
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	out.responded = true
	if out.registration != nil {
		out.registration.cancel()
	}
	return out.answer.give(refusal(err))
}

// notify sends a notification.
func (out *responder) notify(resp *coap.Response) error {
	outer, err := out.protect(resp)
	if err == nil {
		err = out.answer.writer.Respond(outer)
	}
	if err != nil {
		out.failed(err)
	}
	if err != nil || !observed(resp) {
		out.end()
	}
	return err
}

func observed(resp *coap.Response) bool {
	return resp.Code.IsSuccess() && resp.Options.Has(coap.Observe)
}

// protect is Protecting the Response (RFC 8613, Section 8.3). While the handler
// runs, the result is good until the next one.
func (out *responder) protect(resp *coap.Response) (*coap.Response, error) {
	m := out.memory
	if m == nil {
		m = new(memory)
	}
	options := resp.Options
	if options.Has(coap.Observe) {
		options = append(coap.Options(nil), options...)
		options.Remove(coap.Observe)
		if out.observing {
			options.Add(coap.Observe, nil) //spec:8613-4.1.3.5.2-3
		}
	}
	inner := messageOf(m.out[:0], resp.Code, options, resp.Payload)
	m.out = inner.Options
	p, err := out.exchange.ProtectResponse(inner)
	if err != nil {
		return nil, err
	}
	outer, err := p.Message()
	if err != nil {
		return nil, err
	}
	m.response.Code, m.response.Payload = coap.Code(outer.Code), outer.Payload
	m.response.Options = optionsOf(m.response.Options[:0], outer)
	m.response.Confirmable = resp.Confirmable
	return &m.response, nil
}

func (out *responder) failed(err error) {
	if out.s.cfg.Observer.Failed != nil {
		out.s.cfg.Observer.Failed(out.sec, err)
	}
}
