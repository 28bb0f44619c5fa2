package edhoccoap

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

// at has the requests of a world come from an address.
func (w *world) at(address string) { w.direct.RemoteAddr = netip.MustParseAddrPort(address) }

// begin sends a message_1 and gives it, with the state of the client.
func (w *world) begin() (msg1 []byte, st *edhoc.AwaitMessage2, resp *coap.Response) {
	w.t.Helper()
	msg1, st, err := w.client.Initiator.ComposeMessage1("\x01")
	must(w.t, err)
	msg1 = append([]byte{newSession}, msg1...)
	return msg1, st, w.post(msg1)
}

// A slow client loses nothing to a fast one that begins handshakes and breaks them off:
// what is forgotten first is answers.
func TestAnswersMakeRoom(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.MaxPending, w.cfg.EchoAbove = 3, -1; w.anyIDs() })
	w.at("192.0.2.1:60000")
	h, err := w.client.Begin(t.Context())
	must(t, err)
	w.at("198.51.100.9:1000")
	for range 40 {
		other, err := w.client.Begin(t.Context())
		must(t, err)
		want(t, w.post(append(other.cR.AppendCBOR(nil), 0x01, 0x60)), coap.Changed, nil)
	}
	w.at("192.0.2.1:60000")
	if _, _, err := h.Finish(t.Context()); err != nil {
		t.Errorf("the handshake that waited: %v", err)
	}
	if n := w.server.table.order.Len(); n > 12 || w.server.table.over.Len() != n {
		t.Errorf("%d entries, %d of them over", n, w.server.table.over.Len())
	}
}

// Handshakes that are too old make room for who has shown an address, too.
func TestRoomAfterExpiry(t *testing.T) {
	w := newReversed(t, func(r *reversed) { r.cfg.MaxPending, r.cfg.EchoAbove = 2, -1 })
	w.at("192.0.2.1:60000")
	empty := func() coap.Code {
		return w.post(nil, func(r *coap.Request) {
			r.Options.Set(coap.Echo, w.reverse.echo.value(w.direct.RemoteAddr, w.clock.Now().Unix()))
		}).Code
	}
	for n, code := range []coap.Code{coap.Changed, coap.Changed, coap.ServiceUnavailable} {
		if got := empty(); got != code {
			t.Errorf("request %d: %v", n, got)
		}
	}
	w.clock.advance(maxLifetime)
	if got := empty(); got != coap.Changed {
		t.Errorf("afterwards: %v", got)
	}
}

// The addresses of one IPv6 prefix of 64 bits are one peer that may have many devices: a
// quarter of the table is theirs.
func TestPrefixIsBounded(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.MaxPending, w.cfg.MaxPeer, w.cfg.EchoAbove = 16, 2, -1; w.anyIDs() })
	for n, c := range []struct {
		peer string
		code coap.Code
	}{
		{"[2001:db8::1]:1", coap.Changed},
		{"[2001:db8::1]:2", coap.Changed},
		{"[2001:db8::1]:3", coap.ServiceUnavailable},
		{"[2001:db8::2]:1", coap.Changed},
		{"[2001:db8::ffff:3]:1", coap.Changed},
		{"[2001:db8::4]:1", coap.ServiceUnavailable},
		{"[2001:db8:0:1::1]:1", coap.Changed},
		{"[fe80::1%eth0]:1", coap.Changed},
		{"192.0.2.1:1", coap.Changed},
		{"192.0.2.2:1", coap.Changed},
		{"192.0.2.3:1", coap.Changed},
		{"192.0.2.4:1", coap.Changed},
		{"192.0.2.5:1", coap.Changed},
	} {
		w.at(c.peer)
		if _, _, resp := w.begin(); resp.Code != c.code {
			t.Errorf("%d, %s: %v, want %v", n, c.peer, resp.Code, c.code)
		}
	}
	w.clock.advance(maxLifetime)
	if n := w.server.Pending(); n != 0 || len(w.server.table.perPeer) != 0 || len(w.server.table.perNet) != 0 {
		t.Errorf("%d pending, %d addresses, %d prefixes", n, len(w.server.table.perPeer), len(w.server.table.perNet))
	}
}

// Who repeats the message_1 of another from his own address has a handshake of his own,
// even if his copy comes first.
func TestMessage1OfAnother(t *testing.T) {
	w := newWorld(t)
	msg1, st, err := w.client.Initiator.ComposeMessage1("\x01")
	must(t, err)
	msg1 = append([]byte{newSession}, msg1...)
	w.at("198.51.100.9:1000")
	his := w.post(msg1).Payload
	w.at("192.0.2.1:60000")
	msg2 := w.post(msg1).Payload
	if string(his) == string(msg2) {
		t.Error("the two have one message_2")
	}
	w.at("192.0.2.1:60001") // another port is not another peer
	if again := w.post(msg1).Payload; string(again) != string(msg2) {
		t.Errorf("message_2 is %x and %x", msg2, again)
	}
	r2, err := st.ProcessMessage2(msg2)
	must(t, err)
	v2, err := r2.Verify(w.idR.Credential)
	must(t, err)
	msg3, _, err := v2.ComposeMessage3()
	must(t, err)
	want(t, w.post(append(v2.CR.AppendCBOR(nil), msg3...)), coap.Changed, nil)
}

