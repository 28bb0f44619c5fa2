package edhoccoap

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
)

// reversed is a world whose server is the Initiator: 'r' is the server there, too.
type reversed struct {
	*world
	cfg     ReverseConfig
	reverse *ReverseServer
	client  *ReverseClient
	done    int
}

func role(t testing.TB, ids ...edhoc.Identity) (*edhoc.Initiator, *edhoc.Responder) {
	t.Helper()
	cfg := edhoc.Config{Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, EADLabels: []int64{1}, Identities: ids}
	i, err := edhoc.NewInitiator(cfg)
	must(t, err)
	r, err := edhoc.NewResponder(cfg)
	must(t, err)
	return i, r
}

func newReversed(t testing.TB, change ...func(r *reversed)) *reversed {
	t.Helper()
	r := &reversed{world: newWorld(t)}
	initiator, _ := role(t, r.idR)
	_, responder := role(t, r.idI)
	r.cfg = ReverseConfig{
		Initiator: initiator, Find: finder(r.idI.Credential), IDs: r.ids, Now: r.clock.Now,
		Establish: Install(r.contexts, oscorekeys.Lengths{}, nil),
		Observer: Observer{
			Failed:    func(_ netip.AddrPort, err error) { r.failures = append(r.failures, err) },
			Completed: func(netip.AddrPort, *edhoc.Session) { r.done++ },
		},
	}
	r.client = &ReverseClient{Doer: echoing{r.direct}, Responder: responder, Find: finder(r.idR.Credential), IDs: r.world.client.IDs}
	for _, f := range change {
		f(r)
	}
	var err error
	r.reverse, err = NewReverseServer(r.cfg)
	must(t, err)
	both, err := Both(r.server, r.reverse)
	must(t, err)
	old := r.direct.Handler
	r.direct.Handler = coap.HandlerFunc(func(rw coap.ResponseWriter, req *coap.Request) {
		if req.Path() == Path && !req.Options.Has(coap.OSCORE) {
			both.ServeCOAP(rw, req)
			return
		}
		old.ServeCOAP(rw, req)
	})
	return r
}

// echoing shows the address of a client, as coap.Client does.
type echoing struct{ coap.Doer }

func (e echoing) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	resp, err := e.Doer.Do(ctx, r)
	if err != nil || resp.Code != coap.Unauthorized {
		return resp, err
	}
	if v, ok := resp.Options.Get(coap.Echo); ok {
		r = r.Clone()
		r.Options.Set(coap.Echo, v)
		return e.Doer.Do(ctx, r)
	}
	return resp, nil
}

// busyIDs are the identifiers of the server that are pending or live.
func busyIDs(a *idalloc.Allocator) (pending, live int) {
	for _, h := range a.Holdings() {
		switch h.State {
		case idalloc.StatePending:
			pending++
		case idalloc.StateLive:
			live++
		}
	}
	return pending, live
}

// The whole of Figure 11, then requests; with message_4 and without; twice over, and the
// other flow at the same resource in between.
//
//spec:9528-A.2-1
//spec:9528-A.2-3
//spec:9528-A.2-4
//spec:9528-A.2-5
//spec:9668-4.1.1-1
//spec:9668-4.1.2-1
func TestReverse(t *testing.T) {
	for _, m4 := range []bool{false, true} {
		w := newReversed(t, func(r *reversed) { r.cfg.Message4, r.client.Message4 = m4, m4 })
		for n := range 2 {
			before := len(w.direct.Requests())
			s, id, err := w.client.Establish(t.Context())
			must(t, err)
			if !s.Confirmed() || s.Initiator || string(id.ID()) != string(s.CR) || s.Peer.Subject() != "r" {
				t.Errorf("confirmed %t, identifier %v, C_R %v, peer %q", s.Confirmed(), id.ID(), s.CR, s.Peer.Subject())
			}
			sent := w.direct.Requests()[before:]
			want := 2
			if m4 {
				want = 3
			}
			if len(sent) != want || len(sent[0].Payload) != 0 || sent[0].Options.Has(coap.ContentFormat) {
				t.Fatalf("%d requests, %x", len(sent), sent[0].Payload)
			}
			for _, r := range sent[1:] {
				if f, _ := r.Options.Uint(coap.ContentFormat); r.Code != coap.POST || r.Path() != Path || f != formatCIDEDHOC || !bytes.HasPrefix(r.Payload, s.CI.AppendCBOR(nil)) {
					t.Errorf("%v %s, Content-Format %d, %x", r.Code, r.Path(), f, r.Payload)
				}
			}
			if state, holder := w.ids.Lookup(idalloc.ID(s.CI)); state != idalloc.StateLive || holder.Source != idalloc.SourceEDHOC {
				t.Errorf("C_I is %v, of %v", state, holder)
			}
			w.wantWorks(w.oscoreClient(s, id, w.direct))

			s, id, err = w.world.client.Establish(t.Context())
			must(t, err)
			w.wantWorks(w.oscoreClient(s, id, w.direct))
			if w.done != n+1 || w.contexts.Len() != 2*(n+1) {
				t.Errorf("%d completed, %d contexts", w.done, w.contexts.Len())
			}
		}
		if w.reverse.Pending() != 0 || w.server.Pending() != 0 || len(w.failures) != 0 {
			t.Errorf("%d pending, failures %v", w.reverse.Pending(), w.failures)
		}
	}
}

