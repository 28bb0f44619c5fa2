package edhoccoap

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// The identifier lives as long as the association, through all its contexts.
func TestInstallKeepsIdentifier(t *testing.T) {
	b2 := func(_ *edhoc.Session, c *oscore.Config) { c.B2 = oscore.B2Allowed }
	w := newWorld(t, func(w *world) { w.cfg.Establish = Install(w.contexts, oscorekeys.Lengths{}, b2) })
	s, id, err := w.client.Establish(t.Context())
	must(t, err)
	sec, err := associate(s, id, oscorekeys.Lengths{}, b2)
	must(t, err)
	c := oscorecoap.NewClient(w.direct, sec, oscorecoap.ClientConfig{})
	w.wantWorks(c)
	old := sec.Current()
	must(t, sec.Rederive())
	w.wantWorks(c)
	if sec.Current() == old {
		t.Fatal("the context is the old one")
	}
	for name, ids := range map[string]*idalloc.Allocator{"server": w.ids, "client": w.client.IDs} {
		if _, live := busyIDs(ids); live != 1 {
			t.Errorf("%s: %d live identifiers", name, live)
		}
	}
	sec.Discard()
	if _, live := busyIDs(w.client.IDs); live != 0 {
		t.Errorf("%d live identifiers after Discard", live)
	}
}

// An association for which there is no place is discarded.
func TestInstallFails(t *testing.T) {
	discarded := 0
	w := newWorld(t, func(w *world) {
		w.cfg.Establish = Install(w.contexts, oscorekeys.Lengths{}, func(s *edhoc.Session, c *oscore.Config) {
			other, err := oscore.NewAssociation(oscore.Config{Params: oscore.Params{
				MasterSecret: bytes.Repeat([]byte{1}, 16), SenderID: []byte("other"), RecipientID: []byte(s.CR),
			}})
			must(t, err)
			must(t, w.contexts.Add(other))
			c.OnReplaced = func(_, after *oscore.Context) {
				if after == nil {
					discarded++
				}
			}
		})
	})
	if _, _, err := w.client.Establish(t.Context()); err == nil {
		t.Error("established")
	}
	if _, live := busyIDs(w.ids); live != 0 || discarded != 1 || w.contexts.Len() != 1 {
		t.Errorf("%d live identifiers, %d discarded, %d contexts", live, discarded, w.contexts.Len())
	}
}

// An Echo value of a time to come, after the clock was set back, is not one of now.
func TestEchoOfTheFuture(t *testing.T) {
	w := newWorld(t)
	w.at("192.0.2.1:60000")
	for ahead, shown := range map[int64]bool{0: true, 1: true, 2: false, 3600: false} {
		r := coap.NewRequest(coap.POST, Path)
		r.RemoteAddr = w.direct.RemoteAddr
		r.Options.Set(coap.Echo, w.server.echo.value(r.RemoteAddr, w.clock.Now().Unix()+ahead))
		if got := w.server.echo.shown(r, w.clock.Now()); got != shown {
			t.Errorf("%d s ahead: %t", ahead, got)
		}
	}
}
