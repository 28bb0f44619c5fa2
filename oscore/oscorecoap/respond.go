package oscorecoap

import (
	"errors"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// grant puts the grant where Grant finds it.
func (out *responder) grant(grant any) {
	if out.ctx != nil {
		out.ctx.grant = grant
	}
}

// Respond protects a response and sends it.
func (out *responder) Respond(resp *coap.Response) error {
	finished, err := out.respond(resp)
	if finished {
		out.finished.Store(true) // from now on out may be that of another request
	}
	return err
}

func (out *responder) respond(resp *coap.Response) (finished bool, err error) {
	out.mu.Lock()
	defer out.mu.Unlock()
	switch {
	case out.ended:
		return false, coap.ErrClosed
	case !out.responded:
		err = out.first(resp)
		return out.registration == nil, err
	case !out.observing:
		return false, coap.ErrResponded
	}
	err = out.recheck()
	switch {
	case out.ended:
		return false, coap.ErrClosed
	case err != nil: // the peer has no right to it any more
		resp = refusal(err)
	}
	return false, out.notify(resp)
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
	unwanted := out.quiet&(1<<(resp.Code.Class()-1)) != 0 // RFC 7967, Section 2.1
	if out.registration != nil {
		out.observing = out.registration.carried && !unwanted && observed(resp) && out.s.observations.add(out)
		if !out.observing {
			out.registration.cancel()
		}
	}
	if unwanted && out.silence() {
		return nil
	}
	outer, err := out.protect(resp)
	if err != nil {
		out.failed(err)
		if out.observing {
			out.observing = false
			out.end() // before the transport is done with the request
		}
		return errors.Join(err, out.give(responseOf(oscore.ErrorMessage(err))))
	}
	return out.give(outer)
}

// give keeps the answer, and sends it: also to those who have repeated the request
// meanwhile, as perhaps one of these reaches the client.
func (out *responder) give(response *coap.Response) error {
	x := out.answer
	out.answer = nil
	for _, l := range out.s.answers.keep(x, out.sec, response) {
		if l.allowed {
			_ = l.writer.Respond(response)
		} else {
			drop(l.writer)
		}
	}
	return out.writer.Respond(response)
}

// silence says that there is no answer, and is false if the transport has no way
// to be told that. No-Response is elective: the answer may be sent then.
func (out *responder) silence() bool {
	if _, ok := out.writer.(dropper); !ok {
		return false
	}
	x := out.answer
	out.answer = nil
	for _, l := range out.s.answers.silence(x, out.sec) {
		drop(l.writer)
	}
	drop(out.writer)
	return true
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
	return out.give(refusal(err))
}

// notify sends a notification.
func (out *responder) notify(resp *coap.Response) error {
	outer, err := out.protect(resp)
	if err == nil {
		err = out.writer.Respond(outer)
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