// message_1, message_2 and message_3 are responses and requests as A.2.2 has them.
//
//spec:9528-A.2-5
//spec:9528-A.2.3-1
//spec:9528-A.2.3-2
func TestReverseMessages(t *testing.T) {
	w := newReversed(t, func(r *reversed) { r.cfg.Message4 = true })
	msg1 := w.post(nil, func(r *coap.Request) { r.Options.Remove(coap.ContentFormat) })
	want(t, msg1, coap.Changed, msg1.Payload)
	v1, err := w.client.Responder.ProcessMessage1(msg1.Payload)
	must(t, err)
	msg2, st, err := v1.ComposeMessage2("**")
	must(t, err)
	msg2 = append(v1.CI.AppendCBOR(nil), msg2...)
	msg3 := w.post(msg2)
	want(t, msg3, coap.Changed, msg3.Payload)
	r3, err := st.ProcessMessage3(msg3.Payload)
	must(t, err)
	v3, err := r3.Verify(w.idR.Credential)
	must(t, err)
	if p, l := busyIDs(w.ids); p != 1 || l != 0 || w.contexts.Len() != 0 || w.reverse.Pending() != 1 {
		t.Errorf("before message_4: %d pending, %d live, %d contexts", p, l, w.contexts.Len())
	}
	msg4, _, err := v3.ComposeMessage4()
	must(t, err)
	msg4 = append(v1.CI.AppendCBOR(nil), msg4...)
	for range 3 { // each of them again and again
		want(t, w.post(msg2), coap.Changed, msg3.Payload)
		want(t, w.post(msg4), coap.Changed, nil)
	}
	if p, l := busyIDs(w.ids); p != 0 || l != 1 || w.contexts.Len() != 1 || w.done != 1 || len(w.failures) != 0 {
		t.Errorf("%d pending, %d live, %d contexts, %d completed, failures %v", p, l, w.contexts.Len(), w.done, w.failures)
	}
	// What is not what it was is not processed, and neither is an error message.
	for _, b := range [][]byte{msg2, msg4} {
		other := bytes.Clone(b)
		other[len(other)-1] ^= 1
		want(t, w.post(other), coap.BadRequest, nil)
	}
	want(t, w.post(append(v1.CI.AppendCBOR(nil), 0x01, 0x60)), coap.BadRequest, nil)
	w.clock.advance(maxLifetime)
	want(t, w.post(msg2), coap.BadRequest, nil)
	if w.contexts.Len() != 1 {
		t.Errorf("%d contexts", w.contexts.Len())
	}
}

// Handshakes that nobody goes on with end, at either place, and their identifiers rest.
//
//spec:9528-7-4
func TestReverseExpiry(t *testing.T) {
	w := newReversed(t, func(r *reversed) { r.cfg.Message4 = true })
	w.post(nil)
	msg1 := w.post(nil).Payload
	v1, err := w.client.Responder.ProcessMessage1(msg1)
	must(t, err)
	msg2, _, err := v1.ComposeMessage2("**")
	must(t, err)
	if resp := w.post(append(v1.CI.AppendCBOR(nil), msg2...)); resp.Code != coap.Changed {
		t.Fatal(resp.Code)
	}
	w.clock.advance(maxLifetime - 1)
	if n := w.reverse.Pending(); n != 2 {
		t.Errorf("%d pending", n)
	}
	w.clock.advance(1)
	if n := w.reverse.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
	if p, l := busyIDs(w.ids); p != 0 || l != 0 {
		t.Errorf("%d pending, %d live", p, l)
	}
	w.post(nil)
	w.reverse.Close()
	if p, _ := busyIDs(w.ids); p != 0 || w.reverse.Pending() != 0 {
		t.Errorf("%d pending after Close", p)
	}
}

