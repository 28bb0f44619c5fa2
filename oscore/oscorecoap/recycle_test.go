package oscorecoap_test

import (
	"crypto/cipher"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// fewAnswers keeps two answers of an association, so that their memory is soon that
// of others.
var fewAnswers = oscorecoap.AnswersConfig{AssociationBytes: 1200}

// serveOthers serves n requests, none of which has anything to do with another.
func (p *pair) serveOthers(t testing.TB, h coap.Handler, n int) {
	t.Helper()
	for _, r := range p.protectMany(t, coap.NewRequest(coap.POST, "/another"), n) {
		serveOne(t.Context(), h, r, addrA, newWriter("other"))
	}
}

// TestRepetitionHasAllOfTheAnswer: the options and the rest of an answer are kept,
// not only its payload, while others are made in the memory where it was made.
func TestRepetitionHasAllOfTheAnswer(t *testing.T) {
	p := newPair(t, func(_, server *oscore.Config) { server.OwnPartialIV = true })
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		resp := r.NewResponse(coap.Content)
		resp.Confirmable = r.Path() == "/x"
		_ = w.Respond(resp)
	}), nil, oscorecoap.Config{})
	r, x := p.protect(t, coap.NewRequest(coap.GET, "/x"))
	first, again := newWriter("t"), newWriter("t")
	serveOne(t.Context(), h, r, addrA, first)
	p.serveOthers(t, h, 10)
	serveOne(t.Context(), h, r, addrA, again)
	want, got := first.only(t), again.only(t)
	if !same(got, want) || !got.Confirmable || !want.Confirmable {
		t.Errorf("got %+v, want %+v", got, want)
	}
	unprotect(t, x, got)
}

// A slowWriter is a transport that has something else to do before it sends.
type slowWriter struct {
	*writer
	before func()
}

func (w slowWriter) Respond(r *coap.Response) error {
	w.before()
	return w.writer.Respond(r)
}

// TestRepetitionIsACopy: while the answer to a repetition is sent, its place in the
// memory of answers may become that of another.
func TestRepetitionIsACopy(t *testing.T) {
	p := newPair(t, nil)
	h := p.handler(t, new(counter), nil, oscorecoap.Config{Answers: fewAnswers})
	r, x := p.protect(t, coap.NewRequest(coap.GET, "/x"))
	first, again := newWriter("t"), newWriter("t")
	serveOne(t.Context(), h, r, addrA, first)
	serveOne(t.Context(), h, r, addrA, slowWriter{again, func() { p.serveOthers(t, h, 10) }})
	want, got := first.only(t), again.only(t)
	if !same(got, want) {
		t.Errorf("got %x, want %x", got.Payload, want.Payload)
	}
	unprotect(t, x, got)
}

// TestAnswersInheritNothing: a request that was repeated as often as allowed, and one
// that wanted no response, leave nothing to the requests whose answers are kept in
// their memory.
func TestAnswersInheritNothing(t *testing.T) {
	p := newPair(t, nil)
	h := p.handler(t, new(counter), nil, oscorecoap.Config{Answers: fewAnswers})
	silent := coap.NewRequest(coap.PUT, "/x")
	silent.Options.AddUint(coap.NoResponse, 2)
	for _, in := range []*coap.Request{silent, coap.NewRequest(coap.GET, "/x")} {
		r, _ := p.protect(t, in)
		for range 20 {
			serveOne(t.Context(), h, r, addrA, newWriter("t"))
		}
		for i := range 10 {
			r, _ := p.protect(t, coap.NewRequest(coap.GET, "/y"))
			first, again := newWriter("t"), newWriter("t")
			serveOne(t.Context(), h, r, addrA, first)
			serveOne(t.Context(), h, r, addrB, again)
			if want, got := first.only(t), again.only(t); !same(got, want) {
				t.Errorf("request %d: got %x, want %x", i, got.Payload, want.Payload)
			}
		}
	}
}

// TestLateAnswerIsKept: the answer that comes last is kept, though its request is the
// oldest of those that share the memory.
func TestLateAnswerIsKept(t *testing.T) {
	p := newPair(t, nil)
	later := make(chan coap.ResponseWriter, 1)
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if r.Path() == "/late" {
			later <- w
			return
		}
		_ = w.Respond(r.NewResponse(coap.Changed))
	}), nil, oscorecoap.Config{Answers: fewAnswers})
	r, _ := p.protect(t, coap.NewRequest(coap.GET, "/late"))
	first, again := newWriter("t"), newWriter("t")
	serveOne(t.Context(), h, r, addrA, first)
	p.serveOthers(t, h, 1)
	if err := (<-later).Respond(&coap.Response{Code: coap.Content, Payload: make([]byte, 300)}); err != nil {
		t.Fatal(err)
	}
	serveOne(t.Context(), h, r, addrA, again)
	if want, got := first.only(t), again.only(t); !same(got, want) {
		t.Errorf("got %v %x, want %x", got.Code, got.Payload, want.Payload)
	}
}

