package edhoccoap

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// TestCombinedIsThrottled: the OSCORE message of a combined request comes to its
// decryption by the same way as every other, also where the context is new.
func TestCombinedIsThrottled(t *testing.T) {
	var refused error
	w := newWorld(t)
	_, c, _ := w.combine()
	layer := oscorecoap.Handler(w.contexts, coap.HandlerFunc(func(rw coap.ResponseWriter, _ *coap.Request) {
		_ = rw.Respond(&coap.Response{Code: coap.Content, Payload: []byte("/temp for i: ")})
	}), w.server, oscorecoap.Config{
		Now:      w.clock.Now,
		Throttle: oscorecoap.ThrottleConfig{Peer: oscorecoap.Budget{Burst: 3, Every: 10 * time.Second}},
		Observer: oscorecoap.Observer{Refused: func(_ netip.AddrPort, err error) { refused = err }},
	})
	whole := w.server.Combined(layer, coap.BlockwiseConfig{Now: w.clock.Now})
	var request *coap.Request
	ctx, cancel := context.WithCancel(t.Context())
	w.direct.Handler = coap.HandlerFunc(func(_ coap.ResponseWriter, r *coap.Request) {
		request = r.Clone()
		cancel() // it is lost
	})
	_, _ = c.Do(ctx, coap.NewRequest(coap.GET, "/temp"))
	if request == nil || !request.Options.Has(coap.EDHOC) {
		t.Fatal("no combined request")
	}
	w.direct.Handler = whole
	forger, peer := netip.MustParseAddrPort("192.0.2.1:5684"), netip.MustParseAddrPort("192.0.2.1:5683")
	var first *coap.Response
	throttled := 0
	for i := range 40 {
		forged := request.Clone()
		forged.Payload[len(forged.Payload)-1] ^= byte(i + 1)
		w.direct.RemoteAddr = forger
		refused = nil
		resp, err := w.direct.Do(t.Context(), forged)
		must(t, err)
		if first == nil {
			first = resp
		}
		if resp.Code != coap.BadRequest || !bytes.Equal(resp.Payload, first.Payload) {
			t.Errorf("forgery %d: got %v %q, want 4.00 %q", i, resp.Code, resp.Payload, first.Payload)
		}
		if refused == nil {
			t.Fatalf("forgery %d: did not come to OSCORE: %v %q, %v", i, resp.Code, resp.Payload, w.failures)
		}
		if errors.Is(refused, oscore.ErrThrottled) {
			throttled++
		}
	}
	if decrypted := 40 - throttled; decrypted < 2 || decrypted > 20 {
		t.Errorf("%d of 40 forgeries were decrypted, want about 3", decrypted)
	}
	w.clock.advance(time.Minute)
	w.direct.RemoteAddr = peer
	resp, err := w.direct.Do(t.Context(), request)
	must(t, err)
	if !resp.Options.Has(coap.OSCORE) || resp.Code != coap.Changed {
		t.Errorf("the combined request itself: %v %q, refused with %v", resp.Code, resp.Payload, refused)
	}
	w.wantWorks(c)
}
