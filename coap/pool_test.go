package coap_test

import (
	"slices"
	"testing"

	"github.com/ostiary/ostiary/coap"
)

// responses notes what a handler responds.
type responses struct{ codes []coap.Code }

func (w *responses) Respond(r *coap.Response) error {
	w.codes = append(w.codes, r.Code)
	return nil
}

// TestPoolPanics: a handler that panics before it has answered is answered
// for; one that panics after it is not, because its exchange may serve another
// request by then.
func TestPoolPanics(t *testing.T) {
	for _, c := range []struct {
		name    string
		respond bool
		want    []coap.Code
	}{
		{"before the answer", false, []coap.Code{coap.InternalServerError}},
		{"after the answer", true, []coap.Code{coap.Content}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := coap.NewPool(coap.PoolConfig{})
			w := new(responses)
			pool.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, _ *coap.Request) {
				if c.respond {
					_ = w.Respond(&coap.Response{Code: coap.Content})
				}
				panic("a bug of the handler")
			})).ServeCOAP(w, coap.NewRequest(coap.GET, "/"))
			pool.Close()
			if !slices.Equal(w.codes, c.want) {
				t.Errorf("responses %v, want %v", w.codes, c.want)
			}
		})
	}
}

// datagram is a ResponseWriter whose token is part of a datagram, which the reader
// overwrites with the next one.
type datagram struct {
	responses
	token []byte
}

func (w *datagram) Token() []byte { return w.token }

// TestPoolToken: a handler in a pool sees the token of its request, whatever the
// reader has read since.
func TestPoolToken(t *testing.T) {
	p := coap.NewPool(coap.PoolConfig{Workers: 1, Queue: 1, PerPeer: 1})
	w := &datagram{token: []byte("token")}
	read, got := make(chan struct{}), make(chan string)
	h := p.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, _ *coap.Request) {
		<-read
		got <- string(w.(interface{ Token() []byte }).Token())
	}))
	h.ServeCOAP(w, coap.NewRequest(coap.GET, "/"))
	copy(w.token, "other")
	close(read)
	if token := <-got; token != "token" {
		t.Errorf("the handler sees %q, want the token of its request", token)
	}
	p.Close()
}

// eager is a peer that asks again as soon as it is answered.
type eager struct {
	responses
	again func()
}

func (w *eager) Respond(r *coap.Response) error {
	_ = w.responses.Respond(r)
	if w.again != nil {
		w.again()
	}
	return nil
}

// TestPoolOneAfterTheOther: who asks one thing after the other is within its share,
// however soon it asks, and not beyond it before it is answered.
func TestPoolOneAfterTheOther(t *testing.T) {
	p := coap.NewPool(coap.PoolConfig{Workers: 2, Queue: 2, PerPeer: 1})
	second, third := new(responses), new(responses)
	hold, asked := make(chan struct{}), make(chan struct{})
	h := p.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if r.Path() == "/second" {
			<-hold
		}
		_ = w.Respond(&coap.Response{Code: coap.Content})
	}))
	h.ServeCOAP(&eager{again: func() {
		h.ServeCOAP(second, coap.NewRequest(coap.GET, "/second"))
		h.ServeCOAP(third, coap.NewRequest(coap.GET, "/third"))
		close(asked)
	}}, coap.NewRequest(coap.GET, "/first"))
	<-asked
	close(hold)
	p.Close()
	if want := []coap.Code{coap.Content}; !slices.Equal(second.codes, want) {
		t.Errorf("second: %v, want %v", second.codes, want)
	}
	if want := []coap.Code{coap.TooManyRequests}; !slices.Equal(third.codes, want) {
		t.Errorf("third: %v, want %v", third.codes, want)
	}
}