// TestLateSilenceThatGaveWay: that there is to be no response is found when the
// request has given way to others, and does not come into their lists.
func TestLateSilenceThatGaveWay(t *testing.T) {
	p := newPair(t, nil)
	later := make(chan coap.ResponseWriter, 1)
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if r.Path() == "/late" {
			later <- w
			return
		}
		_ = w.Respond(r.NewResponse(coap.Changed))
	}), nil, oscorecoap.Config{Answers: fewAnswers})
	in := coap.NewRequest(coap.POST, "/late")
	in.Options.AddUint(coap.NoResponse, 2)
	r, _ := p.protect(t, in)
	first, again := newWriter("t"), newWriter("t")
	serveOne(t.Context(), h, r, addrA, first)
	serveOne(t.Context(), h, r, addrA, again)
	p.serveOthers(t, h, 10)
	if err := (<-later).Respond(&coap.Response{Code: coap.Changed}); err != nil {
		t.Fatal(err)
	}
	first.nothing(t)
	again.nothing(t)
	p.serveOthers(t, h, 10)
}

// TestPanic: a handler that panics leaves nothing that waits: the transport answers
// for it, and repetitions are dropped. What it has begun cannot answer any more.
func TestPanic(t *testing.T) {
	for name, panics := range map[string]func(coap.ResponseWriter){
		"before the answer": func(coap.ResponseWriter) { panic("a bug of the handler") },
		"in the answer":     func(w coap.ResponseWriter) { _ = w.Respond(&coap.Response{Code: coap.GET}) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, nil)
			var h *oscorecoap.Server
			var left coap.ResponseWriter
			meanwhile, r := newWriter("t"), (*coap.Request)(nil)
			h = p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, _ *coap.Request) {
				left = w
				serveOne(t.Context(), h, r, addrA, meanwhile)
				panics(w)
			}), nil, oscorecoap.Config{Observer: oscorecoap.Observer{Failed: func(*oscore.Association, error) { panic("a bug of the observer") }}})
			r, _ = p.protect(t, coap.NewRequest(coap.GET, "/x"))
			first, again := newWriter("t"), newWriter("t")
			func() {
				defer func() {
					if recover() == nil {
						t.Error("the transport does not see the panic")
					}
				}()
				serveOne(t.Context(), h, r, addrA, first)
			}()
			serveOne(t.Context(), h, r, addrB, again)
			meanwhile.nothing(t)
			again.nothing(t)
			wantError(t, left.Respond(&coap.Response{Code: coap.Content}), coap.ErrResponded)
			first.none(t)
		})
	}
}

// opening is an AEAD that does something before it opens.
type opening struct {
	cipher.AEAD
	before *func()
}

func (a opening) Open(dst, nonce, ciphertext, aad []byte) ([]byte, error) {
	(*a.before)()
	return a.AEAD.Open(dst, nonce, ciphertext, aad)
}

// TestRefusedMeanwhile: who repeats a request that turns out not to verify waits for
// nothing.
func TestRefusedMeanwhile(t *testing.T) {
	before := func() {}
	p := newPair(t, func(_, server *oscore.Config) {
		server.DangerNewAEAD = func(a cose.Algorithm, key []byte) (cipher.AEAD, error) {
			inner, err := a.NewAEAD(key)
			return opening{inner, &before}, err
		}
	})
	h := p.handler(t, new(counter), nil, oscorecoap.Config{})
	r, _ := p.protect(t, coap.NewRequest(coap.GET, "/x"))
	r.Payload[0] ^= 1
	first, again := newWriter("t"), newWriter("t")
	before = func() {
		before = func() {}
		serveOne(t.Context(), h, r, addrB, again)
	}
	serveOne(t.Context(), h, r, addrA, first)
	if got := first.only(t); got.Code != coap.BadRequest {
		t.Errorf("got %v, want 4.00", got.Code)
	}
	again.nothing(t)
}

// TestPanicBeforeItIsVerified: nothing is kept of a request at which a hook or an AEAD
// panics.
func TestPanicBeforeItIsVerified(t *testing.T) {
	before := func() {}
	p := newPair(t, func(_, server *oscore.Config) {
		server.DangerNewAEAD = func(a cose.Algorithm, key []byte) (cipher.AEAD, error) {
			inner, err := a.NewAEAD(key)
			return opening{inner, &before}, err
		}
	})
	h := p.handler(t, new(counter), nil, oscorecoap.Config{})
	r, x := p.protect(t, coap.NewRequest(coap.GET, "/x"))
	first, meanwhile, again := newWriter("t"), newWriter("t"), newWriter("t")
	before = func() {
		before = func() {}
		serveOne(t.Context(), h, r, addrB, meanwhile)
		panic("a bug of the AEAD")
	}
	func() {
		defer func() { _ = recover() }()
		serveOne(t.Context(), h, r, addrA, first)
	}()
	first.none(t)
	meanwhile.nothing(t)
	serveOne(t.Context(), h, r, addrA, again)
	unprotect(t, x, again.only(t))
}

// TestAnotherOptionIsNoRepetition: the answer belongs to the OSCORE option too.
func TestAnotherOptionIsNoRepetition(t *testing.T) {
	p := newPair(t, nil)
	h := p.handler(t, new(counter), nil, oscorecoap.Config{})
	r, _ := p.protect(t, coap.NewRequest(coap.GET, "/x"))
	serveOne(t.Context(), h, r, addrA, newWriter("t"))
	option, _ := r.Options.Get(coap.OSCORE)
	option = slices.Clone(option)
	option[1]++ // the Partial IV
	r.Options.Set(coap.OSCORE, option)
	w := newWriter("t")
	serveOne(t.Context(), h, r, addrA, w)
	if got := w.only(t); got.Code != coap.BadRequest {
		t.Errorf("got %v, want 4.00", got.Code)
	}
}
