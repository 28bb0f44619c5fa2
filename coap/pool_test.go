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
