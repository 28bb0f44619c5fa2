package edhoccoap

import (
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

// FuzzServer gives any payload to the EDHOC resource and to the combined request while
// a handshake waits. No Session comes of it, and the next handshake works.
func FuzzServer(f *testing.F) {
	f.Add([]byte{newSession}, []byte{0x09, 0x00, 0x01}, true)
	f.Add([]byte{0x01, 0x41, 0x02}, []byte{}, false)
	f.Add([]byte{0x01, 0x01, 0x60}, []byte{}, false)
	f.Add([]byte{newSession, 0x03, 0x00, 0x58}, []byte{0x01}, false)
	f.Fuzz(func(t *testing.T, payload, option []byte, combined bool) {
		sessions := 0
		w := newWorld(t, func(w *world) {
			install := w.cfg.Establish
			w.cfg.Establish = func(s *edhoc.Session, id *idalloc.Live) error { sessions++; return install(s, id) }
		})
		if _, err := w.client.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		resp := w.post(payload, func(r *coap.Request) {
			if combined {
				r.Options.Set(coap.OSCORE, option)
				r.Options.Set(coap.EDHOC, nil)
			}
		})
		if sessions != 0 || w.contexts.Len() != 0 || resp.Code == coap.InternalServerError {
			t.Errorf("%x, %x: %v, %d sessions", payload, option, resp.Code, sessions)
		}
		if _, _, err := w.client.Establish(t.Context()); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// FuzzReverseServer gives any payload to a resource of both flows while a handshake waits
// for message_2, or for message_4. No Session comes of it, and the next handshake works.
func FuzzReverseServer(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add([]byte{0x41, 0x02}, false)
	f.Add([]byte{0x01, 0x60}, true)
	f.Add([]byte{0x02, 0x00}, false)
	f.Add([]byte{0x48, 1, 2, 3, 4, 5, 6, 7, 8}, true)
	f.Fuzz(func(t *testing.T, msg []byte, fourth bool) {
		w := newReversed(t, func(r *reversed) { r.cfg.Message4, r.client.Message4 = true, true })
		v1, err := w.client.Responder.ProcessMessage1(w.post(nil).Payload)
		must(t, err)
		cI := v1.CI.AppendCBOR(nil)
		if fourth {
			msg2, _, err := v1.ComposeMessage2("**")
			must(t, err)
			if resp := w.post(append(cI, msg2...)); resp.Code != coap.Changed {
				t.Fatal(resp.Code)
			}
		}
		resp := w.post(append(v1.CI.AppendCBOR(nil), msg...))
		if w.done != 0 || w.contexts.Len() != 0 || resp.Code == coap.InternalServerError {
			t.Errorf("%x: %v, %d sessions", msg, resp.Code, w.done)
		}
		if _, _, err := w.client.Establish(t.Context()); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}
