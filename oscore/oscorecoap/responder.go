package oscorecoap

import (
	"context"
	"errors"
	"sync"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// verify finds the security context of a request and verifies it (RFC 8613,
// Section 8.2).
func (s *Server) verify(r *coap.Request) (*oscore.Association, oscore.Message, *oscore.ServerExchange, error) {
	in, err := oscore.ParseProtected(messageOf(r.Code, r.Options, r.Payload))
	if err != nil {
		return nil, oscore.Message{}, nil, err
	}
	return s.contexts.VerifyRequest(in)
}

// refuse answers a request that OSCORE refuses, without OSCORE, or with the
// challenge that OSCORE has made.
func (s *Server) refuse(x *answer, r *coap.Request, err error) {
	x.abandon()
	if s.cfg.Observer.Refused != nil {
		s.cfg.Observer.Refused(r.RemoteAddr, err)
	}
	if !r.Multicast {
		_ = x.writer.Respond(responseOf(oscore.ErrorMessage(err)))
	}
}

// repeat answers a retransmission with the bytes of the first answer.
func (s *Server) repeat(x *answer, w coap.ResponseWriter, r *coap.Request) {
	response := x.again(w, r)
	if s.cfg.Observer.Repeated != nil {
		s.cfg.Observer.Repeated(r.RemoteAddr, response != nil)
	}
	if response != nil {
		_ = w.Respond(response)
	}
}

// authorize asks for access control.
func (s *Server) authorize(sec *oscore.Association, r *coap.Request) (grant any, err error) {
	if s.cfg.Observer.Verified != nil {
		s.cfg.Observer.Verified(sec, r)
	}
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
	s        *Server
	answer   *answer
	sec      *oscore.Association
	exchange *oscore.ServerExchange
	quiet    uint32 // the inner No-Response

	// Of a request to observe; else nil.
	registration *registration

	mu        sync.Mutex // guards what follows, and keeps notifications in order
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
	ctx     context.Context //nolint:containedctx // of the request
	cancel  context.CancelFunc
}

// respond returns the ResponseWriter for a verified request. If the request
// cancels an observation, that ends here (RFC 8613, Section 4.1.3.5).
func (s *Server) respond(x *answer, sec *oscore.Association, exchange *oscore.ServerExchange, r *coap.Request) *responder {
	x.verified(sec)
	s.observations.endReplaced(sec)
	out := &responder{s: s, answer: x, sec: sec, exchange: exchange}
	out.quiet, _ = r.Options.Uint(coap.NoResponse)
	observe, ok := r.Options.Uint(coap.Observe)
	if !ok || r.Code != coap.GET && r.Code != coap.FETCH {
		return out
	}
	switch observe {
	case 0:
		out.registration = &registration{
			request: r.Clone(), target: targetOf(r), token: tokenOf(x.writer), context: sec.Current(),
		}
	case 1:
		s.observations.cancel(sec, targetOf(r), tokenOf(x.writer))
	}
	return out
}

func tokenOf(w coap.ResponseWriter) string {
	if t, ok := w.(tokener); ok {
		return t.Token()
	}
	return ""
}

// context returns the context for the handler: that of the request, with the
// grant, and for an observation with an end.
func (out *responder) context(outer context.Context, grant any) context.Context {
	if out.registration != nil {
		ctx, cancel := context.WithCancel(outer)
		out.registration.ctx, out.registration.cancel = ctx, cancel
		outer = ctx
	}
	if grant == nil {
		return outer
	}
	return &requestContext{outer, grant}
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
	return out.notify(resp)
}

// first sends the first response, and enters the observation if there is to
// be one.
func (out *responder) first(resp *coap.Response) error {
	out.responded = true
	if out.registration != nil {
		out.observing = observed(resp) && out.s.observations.add(out)
		if !out.observing {
			out.stop()
		}
	}
	if out.quiet&(1<<(resp.Code.Class()-1)) != 0 { // RFC 7967, Section 2.1
		return out.answer.give(nil)
	}
	outer, err := out.protect(resp)
	if err != nil {
		out.failed(err)
		return errors.Join(err, out.answer.give(responseOf(oscore.ErrorMessage(err))))
	}
	return out.answer.give(outer)
}

// notify sends a notification, if the peer still has the right to it.
func (out *responder) notify(resp *coap.Response) error {
	if _, err := out.s.authorize(out.sec, out.registration.request); err != nil {
		resp = refusal(err)
	}
	outer, err := out.protect(resp)
	if err == nil {
		outer.Confirmable = resp.Confirmable
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

// protect is Protecting the Response (RFC 8613, Section 8.3).
func (out *responder) protect(resp *coap.Response) (*coap.Response, error) {
	options := resp.Options
	if options.Has(coap.Observe) {
		options = append(coap.Options(nil), options...)
		options.Remove(coap.Observe)
		if out.observing {
			options.Add(coap.Observe, nil) //spec:8613-4.1.3.5.2-3
		}
	}
	p, err := out.exchange.ProtectResponse(messageOf(resp.Code, options, resp.Payload))
	if err != nil {
		return nil, err
	}
	m, err := p.Message()
	if err != nil {
		return nil, err
	}
	return responseOf(m), nil
}

func (out *responder) failed(err error) {
	if out.s.cfg.Observer.Failed != nil {
		out.s.cfg.Observer.Failed(out.sec, err)
	}
}