// A handshake that gets too old while its message is processed does not wait again.
func TestReverseTooOldMeanwhile(t *testing.T) {
	var w *reversed
	w = newReversed(t, func(r *reversed) {
		r.cfg.Message4 = true
		ids, err := idalloc.New(idalloc.Config{Now: r.clock.Now, PendingTTL: time.Hour})
		must(t, err)
		r.ids, r.cfg.IDs, r.server.ids = ids, ids, ids
		find := r.cfg.Find
		r.cfg.Find = func(ctx context.Context, id edhoc.IDCred, ead []edhoc.EADItem) ([]*edhoc.Credential, error) {
			w.clock.advance(maxLifetime)
			w.reverse.Pending()
			return find(ctx, id, ead)
		}
	})
	w.client.Message4 = true
	var refused *AnswerError
	if _, _, err := w.client.Establish(t.Context()); !errors.As(err, &refused) || refused.Code != coap.BadRequest {
		t.Errorf("got %v", err)
	}
	if p, l := busyIDs(w.ids); p != 0 || l != 0 || w.reverse.Pending() != 0 {
		t.Errorf("%d pending, %d live, %d wait", p, l, w.reverse.Pending())
	}
	if tab := w.reverse.table; len(tab.byID) != 0 || tab.order.Len() != 0 || tab.over.Len() != 0 {
		t.Errorf("%d, %d, %d entries", len(tab.byID), tab.order.Len(), tab.over.Len())
	}
}

// Caps, for all and for each address, and Echo before anything is computed.
func TestReverseLimits(t *testing.T) {
	random := new(counting)
	w := newReversed(t, func(r *reversed) {
		r.cfg.MaxPending, r.cfg.MaxPeer, r.cfg.EchoAbove = 6, 2, 4
		var err error
		r.cfg.Initiator, err = edhoc.NewInitiator(edhoc.Config{
			Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, Identities: []edhoc.Identity{r.idR},
			Ephemeral: func(c edhoc.Curve) *edhoc.EphemeralKey {
				random.keys.Add(1)
				return nil
			},
		})
		must(t, err)
	})
	ask := func(n byte, echo []byte) *coap.Response {
		return w.post(nil, func(r *coap.Request) {
			w.direct.RemoteAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 1000)
			if echo != nil {
				r.Options.Set(coap.Echo, echo)
			}
		})
	}
	for n := range byte(4) {
		if resp := ask(n/2, nil); resp.Code != coap.Changed {
			t.Fatalf("peer %d: %v", n, resp.Code)
		}
	}
	challenge := ask(3, nil)
	echo, ok := challenge.Options.Get(coap.Echo)
	if challenge.Code != coap.Unauthorized || !ok || len(challenge.Payload) != 0 || random.keys.Load() != 4 {
		t.Fatalf("under load: %v, %d keys", challenge.Code, random.keys.Load())
	}
	for _, c := range []struct {
		peer byte
		code coap.Code
	}{{4, coap.Unauthorized}, {3, coap.Changed}, {3, coap.Changed}, {3, coap.ServiceUnavailable}} {
		if resp := ask(c.peer, echo); resp.Code != c.code {
			t.Errorf("peer %d: %v, want %v", c.peer, resp.Code, c.code)
		}
	}
	fresh := w.reverse.echo.value(netip.MustParseAddrPort("192.0.2.5:1000"), w.clock.Now().Unix())
	if resp := ask(5, fresh); resp.Code != coap.ServiceUnavailable {
		t.Errorf("the seventh: %v", resp.Code)
	}
	if n := random.keys.Load(); n != 6 || w.reverse.Pending() != 6 {
		t.Errorf("%d keys, %d pending", n, w.reverse.Pending())
	}
	w.clock.advance(maxLifetime)
	if resp := ask(5, nil); resp.Code != coap.Changed {
		t.Errorf("afterwards: %v", resp.Code)
	}
}

