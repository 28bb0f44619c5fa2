package oscorecoap_test

import (
	"context"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// onceOnly is one to which a request is over with its first answer:
// what it used for that serves others then.
type onceOnly struct {
	*writer
	t    *testing.T
	used bool
}

func (w *onceOnly) Respond(r *coap.Response) error {
	if w.used {
		w.t.Error("a second response for a request that is over")
	}
	w.used = true
	return w.writer.Respond(r)
}

func (w *onceOnly) End() {
	if w.used {
		w.t.Error("the end of an observation that there is not")
	}
}

// TestObserveInsideOnly: there is no observation unless the transport knows of it. If
// the Observe option outside is missing, whoever has left it out, a registration is
// answered like a plain request, and its handler is told.
func TestObserveInsideOnly(t *testing.T) {
	for name, change := range map[string]func(r *coap.Request){
		"no Observe outside":   func(r *coap.Request) { r.Options.Remove(coap.Observe) },
		"a POST outside":       func(r *coap.Request) { r.Code = coap.POST },
		"another Observe":      func(r *coap.Request) { r.Options.SetUint(coap.Observe, 1) },
		"too long an Observe":  func(r *coap.Request) { r.Options.Set(coap.Observe, make([]byte, 5)) },
		"a cancellation of it": func(r *coap.Request) { r.Options.SetUint(coap.Observe, 1); r.Code = coap.POST },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, nil)
			var kept coap.ResponseWriter
			var ctx context.Context
			h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
				kept, ctx = w, r.Context()
				_ = w.Respond(notification("0"))
			}), nil, oscorecoap.Config{})
			r, x := p.protect(t, observeRequest(0))
			change(r)
			w := &onceOnly{writer: newWriter("t"), t: t}
			serveOne(t.Context(), h, r, addrA, w)
			if m := unprotect(t, x, w.only(t)); len(m.Options) != 0 {
				t.Errorf("got options %v, want none", m.Options)
			}
			if ctx.Err() == nil {
				t.Error("the handler is not told that there is no observation")
			}
			if kept.Respond(notification("1")) == nil {
				t.Error("a notification was taken")
			}
			h.EndObservations(p.server)
		})
	}
}

// TestObserveOfAnotherMethod: the option means nothing to other methods than GET and
// FETCH (RFC 7641, Section 2; RFC 8132, Section 2.4), and the handler does not see it.
func TestObserveOfAnotherMethod(t *testing.T) {
	p := newPair(t, nil)
	res := newResource()
	var verified bool
	h := p.handler(t, res, nil, oscorecoap.Config{Observer: oscorecoap.Observer{Verified: func(_ *oscore.Association, r *coap.Request) {
		verified = !r.Options.Has(coap.Observe)
	}}})
	in := observeRequest(0)
	in.Code = coap.POST
	r, x := p.protect(t, in)
	w := &onceOnly{writer: newWriter("t"), t: t}
	serveOne(t.Context(), h, r, addrA, w)
	if m := unprotect(t, x, w.only(t)); string(m.Payload) != "plain" || !verified || len(res.writers) > 0 {
		t.Errorf("got %q, and the option is removed: %t; want plain, true", m.Payload, verified)
	}
}

// TestObserveWithoutResponse: no observation begins with a response that the client
// does not want (RFC 7967), as the request is over then.
func TestObserveWithoutResponse(t *testing.T) {
	p := newPair(t, nil)
	var kept coap.ResponseWriter
	var ctx context.Context
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		kept, ctx = w, r.Context()
		_ = w.Respond(notification("0"))
	}), nil, oscorecoap.Config{})
	in := observeRequest(0)
	in.Options.AddUint(coap.NoResponse, 2)
	r, _ := p.protect(t, in)
	w := &onceOnly{writer: newWriter("t"), t: t}
	serveOne(t.Context(), h, r, addrA, w)
	w.nothing(t)
	w.used = true
	if ctx.Err() == nil {
		t.Error("the handler is not told that there is no observation")
	}
	if kept.Respond(notification("1")) == nil {
		t.Error("a notification was taken")
	}
	h.EndObservations(p.server)
}

// TestObserveWithoutProtection: no observation begins if its first response cannot be
// protected.
func TestObserveWithoutProtection(t *testing.T) {
	p := newPair(t, func(_, server *oscore.Config) { server.Limits.Protected = 1 })
	var kept coap.ResponseWriter
	var ctx context.Context
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		kept, ctx = w, r.Context()
		_ = w.Respond(notification("0"))
	}), nil, oscorecoap.Config{})
	p.serveOthers(t, h, 1)
	r, _ := p.protect(t, observeRequest(0))
	w := &onceOnly{writer: newWriter("t"), t: t}
	serveOne(t.Context(), h, r, addrA, w)
	if got := w.only(t); got.Code != coap.ServiceUnavailable || got.Options.Has(coap.OSCORE) {
		t.Errorf("got %v with %v, want 5.03 in clear", got.Code, got.Options)
	}
	if ctx.Err() == nil {
		t.Error("the handler is not told that there is no observation")
	}
	if kept.Respond(notification("1")) == nil {
		t.Error("a notification was taken")
	}
	h.EndObservations(p.server)
}
