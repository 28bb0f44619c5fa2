package oscorecoap_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// TestForgedNotifications: forged notifications do not use up the key of the server.
// When too many have come, none is looked at, and the observation begins anew as soon
// as nothing fresh is left.
func TestForgedNotifications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, nil)
		res := newResource()
		d := &coaptest.Direct{Handler: p.handler(t, res, nil, oscorecoap.Config{})}
		spoil, dropped := make(chan func(*coap.Response), 1), make(chan error, 1)
		c := oscorecoap.NewClient(&meddler{d, spoil}, p.client, oscorecoap.ClientConfig{
			Forgeries: oscorecoap.Budget{Burst: 10, Every: time.Hour},
			Dropped:   func(err error) { dropped <- err },
		})
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan *coap.Response, 8)
		done := make(chan error, 1)
		go func() {
			done <- c.Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { got <- r })
		}()
		out := wait(t, res.writers, "registration")
		wait(t, got, "first response")

		failures := func() uint64 { return p.client.Current().Usage().Failures }
		forged := 0
		for ; ; forged++ {
			spoil <- func(r *coap.Response) { r.Payload[0] ^= 1 }
			_ = out.Respond(notification("forged"))
			if err := wait(t, dropped, "forgery"); errors.Is(err, oscore.ErrThrottled) {
				break
			}
		}
		if forged < 5 || forged > 40 || failures() != uint64(forged) {
			t.Errorf("%d forgeries were looked at and %d counted, want about 10", forged, failures())
		}
		_ = out.Respond(notification("true"))
		if err := wait(t, dropped, "notification"); !errors.Is(err, oscore.ErrThrottled) {
			t.Errorf("dropped with %v, want %v", err, oscore.ErrThrottled)
		}

		out = <-res.writers // after the Max-Age, and not before
		if resp := wait(t, got, "first response"); resp.Code != coap.Content {
			t.Errorf("got %v", resp.Code)
		}
		time.Sleep(50 * time.Second) // of the clock of the bubble; no Max-Age passes
		before := failures()
		for range 20 {
			spoil <- func(r *coap.Response) { r.Payload[0] ^= 1 }
			_ = out.Respond(notification("forged"))
			wait(t, dropped, "forgery")
		}
		if n := failures() - before; n > 1 {
			t.Errorf("%d of 20 forgeries were looked at in a minute, want none", n)
		}
		cancel()
		if err := wait(t, done, "Observe"); err != nil {
			t.Errorf("Observe: %v, want nil", err)
		}
	})
}

// TestForgedResponse: a forged response costs the key one decryption, and the
// request its answer; the association goes on.
func TestForgedResponse(t *testing.T) {
	p := newPair(t, nil)
	d := &coaptest.Direct{Handler: p.handler(t, respondWith(coap.Content, "x"), nil, oscorecoap.Config{})}
	c := oscorecoap.NewClient(&forger{d}, p.client, oscorecoap.ClientConfig{})
	for i := range uint64(20) {
		_, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
		if refused := (*oscore.Error)(nil); !errors.As(err, &refused) {
			t.Errorf("forged: %v, want an *oscore.Error", err)
		}
		if got := p.client.Current().Usage().Failures; got != i+1 {
			t.Errorf("failures = %d, want %d", got, i+1)
		}
	}
	resp, err := oscorecoap.NewClient(d, p.client, oscorecoap.ClientConfig{}).Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
	wantResponse(t, resp, err, coap.Content, "x")
}

// forger changes responses.
type forger struct{ coap.Doer }

func (f *forger) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	resp, err := f.Doer.Do(ctx, r)
	if err == nil {
		resp.Payload[0] ^= 1
	}
	return resp, err
}
