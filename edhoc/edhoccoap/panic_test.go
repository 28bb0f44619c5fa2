package edhoccoap

import (
	"context"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
)

// A function of the application panics: the handshake is over, its identifier rests, and
// the message that comes again is refused at once.
func TestPanic(t *testing.T) {
	find := func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) { panic("oops") }
	w := newReversed(t, func(r *reversed) { r.cfg.Find = find; r.server.cfg.Find = find })
	inner := w.direct.Handler
	panics := 0
	w.direct.Handler = coap.HandlerFunc(func(rw coap.ResponseWriter, r *coap.Request) {
		defer func() {
			if recover() != nil { // as coap.Pool does
				panics++
				_ = rw.Respond(&coap.Response{Code: coap.InternalServerError})
			}
		}()
		inner.ServeCOAP(rw, r)
	})
	for flow, run := range map[string]func() error{
		"forward": func() error { _, _, err := w.world.client.Establish(t.Context()); return err },
		"reverse": func() error { _, _, err := w.client.Establish(t.Context()); return err },
	} {
		panics = 0
		if err := run(); err == nil || panics != 1 {
			t.Errorf("%s: %v, %d panics", flow, err, panics)
		}
		all := w.direct.Requests()
		want(t, w.post(all[len(all)-1].Payload), coap.InternalServerError, nil)
		if pending, live := busyIDs(w.ids); pending != 0 || live != 0 || panics != 1 {
			t.Errorf("%s: identifiers %d pending, %d live, %d panics", flow, pending, live, panics)
		}
	}
}
