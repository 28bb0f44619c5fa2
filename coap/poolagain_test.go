package coap_test

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary/coap"
)

// TestPoolAnswersOnce: a handler in a pool that answers a second time, such as with
// an error because the first answer could not be sent, is refused. The endpoint may
// use the exchange for the request of somebody else by then.
func TestPoolAnswersOnce(t *testing.T) {
	for name, respond := range map[string]func(w coap.ResponseWriter) error{
		"a second answer": func(w coap.ResponseWriter) error { return w.Respond(&coap.Response{Code: coap.InternalServerError}) },
		"an answer, though": func(w coap.ResponseWriter) error {
			w.(interface{ Drop() }).Drop()
			return w.Respond(&coap.Response{Code: coap.Content})
		},
	} {
		p := coap.NewPool(coap.PoolConfig{})
		w := new(responses)
		var again error
		p.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, _ *coap.Request) {
			_ = w.Respond(&coap.Response{Code: coap.Content})
			again = respond(w)
		})).ServeCOAP(w, coap.NewRequest(coap.GET, "/"))
		p.Close()
		if !errors.Is(again, coap.ErrResponded) || len(w.codes) != 1 {
			t.Errorf("%s: got %v, and %v went out; want coap.ErrResponded and one", name, again, w.codes)
		}
	}
}

// TestPoolNotifies: an observation has as many answers as the handler likes; what
// comes after its end is refused by the transport.
func TestPoolNotifies(t *testing.T) {
	p := coap.NewPool(coap.PoolConfig{})
	w := new(responses)
	r := coap.NewRequest(coap.GET, "/")
	r.Options.AddUint(coap.Observe, 0)
	p.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, _ *coap.Request) {
		n := &coap.Response{Code: coap.Content}
		n.Options.AddUint(coap.Observe, 0)
		for range 3 {
			if err := w.Respond(n); err != nil {
				t.Error(err)
			}
		}
		if err := w.Respond(&coap.Response{Code: coap.NotFound}); err != nil {
			t.Error(err)
		}
		w.(interface{ Drop() }).Drop()
	})).ServeCOAP(w, r)
	p.Close()
	if len(w.codes) != 4 {
		t.Errorf("%v went out, want four", w.codes)
	}
}

// TestPoolAnswersAnother: what a handler in a pool says too much about one request
// does not go to the peer of another.
func TestPoolAnswersAnother(t *testing.T) {
	for range 20 { // it takes some luck that the memory of the one becomes that of the other
		testPoolAnswersAnother(t)
	}
}

func testPoolAnswersAnother(t *testing.T) {
	p := coap.NewPool(coap.PoolConfig{})
	answered, another, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	pooled := p.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, _ *coap.Request) {
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte("mine")})
		close(answered)
		<-another
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte("mine too")})
		close(done)
	}))
	e, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if r.Path() == "/mine" {
			pooled.ServeCOAP(w, r)
			<-answered // the reader goes on when it sees that there is an answer
			return
		}
		close(another)
		<-done
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte("yours")})
	})})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"/mine", "mine"}, {"/yours", "yours"}} {
		client, err := coap.Dial("udp4", e.LocalAddr().String(), coap.Config{})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(t.Context(), coap.NewRequest(coap.GET, c[0]))
		if err != nil || string(resp.Payload) != c[1] {
			t.Errorf("%s: got %q, %v; want %q", c[0], resp.Payload, err, c[1])
		}
		_ = client.Close()
	}
	_ = e.Close()
	p.Close()
}
