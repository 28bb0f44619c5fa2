package oscorecoap_test

import (
	"bytes"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// counter answers with the number of requests it has had.
type counter struct{ n atomic.Int32 }

func (c *counter) ServeCOAP(w coap.ResponseWriter, _ *coap.Request) {
	_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte{byte('0' + c.n.Add(1))}})
}

func same(a, b *coap.Response) bool {
	return a.Code == b.Code && bytes.Equal(a.Payload, b.Payload) && slices.EqualFunc(a.Options, b.Options, func(x, y coap.Option) bool {
		return x.ID == y.ID && bytes.Equal(x.Value, y.Value)
	})
}

func TestRetransmissionGetsTheSameBytes(t *testing.T) {
	p := newPair(t, nil)
	handler := new(counter)
	var repeated []netip.AddrPort
	h := p.handler(t, handler, nil, oscorecoap.Config{Observer: oscorecoap.Observer{Repeated: func(from netip.AddrPort, answered bool) {
		if answered {
			repeated = append(repeated, from)
		}
	}}})
	r, x := p.protect(t, coap.NewRequest(coap.POST, "/x"))
	first := newWriter("token")
	serveOne(t.Context(), h, r, addrA, first)
	want := first.only(t)
	for range 10 { // others come in between, in the memory that this one used
		other, _ := p.protect(t, coap.NewRequest(coap.POST, "/another"))
		serveOne(t.Context(), h, other, addrA, newWriter("other"))
	}
	for _, from := range []netip.AddrPort{addrB, addrA, netip.AddrPortFrom(addrA.Addr(), 1)} {
		w := newWriter("token")
		serveOne(t.Context(), h, r, from, w)
		if got := w.only(t); !same(got, want) {
			t.Errorf("from %v: got %v %x, want %v %x", from, got.Code, got.Payload, want.Code, want.Payload)
		}
	}
	if n := handler.n.Load(); n != 11 {
		t.Errorf("handler ran %d times, want once for each request, 11", n)
	}
	if want := []netip.AddrPort{addrB, addrA, netip.AddrPortFrom(addrA.Addr(), 1)}; !slices.Equal(repeated, want) {
		t.Errorf("observer was told of %v, want %v", repeated, want)
	}
	first.none(t)
	if m := unprotect(t, x, want); string(m.Payload) != "1" {
		t.Errorf("payload %q, want 1", m.Payload)
	}
}

// The same OSCORE message in another CoAP request is a replay (RFC 8613,
// Section 7.4), and so is a retransmission that comes when its answer is gone.
func TestReplay(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := newPair(t, nil)
	handler := new(counter)
	h := p.handler(t, handler, nil, oscorecoap.Config{Now: func() time.Time { return now }})
	r, _ := p.protect(t, coap.NewRequest(coap.POST, "/x"))
	serveOne(t.Context(), h, r, addrA, newWriter("token"))
	refused := func(why, token string) {
		t.Helper()
		w := newWriter(token)
		serveOne(t.Context(), h, r, addrA, w)
		if resp := w.only(t); resp.Code != coap.Unauthorized || string(resp.Payload) != "Replay detected" {
			t.Errorf("%s: got %v %q, want 4.01 Replay detected", why, resp.Code, resp.Payload)
		}
	}
	refused("another token", "nekot")
	r.Payload[0] ^= 1
	refused("another ciphertext", "token")
	r.Payload[0] ^= 1
	now = now.Add(247*time.Second - 1)
	w := newWriter("token")
	serveOne(t.Context(), h, r, addrA, w)
	if resp := w.only(t); resp.Code != coap.Changed { // the outer code
		t.Errorf("just before its time is over: got %v, want the answer", resp.Code)
	}
	now = now.Add(1)
	refused("after 247 s", "token")
	if n := handler.n.Load(); n != 1 {
		t.Errorf("handler ran %d times, want once", n)
	}
}

// Whoever repeats somebody's request from another address gets little more
// than he sends (RFC 9175, Section 2.4).
func TestAmplification(t *testing.T) {
	for _, c := range []struct {
		request, response int
		elsewhere         bool
	}{{10, 50, true}, {10, 90, true}, {10, 150, false}, {100, 250, true}, {100, 450, false}} {
		p := newPair(t, nil)
		h := p.handler(t, respondWith(coap.Content, string(make([]byte, c.response))), nil, oscorecoap.Config{})
		in := coap.NewRequest(coap.POST, "/x")
		in.Payload = make([]byte, c.request)
		r, _ := p.protect(t, in)
		first := newWriter("token")
		serveOne(t.Context(), h, r, addrA, first)
		want := first.only(t)
		for _, from := range []netip.AddrPort{addrB, addrA} {
			w := newWriter("token")
			serveOne(t.Context(), h, r, from, w)
			if from == addrB && !c.elsewhere {
				w.nothing(t)
				continue
			}
			if got := w.only(t); !same(got, want) {
				t.Errorf("%+v from %v: got %x, want %x", c, from, got.Payload, want.Payload)
			}
		}
	}
}