// Nothing is computed and nobody is asked for a peer that will have to show its address.
func TestUnvalidatedCostsNothing(t *testing.T) {
	asked := 0
	w := newReversed(t, func(r *reversed) {
		r.ids, _ = idalloc.New(idalloc.Config{Now: r.clock.Now, MaxUnvalidated: -1})
		r.world.cfg.IDs, r.cfg.IDs = r.ids, r.ids
		r.world.cfg.Propose = func(context.Context, *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) { asked++; return nil, nil }
		r.cfg.Propose = func(context.Context, netip.AddrPort) ([]edhoc.EADItem, error) { asked++; return nil, nil }
		var err error
		r.server, err = NewServer(r.world.cfg)
		must(t, err)
	})
	for name, msg := range map[string][]byte{"message_1": {newSession, 0xff}, "trigger": nil} {
		resp := w.post(msg)
		if resp.Code != coap.Unauthorized || !resp.Options.Has(coap.Echo) || asked != 0 || len(w.failures) != 0 {
			t.Errorf("%s: %v, %d asked, failures %v", name, resp.Code, asked, w.failures)
		}
	}
	w.world.client.Doer = echoing{w.direct}
	for flow, run := range map[string]func() error{
		"forward": func() error { _, _, err := w.world.client.Establish(t.Context()); return err },
		"reverse": func() error { _, _, err := w.client.Establish(t.Context()); return err },
	} {
		asked = 0
		if err := run(); err != nil || asked != 1 {
			t.Errorf("%s: %v, %d asked", flow, err, asked)
		}
	}
}

// The same message_3 while the first copy is processed: later, in either form.
func TestBusy(t *testing.T) {
	w := newWorld(t)
	var again func() *coap.Response
	find := w.cfg.Find
	w.server.cfg.Find = func(ctx context.Context, id edhoc.IDCred, ead []edhoc.EADItem) ([]*edhoc.Credential, error) {
		resp := again()
		if v, ok := resp.Options.Uint(coap.MaxAge); resp.Code != coap.ServiceUnavailable || !ok || v == 0 {
			t.Errorf("while the first is processed: %v", resp.Code)
		}
		return find(ctx, id, ead)
	}
	repeat := func() *coap.Response {
		all := w.direct.Requests()
		resp, err := w.direct.Do(t.Context(), all[len(all)-1])
		must(t, err)
		return resp
	}
	again = repeat
	_, _, err := w.client.Establish(t.Context())
	must(t, err)
	want(t, repeat(), coap.Changed, nil)
	_, c, _ := w.combine()
	w.wantWorks(c)
	if w.executed != 1 || w.contexts.Len() != 2 || len(w.failures) != 0 {
		t.Errorf("%d executed, %d contexts, failures %v", w.executed, w.contexts.Len(), w.failures)
	}
}

// Two handshakes that were both let in when there was room for one.
func TestRoomIsTaken(t *testing.T) {
	nested := false
	w := newWorld(t, func(w *world) {
		w.cfg.MaxPending, w.cfg.EchoAbove = 1, -1
		w.cfg.Propose = func(context.Context, *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) {
			if !nested {
				nested = true
				if _, _, resp := w.begin(); resp.Code != coap.Changed {
					t.Errorf("the second: %v", resp.Code)
				}
			}
			return nil, nil
		}
	})
	_, _, resp := w.begin()
	if pending, _ := busyIDs(w.ids); resp.Code != coap.ServiceUnavailable || pending != 1 || w.server.Pending() != 1 {
		t.Errorf("the first: %v, %d identifiers, %d wait", resp.Code, pending, w.server.Pending())
	}
}

// An old answer goes when its identifier is given out again, and takes nothing with it.
func TestIdentifierAgain(t *testing.T) {
	tab := newTable(time.Minute, 4, 4)
	now := time.Unix(1e9, 0)
	first, second := &entry{id: "\x01", since: now, state: spent{}}, &entry{id: "\x01", since: now.Add(time.Second), state: spent{}}
	_, err := tab.add(first)
	must(t, err)
	_, _, _, err = tab.take("\x01", netip.Addr{}, []byte("m"), now)
	must(t, err)
	tab.finish(first, &answer{code: coap.Changed}, nil)
	_, err = tab.add(second)
	must(t, err)
	if e := tab.byID["\x01"]; e != second || tab.order.Len() != 1 || tab.over.Len() != 0 {
		t.Errorf("%d entries, %d over", tab.order.Len(), tab.over.Len())
	}
	if _, _, a, err := tab.take("\x01", netip.Addr{}, []byte("m"), now); a != nil || err != nil {
		t.Errorf("the message of the first: %v, %v", a, err)
	}
}

type spent struct{}

func (spent) Discard() {}

// What ends without a Session leaves no keys.
func TestKeysEnd(t *testing.T) {
	var made *edhoc.Session
	w := newWorld(t, func(w *world) {
		w.cfg.Establish = func(s *edhoc.Session, _ *idalloc.Live) error { made = s; return errGone }
	})
	if _, _, err := w.client.Establish(t.Context()); err == nil {
		t.Error("established")
	}
	if _, err := made.Export(0, nil, 16); !errors.Is(err, edhoc.ErrSpent) {
		t.Errorf("after Establish failed: %v", err)
	}
	w = newWorld(t, func(w *world) { w.cfg.Message4 = true })
	s, c, d := w.combine()
	st := w.server.table.byID[s.CR].state.(*edhoc.AwaitMessage3)
	if _, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/temp")); err == nil {
		t.Error("combined where message_4 is due")
	}
	if _, err := st.ProcessMessage3(d.handshake.msg3); !errors.Is(err, edhoc.ErrSpent) {
		t.Errorf("after a combined request that is not wanted: %v", err)
	}
}
