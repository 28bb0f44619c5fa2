package oscorecoap

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// repeat answers a retransmission with the bytes of the first answer, if there is
// one for it.
func (s *Server) repeat(w coap.ResponseWriter, r *coap.Request, response *coap.Response, waits bool) {
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

// dropper is a ResponseWriter that can be told that there will be no response.
// Without that the transport would wait for one and keep what it needs for it.
type dropper interface{ Drop() }

// drop leaves a request without a response, if the transport lets it.
func drop(w coap.ResponseWriter) {
	if d, ok := w.(dropper); ok {
		d.Drop()
		return
	}
	_ = w.Respond(&coap.Response{Code: coap.ServiceUnavailable}) // nothing to be done for a peer that is gone
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
// of the protected handler. It is safe for concurrent use. When the handler
// returns and there will be no other response, it is used for another request.
type responder struct {
	s      *Server
	writer coap.ResponseWriter // where the request came from
	answer *answer             // until it is given
	sec    *oscore.Association
	quiet  uint32          // the inner No-Response
	ctx    *requestContext // nil without Authorize

	// Of a request to observe; else nil.
	registration *registration

	returned bool        // the handler, or who refused: there was no panic
	finished atomic.Bool // the one response was given

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
	carried bool            // by the transport, which else is done with the first response
	context *oscore.Context // the security context it came with
	ctx     context.Context //nolint:containedctx // of the request
	cancel  context.CancelFunc
}

func newResponder(s *Server, w coap.ResponseWriter, x *answer) *responder {
	m := memories.Get().(*memory) //nolint:forcetypeassert // the pool has nothing else
	out := m.responder
	if out == nil {
		out = new(responder)
	}
	m.responder = nil
	*out = responder{s: s, writer: w, answer: x, memory: m}
	return out
}

// release gives the memory back when the handler has returned. What is still
// to be answered is moved out of it.
func (out *responder) release() {
	if m := out.memory; out.finished.Load() { // nobody else has out
		*out = responder{}
		m.responder = out
		memories.Put(m)
		return
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	switch {
	case !out.returned && out.answer != nil:
		out.abort()
	case out.exchange == nil: // it was not verified
	case !out.responded:
		out.s.answers.await(out.answer, out.sec)
		out.exchange = out.exchange.Keep()
	case out.observing:
		out.exchange = out.exchange.Keep()
	default:
		out.exchange = nil
	}
	memories.Put(out.memory)
	out.memory = nil
}

// abort ends a request for which the handler, or a hook, has panicked before there
// was an answer: the transport answers for it, and nobody else will.
func (out *responder) abort() {
	x, verified := out.answer, out.exchange != nil
	out.responded, out.answer, out.exchange = true, nil, nil
	var late []repetition
	if verified {
		late = out.s.answers.silence(x, out.sec)
	} else {
		late = out.s.answers.abandon(x)
	}
	for _, l := range late {
		drop(l.writer)
	}
}

// reject answers a request that OSCORE refuses, without OSCORE, or with the
// challenge that OSCORE has made.
func (out *responder) reject(r *coap.Request, err error) {
	x := out.answer
	out.answer = nil
	for _, l := range out.s.answers.abandon(x) {
		drop(l.writer)
	}
	if out.s.cfg.Observer.Refused != nil {
		out.s.cfg.Observer.Refused(r.RemoteAddr, err)
	}
	if r.Multicast { // no errors to a group (RFC 7252, Section 8.1)
		drop(out.writer)
		return
	}
	_ = out.writer.Respond(responseOf(oscore.ErrorMessage(err)))
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
	if out.s.cfg.Throttle.DangerOff {
		return out.s.contexts.VerifyRequest(p)
	}
	m.gate = gate{out.s, r}
	sec, message, exchange, err := out.s.contexts.VerifyRequestFrom(&m.gate, p)
	if err == nil {
		m.gate.verified(sec)
	}
	m.gate = gate{}
	return sec, message, exchange, err
}

// open returns the request that came inside of r. If it cancels an observation,
// that ends here (RFC 8613, Section 4.1.3.5).
func (out *responder) open(sec *oscore.Association, m oscore.Message, exchange *oscore.ServerExchange, r *coap.Request) *coap.Request {
	out.sec, out.exchange = sec, exchange
	out.s.observations.endReplaced(sec)
	ctx := r.Context()
	if out.s.cfg.Authorize != nil {
		out.ctx = out.memory.context(ctx)
		ctx = out.ctx
	}
	request := &out.memory.request
	request.Reuse(ctx)
	request.Code, request.Options, request.Payload = coap.Code(m.Code), optionsOf(request.Options, m), m.Payload
	request.RemoteAddr, request.LocalAddr, request.Identity = r.RemoteAddr, r.LocalAddr, sec
	request.NonConfirmable, request.Multicast = r.NonConfirmable, r.Multicast
	out.observe(request, r)
	if f := out.s.cfg.Observer.Verified; f != nil {
		f(sec, request)
	}
	return request
}

// observe notes what the options of a request ask of its responses. The Observe
// option of another method means nothing, and the handler does not see it.
func (out *responder) observe(r, outer *coap.Request) {
	out.quiet, _ = r.Options.Uint(coap.NoResponse)
	observe, ok := r.Options.Uint(coap.Observe)
	if !ok {
		return
	}
	if !observable(r) {
		r.Options.Remove(coap.Observe)
		return
	}
	switch token := tokenOf(out.writer); observe {
	case 0:
		if out.ctx == nil {
			out.ctx = &requestContext{Context: r.Context()}
			*r = *r.WithContext(out.ctx)
		}
		ctx, cancel := context.WithCancel(out.ctx.Context)
		out.ctx.Context = ctx
		out.registration = &registration{
			request: r.Clone(), target: targetOf(r), token: token, context: out.sec.Current(), ctx: ctx, cancel: cancel,
			carried: registers(outer),
		}
	case 1:
		out.s.observations.cancel(out.sec, targetOf(r), token)
	}
}

func observable(r *coap.Request) bool { return r.Code == coap.GET || r.Code == coap.FETCH }

// registers reports whether the transport takes a request for a registration.
func registers(r *coap.Request) bool {
	observe, ok := r.Options.Uint(coap.Observe)
	return ok && observe == 0 && observable(r)
}

func tokenOf(w coap.ResponseWriter) string {
	if t, ok := w.(tokener); ok {
		return string(t.Token())
	}
	return ""
}