// The places for peers that have not shown their address are few; beyond them there is
// a challenge, not a refusal.
func TestReverseUnvalidated(t *testing.T) {
	w := newReversed(t, func(r *reversed) {
		var err error
		r.ids, err = idalloc.New(idalloc.Config{Now: r.clock.Now, MaxUnvalidated: 1})
		must(t, err)
		r.cfg.IDs, r.server.ids = r.ids, r.ids
	})
	if resp := w.post(nil); resp.Code != coap.Changed {
		t.Fatal(resp.Code)
	}
	if resp := w.post(nil); resp.Code != coap.Unauthorized || !resp.Options.Has(coap.Echo) {
		t.Errorf("got %v", resp.Code)
	}
}

// What fails on the server, what the client is told, and what is left: nothing.
//
//spec:9528-A.2.3-1
//spec:9528-A.2.3-2
func TestReverseFailures(t *testing.T) {
	unspecified := edhoc.ErrorMessage(&edhoc.Error{Code: edhoc.CodeUnspecified})
	ours := errors.New("our fault")
	nobody := func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) { return nil, ours }
	withM4 := func(r *reversed) { r.cfg.Message4, r.client.Message4 = true, true }
	for _, c := range []struct {
		name   string
		change func(r *reversed)
		code   coap.Code
		msg    []byte
	}{
		{"unknown credential", func(r *reversed) { r.cfg.Find = finder() }, coap.BadRequest, []byte{0x03, 0xf5}},
		{"another credential", func(r *reversed) {
			other := identity(t, 'o')
			r.cfg.Find = func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) {
				return []*edhoc.Credential{other.Credential}, nil
			}
		}, coap.BadRequest, unspecified},
		{"Find fails", func(r *reversed) { r.cfg.Find = nobody }, coap.InternalServerError, unspecified},
		{"Propose fails", func(r *reversed) {
			r.cfg.Propose = func(context.Context, netip.AddrPort) ([]edhoc.EADItem, error) { return nil, ours }
		}, coap.InternalServerError, unspecified},
		{"EAD_1 that may not be", func(r *reversed) {
			r.cfg.Propose = func(context.Context, netip.AddrPort) ([]edhoc.EADItem, error) {
				return []edhoc.EADItem{{Label: 23}}, nil
			}
		}, coap.InternalServerError, unspecified},
		{"Accept refuses", func(r *reversed) {
			r.cfg.Accept = func(_ context.Context, m *edhoc.VerifiedMessage2, _ []edhoc.EADItem) ([]edhoc.EADItem, error) {
				return nil, m.Refuse("not you")
			}
		}, coap.BadRequest, unspecified},
		{"EAD_3 that may not be", func(r *reversed) {
			r.cfg.Accept = func(context.Context, *edhoc.VerifiedMessage2, []edhoc.EADItem) ([]edhoc.EADItem, error) {
				return []edhoc.EADItem{{Label: 23}}, nil
			}
		}, coap.InternalServerError, unspecified},
		{"Establish fails", func(r *reversed) {
			r.cfg.Establish = func(*edhoc.Session, *idalloc.Live) error { return ours }
		}, coap.InternalServerError, unspecified},
		{"Establish fails after message_4", func(r *reversed) {
			withM4(r)
			r.cfg.Establish = func(*edhoc.Session, *idalloc.Live) error { return ours }
		}, coap.InternalServerError, unspecified},
		{"EAD_4 is refused", func(r *reversed) {
			withM4(r)
			r.cfg.Accept4 = func(context.Context, []edhoc.EADItem) error { return ours }
		}, coap.InternalServerError, unspecified},
		{"no identifier is left", func(r *reversed) {
			r.ids, _ = idalloc.New(idalloc.Config{Now: r.clock.Now, Lengths: []int{1}, Reserved: []idalloc.Range{{First: "\x00", Last: "\xff"}}})
			r.cfg.IDs, r.server.ids = r.ids, r.ids
		}, coap.ServiceUnavailable, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newReversed(t, c.change)
			w.t = t
			_, _, err := w.client.Establish(t.Context())
			if err == nil {
				t.Fatal("established")
			}
			var peer *edhoc.PeerError
			var refused *AnswerError
			if c.msg != nil && !errors.As(err, &peer) || c.msg == nil && !errors.As(err, &refused) {
				t.Errorf("the client has %v", err)
			}
			all := w.direct.Requests()
			if last := all[len(all)-1]; len(last.Payload) > 0 { // the same again: the same answer, nothing else
				want(t, w.post(last.Payload), c.code, c.msg)
			}
			w.wantNothing(1)
		})
	}
}