// One captured datagram is answered a few times only.
func TestRepeatsAreBounded(t *testing.T) {
	p := newPair(t, nil)
	h := p.handler(t, new(counter), nil, oscorecoap.Config{})
	r, _ := p.protect(t, coap.NewRequest(coap.POST, "/x"))
	serveOne(t.Context(), h, r, addrA, newWriter("token"))
	answered, dropped := 0, 0
	for range 100 {
		w := newWriter("token")
		serveOne(t.Context(), h, r, addrB, w)
		answered += len(w.responses)
		if w.dropped {
			dropped++
		}
	}
	if answered != 8 || dropped != 92 {
		t.Errorf("answered %d of 100 repetitions and dropped %d, want 8 and 92", answered, dropped)
	}
}

// A retransmission that comes while the handler works gets the answer too, when
// there is one: also from a new address, if it is not too long for that.
func TestRetransmissionWhileTheHandlerWorks(t *testing.T) {
	p := newPair(t, nil)
	later := make(chan coap.ResponseWriter, 2)
	h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, _ *coap.Request) { later <- w }), nil, oscorecoap.Config{})
	r, x := p.protect(t, coap.NewRequest(coap.GET, "/x"))
	first := newWriter("t")
	serveOne(t.Context(), h, r, addrA, first)
	var again []*writer
	for i := range 10 {
		w := newWriter("t")
		serveOne(t.Context(), h, r, []netip.AddrPort{addrA, addrB}[i%2], w)
		again = append(again, w)
	}
	if err := (<-later).Respond(&coap.Response{Code: coap.Content, Payload: []byte("late")}); err != nil {
		t.Fatal(err)
	}
	want := first.only(t)
	for i, w := range again {
		if i >= 8 {
			w.nothing(t)
			continue
		}
		if got := w.only(t); !same(got, want) {
			t.Errorf("repetition %d got %x, want %x", i, got.Payload, want.Payload)
		}
	}
	unprotect(t, x, want)
	if len(later) != 0 {
		t.Error("the handler was called twice")
	}

	r, x = p.protect(t, coap.NewRequest(coap.GET, "/x"))
	first, second := newWriter("t"), newWriter("t")
	serveOne(t.Context(), h, r, addrA, first)
	serveOne(t.Context(), h, r, addrB, second)
	if err := (<-later).Respond(&coap.Response{Code: coap.Content, Payload: make([]byte, 400)}); err != nil {
		t.Fatal(err)
	}
	unprotect(t, x, first.only(t))
	second.nothing(t)
}

func TestAnswersAreBounded(t *testing.T) {
	const size = 4096
	p, other := newPair(t, nil), newPair(t, func(client, server *oscore.Config) {
		client.SenderID, server.RecipientID = []byte{0x11}, []byte{0x11}
		client.MasterSecret, server.MasterSecret = []byte("another secret!!"), []byte("another secret!!")
	})
	other.contexts = p.contexts
	h := p.handler(t, new(counter), nil, oscorecoap.Config{Answers: oscorecoap.AnswersConfig{Bytes: 4 * size, AssociationBytes: size}})
	if err := p.contexts.Add(other.server); err != nil {
		t.Fatal(err)
	}
	known := func(r *coap.Request) bool {
		w := newWriter("t")
		serveOne(t.Context(), h, r, addrA, w)
		return w.only(t).Code == coap.Changed
	}
	quiet, _ := other.protect(t, coap.NewRequest(coap.GET, "/x"))
	serveOne(t.Context(), h, quiet, addrA, newWriter("t"))
	var requests []*coap.Request
	for range 100 { // a peer that wants a lot
		r, _ := p.protect(t, coap.NewRequest(coap.GET, "/x"))
		serveOne(t.Context(), h, r, addrA, newWriter("t"))
		requests = append(requests, r)
	}
	kept := 0
	for _, r := range requests {
		if known(r) {
			kept++
		}
	}
	if kept == 0 || kept > size/512 {
		t.Errorf("%d answers to one association are kept, want some and at most %d", kept, size/512)
	}
	if !known(requests[99]) || known(requests[0]) {
		t.Error("the newest answer is gone, or the oldest is not")
	}
	if !known(quiet) {
		t.Error("the answer to another association has given way")
	}
}

func TestAllAnswersAreBounded(t *testing.T) {
	p := newPair(t, nil)
	h := p.handler(t, new(counter), nil, oscorecoap.Config{Answers: oscorecoap.AnswersConfig{Bytes: 4096, AssociationBytes: 1 << 20}})
	var requests []*coap.Request
	for range 50 {
		r, _ := p.protect(t, coap.NewRequest(coap.GET, "/x"))
		serveOne(t.Context(), h, r, addrA, newWriter("t"))
		requests = append(requests, r)
	}
	kept := 0
	for _, r := range requests {
		w := newWriter("t")
		serveOne(t.Context(), h, r, addrA, w)
		if w.only(t).Code == coap.Changed {
			kept++
		}
	}
	if kept == 0 || kept > 8 {
		t.Errorf("%d answers kept, want 1 to 8", kept)
	}
}
