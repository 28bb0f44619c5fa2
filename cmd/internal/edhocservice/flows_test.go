package edhocservice

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/idalloc"
)

// reverse runs a handshake in which alice, the CoAP client, is the Responder.
func (w *world) reverse() error {
	w.t.Helper()
	identity, err := w.alice.Identity()
	check(w.t, err)
	server, err := w.alice.PeerCredential()
	check(w.t, err)
	responder, err := edhoc.NewResponder(edhoc.Config{Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Identities: []edhoc.Identity{identity}})
	check(w.t, err)
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	check(w.t, err)
	c := edhoccoap.ReverseClient{
		Doer: &coaptest.Direct{Handler: w.Resources()}, Responder: responder, IDs: ids, Message4: true,
		Find: func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) {
			return []*edhoc.Credential{server}, nil
		},
	}
	_, _, err = c.Establish(w.t.Context())
	return err
}

// TestReverse: with the reverse message flow there are sessions of both flows, and the
// link says so; without it an empty request is refused.
func TestReverse(t *testing.T) {
	w := newWorld(t)
	var refused *edhoccoap.AnswerError
	if err := w.reverse(); !errors.As(err, &refused) || refused.Code != coap.BadRequest {
		t.Errorf("not served: got %v, want 4.00", err)
	}
	w.want("not served", 0)

	w = newWorld(t, func(c *Config) { c.Profile.Reverse = true })
	check(t, w.handshake())
	check(t, w.reverse())
	w.want("both flows", 2)
	for _, s := range w.sessions {
		if s.Peer.Name != "alice" {
			t.Errorf("got a session of %q", s.Peer.Name)
		}
	}
	var core *coap.Response
	d := &coaptest.Direct{Handler: w.Resources()}
	core, err := d.Do(t.Context(), coap.NewRequest(coap.GET, "/.well-known/core"))
	check(t, err)
	for _, want := range []string{"ed-i", "ed-r"} {
		if !strings.Contains(string(core.Payload), want) {
			t.Errorf("got link %s, want %s", core.Payload, want)
		}
	}
}

// TestStock: handshakes take their keys from a stock, which is full again after them and
// empty after Close.
func TestStock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		want := func(when string, n int) {
			t.Helper()
			synctest.Wait() // for the goroutine that fills
			if got := w.stock.keys.Len(edhoc.P256); got != n {
				t.Errorf("%s: got %d keys, want %d", when, got, n)
			}
		}
		want("begin", stockSize)
		first := w.stock.keys.Take(edhoc.P256)
		if first == nil {
			t.Fatal("got no key")
		}
		want("one was taken", stockSize)
		check(t, w.handshake())
		want("a handshake", stockSize)
		w.Close()
		want("Close", 0)
	})
}

// TestSweepHandshakes: handshakes that nobody goes on with end, with their keys, even if
// no message comes any more.
func TestSweepHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids, err := idalloc.New(idalloc.Config{Now: time.Now, PendingTTL: time.Hour})
		check(t, err)
		w := newWorld(t, func(c *Config) { c.IDs, c.Profile.Reverse = ids, true })
		cfg, err := w.alice.Initiator()
		check(t, err)
		initiator, err := edhoc.NewInitiator(cfg)
		check(t, err)
		msg1, _, err := initiator.ComposeMessage1("\x01")
		check(t, err)
		d := &coaptest.Direct{Handler: w.Resources()}
		for _, payload := range [][]byte{append([]byte{0xf5}, msg1...), nil} {
			r := coap.NewRequest(coap.POST, edhoccoap.Path)
			r.Payload = payload
			resp, err := d.Do(t.Context(), r)
			check(t, err)
			if resp.Code != coap.Changed {
				t.Fatalf("got %v", resp.Code)
			}
		}
		for _, want := range []struct {
			after time.Duration
			state idalloc.State
		}{{246 * time.Second, idalloc.StatePending}, {time.Second, idalloc.StateQuarantined}} {
			time.Sleep(want.after)
			check(t, w.Sweep(t.Context()))
			held := ids.Holdings()
			for _, h := range held {
				if h.State != want.state {
					t.Errorf("after %v more: got %v, want %v", want.after, h.State, want.state)
				}
			}
			if len(held) != 2 {
				t.Errorf("got %d identifiers", len(held))
			}
		}
		w.Close()
	})
}