// wantNothing checks that nothing is left of a handshake, on either side, and how many
// failures the server saw.
func (r *reversed) wantNothing(failures int) {
	r.t.Helper()
	if r.contexts.Len() != 0 || r.reverse.Pending() != 0 || len(r.failures) != failures || r.done != 0 {
		r.t.Errorf("%d contexts, %d pending, failures %v, %d completed", r.contexts.Len(), r.reverse.Pending(), r.failures, r.done)
	}
	for _, a := range []*idalloc.Allocator{r.ids, r.client.IDs} {
		if p, l := busyIDs(a); p != 0 || l != 0 {
			r.t.Errorf("identifiers: %d pending, %d live", p, l)
		}
	}
}

// A client that refuses tells the server, which ends the handshake.
func TestReverseClientTells(t *testing.T) {
	ours := errors.New("our fault")
	for name, change := range map[string]func(r *reversed){
		"unknown credential": func(r *reversed) { r.client.Find = finder() },
		"Find fails": func(r *reversed) {
			r.client.Find = func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) { return nil, ours }
		},
		"another credential": func(r *reversed) {
			r.client.Find = func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) {
				return []*edhoc.Credential{identity(t, 'o').Credential}, nil
			}
		},
		"unknown critical EAD item": func(r *reversed) {
			r.cfg.Propose = func(context.Context, netip.AddrPort) ([]edhoc.EADItem, error) {
				return []edhoc.EADItem{{Label: 9, Critical: true}}, nil
			}
		},
		"no EAD_2": func(r *reversed) {
			r.client.Propose = func(context.Context, *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) { return nil, ours }
		},
		"not wanted": func(r *reversed) {
			r.client.Accept = func(_ context.Context, m *edhoc.VerifiedMessage3, _ []edhoc.EADItem) ([]edhoc.EADItem, error) {
				return nil, m.Refuse("no")
			}
		},
		"no identifier is left": func(r *reversed) {
			r.client.IDs, _ = idalloc.New(idalloc.Config{Now: r.clock.Now, Lengths: []int{1}, Reserved: []idalloc.Range{{First: "\x00", Last: "\xff"}}})
		},
	} {
		w := newReversed(t, func(r *reversed) { r.cfg.Message4, r.client.Message4 = true, true }, change)
		_, _, err := w.client.Establish(t.Context())
		if err == nil {
			t.Errorf("%s: established", name)
		}
		var peer *edhoc.PeerError
		if len(w.failures) != 1 || !errors.As(w.failures[0], &peer) {
			t.Errorf("%s: the server has %v", name, w.failures)
		}
		all := w.direct.Requests()
		want(t, w.post(all[len(all)-1].Payload), coap.Changed, nil)
		w.wantNothing(1)
	}
}

// Without message_4 the handshake of the Initiator is complete after message_3: no error
// message ends it, which may come from anybody.
//
//spec:9528-6-1
func TestReverseErrorAfterCompletion(t *testing.T) {
	w := newReversed(t)
	s, id, err := w.client.Establish(t.Context())
	must(t, err)
	want(t, w.post(append(s.CI.AppendCBOR(nil), edhoc.ErrorMessage(errors.New("oops"))...)), coap.BadRequest, nil)
	w.wantWorks(w.oscoreClient(s, id, w.direct))
}

