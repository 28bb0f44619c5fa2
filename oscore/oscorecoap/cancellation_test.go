package oscorecoap_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// cancelable is what carries an observation and its cancellation.
type cancelable interface {
	coap.Doer
	coap.Observer
}

// TestClientCancels: when the context of an observation ends, the client cancels
// it at once and inside OSCORE (RFC 7641, Section 3.6; RFC 8613, Section
// 4.1.3.5.1), so that it has ended on both sides when Observe returns.
func TestClientCancels(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, h coap.Handler) cancelable{
		"UDP": func(t *testing.T, h coap.Handler) cancelable {
			n := new(coaptest.Network)
			cfg := coap.Config{Handler: h, Understands: []coap.OptionID{coap.OSCORE}}
			server, err := coap.NewEndpoint(n.Listen(addrA), cfg)
			if err != nil {
				t.Fatal(err)
			}
			client, err := coap.NewEndpoint(n.Listen(addrB), coap.Config{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = errors.Join(client.Close(), server.Close()) })
			return client.Client(addrA)
		},
		"TCP": func(t *testing.T, h coap.Handler) cancelable {
			near, far := coaptest.Pipe()
			server := coap.NewConn(far, coap.ConnConfig{Handler: h, Understands: []coap.OptionID{coap.OSCORE}})
			client := coap.NewConn(near, coap.ConnConfig{})
			t.Cleanup(func() { _ = errors.Join(client.Close(), server.Close()) })
			return client
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testClientCancels(t, open) })
		})
	}
}

func testClientCancels(t *testing.T, open func(*testing.T, coap.Handler) cancelable) {
	p := newPair(t, nil)
	res := newResource()
	var canceled atomic.Int64
	cfg := oscorecoap.Config{Observer: oscorecoap.Observer{Verified: func(_ *oscore.Association, r *coap.Request) {
		if v, ok := r.Options.Uint(coap.Observe); ok && v == 1 {
			canceled.Add(1)
		}
	}}}
	conn := open(t, p.handler(t, res, nil, cfg))
	c := oscorecoap.NewClient(conn, p.client, oscorecoap.ClientConfig{})
	for i := range int64(100) { // more than a peer may have at once
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		seen := make(chan struct{}, 1)
		go func() {
			done <- c.Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(*coap.Response) { seen <- struct{}{} })
		}()
		<-seen
		w := <-res.writers
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := canceled.Load(); got != i+1 {
			t.Fatalf("the server saw %d cancellations, want %d", got, i+1)
		}
		<-res.ended
		wantError(t, w.Respond(notification("late")), coap.ErrClosed)
	}
	resp, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
	wantResponse(t, resp, err, coap.Content, "plain")
}
