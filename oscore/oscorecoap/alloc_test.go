package oscorecoap_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// protectMany protects n requests like r.
func (p *pair) protectMany(t testing.TB, r *coap.Request, n int) []*coap.Request {
	t.Helper()
	out := make([]*coap.Request, n)
	for i := range out {
		out[i], _ = p.protect(t, r)
	}
	return out
}

// TestPipelineAllocates: a protected request, the decision about it, its
// dispatch and its protected answer, kept for retransmissions, cost no
// allocation.
func TestPipelineAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has pools forget")
	}
	const runs = 2000
	p := newPair(t, func(client, server *oscore.Config) { client.DangerNewAEAD, server.DangerNewAEAD = nil, nil })
	var mux coap.Mux
	mux.HandleFunc("/x", func(w coap.ResponseWriter, r *coap.Request) {
		resp := r.NewResponse(coap.Content)
		resp.Options.AddUint(coap.ContentFormat, 60)
		resp.Payload = r.Payload
		_ = w.Respond(resp)
	})
	h := p.handler(t, &mux, nil, oscorecoap.Config{
		Authorize: func(*oscore.Association, *coap.Request) (any, error) { return true, nil },
	})
	in := coap.NewRequest(coap.POST, "/x")
	in.Payload = make([]byte, 30)
	requests := p.protectMany(t, in, 3*runs)
	w := new(discard)
	i := 0
	request := func() {
		h.ServeCOAP(w, requests[i])
		i++
	}
	for range runs { // the memory of answers fills
		request()
	}
	if n := testing.AllocsPerRun(runs, request); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
	if w.n < 30*i {
		t.Errorf("%d bytes in %d answers", w.n, i)
	}
}

// TestContextsAreKept: a handler may keep the context of its request, and with
// it the grant, while others are served in the memory that its request used.
func TestContextsAreKept(t *testing.T) {
	p := newPair(t, nil)
	var kept []context.Context
	n := 0
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		kept = append(kept, r.Context())
		_ = w.Respond(r.NewResponse(coap.Changed))
	}), nil, oscorecoap.Config{Authorize: func(*oscore.Association, *coap.Request) (any, error) {
		n++
		return n, nil
	}})
	for _, r := range p.protectMany(t, coap.NewRequest(coap.POST, "/x"), 100) {
		serveOne(t.Context(), h, r, addrA, newWriter("t"))
	}
	for i, ctx := range kept {
		if got := oscorecoap.Grant(ctx); got != i+1 {
			t.Fatalf("grant of request %d: got %v", i+1, got)
		}
	}
}

// TestNothingIsInherited: a request and a response have nothing of those that
// used their memory before.
func TestNothingIsInherited(t *testing.T) {
	p := newPair(t, nil)
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		resp := r.NewResponse(coap.Content)
		if len(resp.Options) > 0 || len(resp.Payload) > 0 || resp.Confirmable {
			t.Errorf("NewResponse has %+v", resp)
		}
		if r.Options.Has(coap.Accept) {
			resp.Options.AddUint(coap.ETag, 7)
			resp.Confirmable = true
		}
		resp.Payload = fmt.Append(nil, len(r.Payload), len(r.Options))
		_ = w.Respond(resp)
	}), nil, oscorecoap.Config{})
	rich, poor := coap.NewRequest(coap.POST, "/a/b/c?d"), coap.NewRequest(coap.GET, "/")
	rich.Options.AddUint(coap.Accept, 60)
	rich.Payload = []byte("payload")
	for range 3 {
		for _, c := range []struct {
			r    *coap.Request
			want oscore.Message
		}{
			{rich, oscore.Message{Code: 0x45, Options: []oscore.Option{{Number: 4, Value: []byte{7}}}, Payload: []byte("7 5")}},
			{poor, oscore.Message{Code: 0x45, Payload: []byte("0 0")}},
		} {
			r, x := p.protect(t, c.r)
			w := newWriter("t")
			serveOne(t.Context(), h, r, addrA, w)
			got := unprotect(t, x, w.only(t))
			if got.Code != c.want.Code || string(got.Payload) != string(c.want.Payload) || !slices.EqualFunc(got.Options, c.want.Options, sameOption) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		}
	}
}

func sameOption(a, b oscore.Option) bool {
	return a.Number == b.Number && string(a.Value) == string(b.Value)
}

// TestLateAnswerThatGaveWay: a request whose handler takes its time is answered,
// and so is its repetition, though its place in the memory of answers was taken
// by others meanwhile.
func TestLateAnswerThatGaveWay(t *testing.T) {
	p := newPair(t, nil)
	later := make(chan coap.ResponseWriter, 1)
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if r.Path() == "/late" {
			later <- w
			return
		}
		_ = w.Respond(r.NewResponse(coap.Changed))
	}), nil, oscorecoap.Config{Answers: oscorecoap.AnswersConfig{AssociationBytes: 2048}})
	r, x := p.protect(t, coap.NewRequest(coap.POST, "/late"))
	first, again := newWriter("t"), newWriter("t")
	serveOne(t.Context(), h, r, addrA, first)
	serveOne(t.Context(), h, r, addrA, again)
	others := p.protectMany(t, coap.NewRequest(coap.POST, "/"), 20)
	for _, r := range others {
		serveOne(t.Context(), h, r, addrA, newWriter("t"))
	}
	if err := (<-later).Respond(&coap.Response{Code: coap.Content, Payload: []byte("late")}); err != nil {
		t.Fatal(err)
	}
	want := first.only(t)
	if m := unprotect(t, x, want); string(m.Payload) != "late" {
		t.Errorf("got %q", m.Payload)
	}
	if got := again.only(t); !same(got, want) {
		t.Errorf("the repetition got %x, want %x", got.Payload, want.Payload)
	}
	w := newWriter("t") // the answers of others are in order
	serveOne(t.Context(), h, others[19], addrA, w)
	if got := w.only(t); got.Code != coap.Changed {
		t.Errorf("got %v", got.Code)
	}
	w = newWriter("t")
	serveOne(t.Context(), h, r, addrA, w)
	if got := w.only(t); got.Code != coap.Unauthorized {
		t.Errorf("what gave way: got %v, want 4.01 for the replay", got.Code)
	}
}