// A message_1 with a cipher suite that the client does not have: it says so and asks
// again, and the server begins with the other one, for as long as it may remember.
//
//spec:9528-6.3.1-1
//spec:9528-6.3.1-2
func TestReverseNegotiation(t *testing.T) {
	w := newReversed(t, func(r *reversed) {
		var err error
		r.cfg.Initiator, err = edhoc.NewInitiator(edhoc.Config{
			Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{1, 4, 0}, Identities: []edhoc.Identity{r.idR},
		})
		must(t, err)
	})
	for n, requests := range []int{4, 2, 4} { // message_1, error, message_1, message_2
		before := len(w.direct.Requests())
		s, _, err := w.client.Establish(t.Context())
		must(t, err)
		if got := len(w.direct.Requests()) - before; got != requests || s.Suite != 0 {
			t.Errorf("handshake %d: suite %v after %d requests", n, s.Suite, got)
		}
		if n == 1 {
			w.clock.advance(maxLifetime)
		}
	}
	// A server that cannot be pleased is given up.
	asked := 0
	w.client.Doer = doer(func() (*coap.Response, error) {
		asked++
		return &coap.Response{Code: coap.Changed, Payload: w.msg1(4)}, nil
	})
	var e *edhoc.Error
	if _, _, err := w.client.Establish(t.Context()); !errors.As(err, &e) || e.Code != edhoc.CodeWrongCipherSuite || asked != 2*maxTries {
		t.Errorf("in circles: %v after %d", err, asked)
	}
}

// msg1 is a message_1 that selects a cipher suite.
func (r *reversed) msg1(suite edhoc.SuiteID) []byte {
	i, err := edhoc.NewInitiator(edhoc.Config{
		Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{suite}, Identities: []edhoc.Identity{r.idR},
	})
	must(r.t, err)
	msg, _, err := i.ComposeMessage1("\x05")
	must(r.t, err)
	return msg
}

// What is remembered of peers is bounded, the oldest goes first.
func TestHintsAreBounded(t *testing.T) {
	i, _ := role(t, identity(t, 'i'))
	h, now := newHints(3, time.Minute), time.Unix(1e9, 0)
	peer := func(n uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv6Loopback(), n) }
	for n := range uint16(20) {
		h.put(peer(n), i, now)
		h.put(peer(0), i, now)
	}
	if h.order.Len() != 3 || len(h.byPeer) != 3 || h.get(peer(0), now) != i || h.get(peer(3), now) != nil || h.get(peer(19), now) != i {
		t.Errorf("%d in order, %d by peer", h.order.Len(), len(h.byPeer))
	}
	if h.get(peer(19), now.Add(time.Minute)) != nil {
		t.Error("remembered too long")
	}
}

// EAD goes both ways.
func TestReverseEAD(t *testing.T) {
	item := func(s string) []edhoc.EADItem { return []edhoc.EADItem{{Label: 1, Critical: true, Value: []byte(s)}} }
	var got []string
	see := func(items []edhoc.EADItem) {
		for _, it := range items {
			got = append(got, string(it.Value))
		}
	}
	w := newReversed(t, func(r *reversed) {
		r.cfg.Message4, r.client.Message4 = true, true
		r.cfg.Propose = func(_ context.Context, remote netip.AddrPort) ([]edhoc.EADItem, error) {
			return item("one for " + remote.Addr().String()), nil
		}
		r.client.Propose = func(_ context.Context, m *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) {
			see(m.EAD1)
			return item("two"), nil
		}
		r.cfg.Accept = func(_ context.Context, m *edhoc.VerifiedMessage2, ead2 []edhoc.EADItem) ([]edhoc.EADItem, error) {
			see(ead2)
			return item("three of " + m.Credential.Subject()), nil
		}
		r.client.Accept = func(_ context.Context, _ *edhoc.VerifiedMessage3, ead3 []edhoc.EADItem) ([]edhoc.EADItem, error) {
			see(ead3)
			return item("four"), nil
		}
		r.cfg.Accept4 = func(_ context.Context, ead4 []edhoc.EADItem) error { see(ead4); return nil }
	})
	// EAD_1 is for who has shown an address: it makes the answer long.
	if resp := w.post(nil); resp.Code != coap.Unauthorized || !resp.Options.Has(coap.Echo) || w.reverse.Pending() != 0 {
		t.Errorf("without Echo: %v, %d pending", resp.Code, w.reverse.Pending())
	}
	_, _, err := w.client.Establish(t.Context())
	must(t, err)
	if s := got; len(s) != 4 || s[0] != "one for 192.0.2.1" || s[1] != "two" || s[2] != "three of i" || s[3] != "four" {
		t.Errorf("EAD %q", s)
	}
}

