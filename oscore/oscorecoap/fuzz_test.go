package oscorecoap_test

import (
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// FuzzServer gives a server requests from the network: whatever it is, there
// is one answer, and the handler is reached by what was protected only.
func FuzzServer(f *testing.F) {
	seed := func(r *coap.Request) {
		p := newPairForFuzz(f)
		out, _ := p.protect(f, r)
		option, _ := out.Options.Get(coap.OSCORE)
		f.Add(byte(out.Code), option, out.Payload, uint16(coap.Observe), []byte{})
	}
	seed(coap.NewRequest(coap.GET, "/x"))
	seed(observeRequest(0))
	seed(observeRequest(1))
	f.Add(byte(coap.POST), []byte{0x19, 0, 1, 'x', 1}, []byte("ciphertext"), uint16(coap.Block1), []byte{8})
	f.Fuzz(func(t *testing.T, code byte, option, payload []byte, number uint16, value []byte) {
		p := newPairForFuzz(t)
		var calls int
		h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			calls++
			if r.Identity != p.server || r.Options.Has(coap.OSCORE) {
				t.Errorf("handler got %+v", r)
			}
			_ = w.Respond(notification("x"))
		}), nil, oscorecoap.Config{})
		r := &coap.Request{Code: coap.Code(code), Payload: payload}
		r.Options.Add(coap.OSCORE, option)
		r.Options.Add(coap.OptionID(number), value)
		for range 2 {
			w := newWriter("t")
			serveOne(t.Context(), h, r, addrA, w)
			if n := len(w.responses); n != 1 {
				t.Errorf("%d responses, want 1", n)
			}
		}
		if calls > 1 {
			t.Errorf("handler called %d times", calls)
		}
	})
}

func newPairForFuzz(t testing.TB) *pair {
	t.Helper()
	return newPair(t, nil)
}