// Requests that are no EDHOC messages, and what a server of one flow says to the other.
func TestReverseMalformedRequests(t *testing.T) {
	w := newReversed(t)
	want(t, w.post([]byte{0x01, 0x41, 0x02}), coap.BadRequest, nil) // C_I of nobody
	alone := &world{t: t, direct: &coaptest.Direct{Handler: w.reverse}}
	want(t, alone.post([]byte{0x41}), coap.BadRequest, nil)
	want(t, alone.post(append([]byte{newSession}, w.msg1(0)...)), coap.BadRequest, nil)
	want(t, alone.post(nil, func(r *coap.Request) { r.Code = coap.GET }), coap.MethodNotAllowed, nil)
	want(t, alone.post(nil, func(r *coap.Request) { r.Options.SetUint(coap.ContentFormat, formatEDHOC) }), coap.UnsupportedContentFormat, nil)
	alone.direct.Handler = w.server
	want(t, alone.post(nil), coap.BadRequest, nil)
	if _, err := NewReverseServer(ReverseConfig{}); !errors.Is(err, ErrConfig) {
		t.Errorf("NewReverseServer: %v", err)
	}
	other := newWorld(t)
	for _, forward := range []*Server{nil, other.server} {
		if _, err := Both(forward, w.reverse); !errors.Is(err, ErrConfig) {
			t.Errorf("Both: %v", err)
		}
	}
	if _, err := Both(other.server, nil); !errors.Is(err, ErrConfig) {
		t.Errorf("Both: %v", err)
	}
}

// A combined request is of the forward message flow. One that names a handshake of the
// reverse one is refused and does not touch it.
func TestNoCombinedRequestInReverse(t *testing.T) {
	w := newReversed(t, func(r *reversed) { r.cfg.Message4 = true })
	v1, err := w.client.Responder.ProcessMessage1(w.post(nil).Payload)
	must(t, err)
	msg2, st, err := v1.ComposeMessage2("**")
	must(t, err)
	combined := func(msg []byte) {
		t.Helper()
		r := coap.NewRequest(coap.POST, Path)
		r.Options.Set(coap.OSCORE, append([]byte{0x09, 0x00}, v1.CI...))
		r.Options.Set(coap.EDHOC, nil)
		r.Payload = append(bytes.Clone(msg), 1, 2, 3, 4, 5, 6, 7, 8, 9)
		resp, err := w.direct.Do(t.Context(), r)
		must(t, err)
		want(t, resp, coap.BadRequest, edhoc.ErrorMessage(&edhoc.Error{Code: edhoc.CodeUnspecified}))
	}
	combined(msg2)
	msg3 := w.post(append(v1.CI.AppendCBOR(nil), msg2...))
	r3, err := st.ProcessMessage3(msg3.Payload)
	must(t, err)
	v3, err := r3.Verify(w.idR.Credential)
	must(t, err)
	msg4, _, err := v3.ComposeMessage4()
	must(t, err)
	combined(msg4)
	if w.reverse.Pending() != 1 || w.contexts.Len() != 0 || w.done != 0 {
		t.Errorf("%d pending, %d contexts, %d completed", w.reverse.Pending(), w.contexts.Len(), w.done)
	}
	want(t, w.post(append(v1.CI.AppendCBOR(nil), msg4...)), coap.Changed, nil)
	if w.contexts.Len() != 1 {
		t.Errorf("%d contexts", w.contexts.Len())
	}
}

// A resource with both flows, whose own messages come back from a mirror: it does not
// talk to itself, though it trusts everybody it knows.
//
//spec:9528-3.5.3-1
func TestReverseReflection(t *testing.T) {
	w := newReversed(t, func(r *reversed) {
		r.cfg.Find = finder(r.idR.Credential, r.idI.Credential)
		r.server.cfg.Find = r.cfg.Find
	})
	msg1 := w.post(nil).Payload
	msg2 := w.post(append([]byte{newSession}, msg1...)).Payload
	v1, err := w.client.Responder.ProcessMessage1(msg1)
	must(t, err)
	resp := w.post(append(v1.CI.AppendCBOR(nil), msg2...))
	want(t, resp, coap.BadRequest, edhoc.ErrorMessage(&edhoc.Error{Code: edhoc.CodeUnspecified}))
	if w.contexts.Len() != 0 || len(w.failures) != 1 {
		t.Errorf("%d contexts, failures %v", w.contexts.Len(), w.failures)
	}
}
