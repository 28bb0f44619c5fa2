package edhoccoap

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// TestEphemeralKeysAreFresh is ED-1: no two messages of a server or of a client have the
// same ephemeral key, in either flow, with a stock of keys and without.
//
//spec:9528-9.2-2
//spec:9528-9.2-3
func TestEphemeralKeysAreFresh(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	seen := map[string]bool{}
	fresh := func(role string, key []byte) {
		if len(key) != 32 || seen[string(key)] {
			t.Fatalf("%s: key %x again", role, key)
		}
		seen[string(key)] = true
	}
	for _, stock := range []bool{false, true} {
		cfg := edhoc.Config{Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, Identities: []edhoc.Identity{identity(t, 'r')}}
		if stock {
			pool, err := edhoc.NewEphemeralPool(cfg, 7)
			must(t, err)
			_, err = pool.Fill(7)
			must(t, err)
			cfg.Ephemeral = pool.Take // which is empty soon
		}
		responder, err := edhoc.NewResponder(cfg)
		must(t, err)
		initiator, err := edhoc.NewInitiator(cfg)
		must(t, err)
		w := newReversed(t, func(r *reversed) {
			r.anyIDs()
			r.server.cfg.Responder, r.cfg.Initiator = responder, initiator
			r.cfg.IDs, r.server.ids = r.ids, r.ids
		})
		for range rounds {
			s, id, err := w.world.client.Establish(t.Context())
			must(t, err)
			fresh("Initiator, client", s.GX)
			fresh("Responder, server", s.GY)
			must(t, id.Release())
			s, id, err = w.client.Establish(t.Context())
			must(t, err)
			fresh("Initiator, server", s.GX)
			fresh("Responder, client", s.GY)
			must(t, id.Release())
		}
	}
}

// TestCrashAfterMessage3 is ED-13: one side forgets everything between message_3 and the
// first protected response. The other has at most a context that nobody uses, and the
// next handshake works.
func TestCrashAfterMessage3(t *testing.T) {
	made := map[edhoc.ConnID]*oscore.Association{}
	w := newWorld(t, func(w *world) {
		w.cfg.Establish = func(s *edhoc.Session, id *idalloc.Live) error {
			sec, err := associate(s, id, oscorekeys.Lengths{}, nil)
			if err != nil {
				return err
			}
			made[s.CR] = sec
			return w.contexts.Add(sec)
		}
	})
	h, err := w.client.Begin(t.Context())
	must(t, err)
	s, id, err := h.Finish(t.Context())
	must(t, err)
	if s.Confirmed() {
		t.Error("a Session to be stored, before message_4 or a response")
	}
	orphan := s.CR
	s.Erase() // the client has crashed: nothing of it is left
	must(t, id.Release())
	s, id, err = w.client.Establish(t.Context())
	must(t, err)
	w.wantWorks(w.oscoreClient(s, id, w.direct))
	if w.contexts.Len() != 2 {
		t.Errorf("%d contexts", w.contexts.Len())
	}
	w.contexts.Remove(made[orphan]) // the application clears up
	made[orphan].Discard()
	if state, _ := w.ids.Lookup(idalloc.ID(orphan)); state != idalloc.StateQuarantined || w.contexts.Len() != 1 {
		t.Errorf("C_R is %v, %d contexts", state, w.contexts.Len())
	}

	_, c, _ := w.combine() // the server crashes before it gets message_3
	again := newWorld(t)
	w.direct.Handler = again.handler
	_, err = c.Do(t.Context(), coap.NewRequest(coap.GET, "/temp"))
	var u *oscorecoap.UnprotectedError
	if !errors.As(err, &u) || Refused(u.Response) == nil || again.contexts.Len() != 0 {
		t.Errorf("combined request to a server that knows nothing: %v, %d contexts", err, again.contexts.Len())
	}
	s, id, err = w.client.Establish(t.Context())
	must(t, err)
	o := w.oscoreClient(s, id, w.direct)
	third := newWorld(t) // and after it has answered message_3
	w.direct.Handler = third.handler
	if _, err = o.Do(t.Context(), coap.NewRequest(coap.GET, "/temp")); !errors.As(err, &u) || u.Response.Code != coap.Unauthorized {
		t.Errorf("request to a server that knows nothing: %v", err)
	}
	s, id, err = w.client.Establish(t.Context())
	must(t, err)
	w.wantWorks(w.oscoreClient(s, id, w.direct))
}

// TestAdversarialIdentifier is behaviour 41 and ED-19: whatever C_I a peer chooses, C_R
// is another, and not one that a handshake, a context or an installer has.
//
//spec:9668-4.1.2-1
//spec:9528-3.3.3-1
func TestAdversarialIdentifier(t *testing.T) {
	w := newWorld(t, func(w *world) {
		var err error
		w.ids, err = idalloc.New(idalloc.Config{Now: w.clock.Now, Lengths: []int{1}, MaxUnvalidated: 1 << 8})
		must(t, err)
		w.cfg.IDs, w.cfg.EchoAbove, w.cfg.MaxPeer = w.ids, -1, 1<<10
	})
	_, err := w.ids.Claim("\x07", idalloc.Holder{Source: idalloc.SourceProvisioned, Ref: "an installer"})
	must(t, err)
	taken := map[edhoc.ConnID]bool{"\x07": true}
	for n := range 256 {
		cI := edhoc.ConnID([]byte{byte(n)})
		msg1, st, err := w.client.Initiator.ComposeMessage1(cI)
		must(t, err)
		resp := w.post(append([]byte{newSession}, msg1...))
		if resp.Code == coap.ServiceUnavailable && len(taken) >= 255 {
			continue // only C_I itself is left, or nothing
		}
		r2, err := st.ProcessMessage2(resp.Payload)
		if err != nil {
			t.Fatalf("C_I %v: %v", cI, err)
		}
		if r2.CR == cI || taken[r2.CR] {
			t.Fatalf("C_I %v: C_R %v", cI, r2.CR)
		}
		taken[r2.CR] = true
	}
	if len(taken) < 255 {
		t.Errorf("%d identifiers", len(taken))
	}
}

// An identifier that is too long for OSCORE ends the handshake in every role, before
// anything is computed for it, unless the Session is for something else. With the nonces
// of ChaCha20/Poly1305 the allocator's longest are too long.
//
//spec:9528-3.3.1-1
func TestIdentifierTooLong(t *testing.T) {
	config := func(id edhoc.Identity) edhoc.Config {
		return edhoc.Config{Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{4}, Identities: []edhoc.Identity{id}}
	}
	roles := func(id edhoc.Identity) (*edhoc.Initiator, *edhoc.Responder) {
		i, err := edhoc.NewInitiator(config(id))
		must(t, err)
		r, err := edhoc.NewResponder(config(id))
		must(t, err)
		return i, r
	}
	ids := func(length int) *idalloc.Allocator {
		a, err := idalloc.New(idalloc.Config{Now: time.Now, Lengths: []int{length}})
		must(t, err)
		return a
	}
	take := func(*edhoc.Session, *idalloc.Live) error { return nil }
	for _, c := range []struct {
		client, server       int  // lengths
		anyClient, anyServer bool // AnyID
		fails                string
	}{
		{client: 6, server: 6},
		{client: 7, server: 7, anyClient: true, anyServer: true},
		{client: 7, server: 6, anyClient: true, fails: "server"},
		{client: 6, server: 7, anyServer: true, fails: "client"},
		{client: 7, server: 6, anyServer: true, fails: "itself"},
		{client: 6, server: 7, anyClient: true, fails: "itself"},
	} {
		w := newReversed(t, func(r *reversed) {
			r.ids, r.world.client.IDs = ids(c.server), ids(c.client)
			r.client.IDs = r.world.client.IDs
			r.world.client.Initiator, r.client.Responder = roles(r.idI)
			r.world.client.AnyID, r.client.AnyID = c.anyClient, c.anyClient
			r.cfg.Initiator, r.world.cfg.Responder = roles(r.idR)
			r.world.cfg.AnyID, r.cfg.AnyID = c.anyServer, c.anyServer
			r.world.cfg.IDs, r.cfg.IDs = r.ids, r.ids
			r.world.cfg.Establish, r.cfg.Establish = take, take
			var err error
			r.server, err = NewServer(r.world.cfg)
			must(t, err)
		})
		for flow, run := range map[string]func() error{
			"forward": func() error { _, _, err := w.world.client.Establish(t.Context()); return err },
			"reverse": func() error { _, _, err := w.client.Establish(t.Context()); return err },
		} {
			w.failures = nil
			err := run()
			var mine *edhoc.Error
			var told *edhoc.PeerError
			var ok bool
			switch c.fails {
			case "":
				ok = err == nil && len(w.failures) == 0
			case "server":
				ok = errors.As(err, &told) && told.Code == edhoc.CodeUnspecified && len(w.failures) == 1 && errors.As(w.failures[0], &mine)
			case "client":
				ok = errors.As(err, &mine) && len(w.failures) == 1 && errors.As(w.failures[0], &told)
			case "itself":
				ok = err != nil
			}
			if !ok || mine != nil && (mine.Section != "3.3.1" || mine.Code != edhoc.CodeUnspecified) {
				t.Errorf("%+v, %s: %v, the server has %v", c, flow, err, w.failures)
			}
			if pending, _ := busyIDs(w.ids); pending != 0 || w.server.Pending() != 0 || w.reverse.Pending() != 0 {
				t.Errorf("%+v, %s: %d pending", c, flow, pending)
			}
			if pending, _ := busyIDs(w.client.IDs); pending != 0 {
				t.Errorf("%+v, %s: %d pending at the client", c, flow, pending)
			}
		}
	}
	// A message_1 costs the server nothing then: no identifier, no question, no point.
	w := newWorld(t, func(w *world) {
		w.cfg.Propose = func(context.Context, *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) {
			t.Error("Propose is asked")
			return nil, nil
		}
	})
	msg1 := append([]byte{newSession, 0x03, 0x00, 0x41, 9, 0x48}, "12345678"...) // G_X is not looked at
	want(t, w.post(msg1), coap.BadRequest, append([]byte{0x01, 0x77}, "C_I too long for OSCORE"...))
	if n := len(w.ids.Holdings()); n != 0 || w.server.Pending() != 0 {
		t.Errorf("%d identifiers", n)
	}
}

// TestUnknownEAD is behaviour 42: padding and items that nobody knows are ignored, unless
// they are critical, in every message.
func TestUnknownEAD(t *testing.T) {
	items := func(critical bool) []edhoc.EADItem {
		return []edhoc.EADItem{{Value: make([]byte, 9)}, {Label: 160, Value: []byte("grease")}, {Label: 41120, Critical: critical}}
	}
	for n, name := range []string{"none", "message_1", "message_2", "message_3", "message_4"} {
		w := newWorld(t, func(w *world) {
			w.cfg.Message4, w.client.Message4 = true, true
			w.client.EAD1 = items(n == 1)
			w.cfg.Propose = func(context.Context, *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) { return items(n == 2), nil }
			w.client.Accept = func(context.Context, *edhoc.VerifiedMessage2, []edhoc.EADItem) ([]edhoc.EADItem, error) {
				return items(n == 3), nil
			}
			w.cfg.Accept = func(context.Context, *edhoc.VerifiedMessage3, []edhoc.EADItem) ([]edhoc.EADItem, error) {
				return items(n == 4), nil
			}
		})
		if _, _, err := w.client.Establish(t.Context()); (err == nil) != (n == 0) {
			t.Errorf("critical in %s: %v", name, err)
		}
		if _, live := busyIDs(w.client.IDs); n > 0 && live != 0 || w.server.Pending() != 0 {
			t.Errorf("critical in %s: %d live, %d pending", name, live, w.server.Pending())
		}
	}
}

// certified is an identity with an X.509 certificate for static Diffie-Hellman.
func certified(t *testing.T, name string) (id edhoc.Identity, der []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageKeyAgreement,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err = x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	cred, err := edhoc.ParseX509(der)
	must(t, err)
	raw, err := private.Bytes()
	must(t, err)
	key, err := edhoc.NewStaticDHKey(edhoc.P256, raw)
	must(t, err)
	return edhoc.Identity{Credential: cred, Key: key}, der
}

// TestCredentialForms is behaviour 43: by kid, by hash and by value; several under one
// kid are all tried; what comes along in a message is not trusted for that.
func TestCredentialForms(t *testing.T) {
	kccs := identity(t, 'i')
	kccs.ID = kccs.Credential.ByValue()
	x5t, der := certified(t, "x5t")
	x5t.ID = edhoc.X5T(der)
	x5chain, chain := certified(t, "x5chain")
	x5chain.ID = edhoc.X5Chain(chain)
	twin := identity(t, 'o')
	cred, err := edhoc.NewCCS(twin.Key.Public(), "twin", []byte("i"))
	must(t, err)

	for name, c := range map[string]struct {
		id    edhoc.Identity
		suite edhoc.SuiteID
	}{
		"kid": {identity(t, 'i'), 0}, "kccs": {kccs, 0}, "x5t": {x5t, 2}, "x5chain": {x5chain, 2},
	} {
		setup := func(known ...*edhoc.Credential) *world {
			return newWorld(t, func(w *world) {
				config := func(id edhoc.Identity) edhoc.Config {
					return edhoc.Config{Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{c.suite}, Identities: []edhoc.Identity{id}}
				}
				if c.suite == 2 {
					server, _ := certified(t, "r")
					server.ID = server.Credential.ByValue()
					w.idR = server
				}
				var err error
				w.client.Initiator, err = edhoc.NewInitiator(config(c.id))
				must(t, err)
				w.cfg.Responder, err = edhoc.NewResponder(config(w.idR))
				must(t, err)
				w.cfg.Find, w.client.Find = finder(known...), finder(w.idR.Credential)
			})
		}
		w := setup(cred, c.id.Credential) // the first has the same kid
		s, _, err := w.client.Establish(t.Context())
		if err != nil || s.Own != c.id.Credential {
			t.Errorf("%s: %v", name, err)
		}
		w = setup(cred)
		for range 2 {
			if _, _, err := w.client.Establish(t.Context()); err == nil || w.contexts.Len() != 0 {
				t.Errorf("%s, not trusted: %v, %d contexts", name, err, w.contexts.Len())
			}
		}
	}
}

// TestBadPoints is behaviour 47: ephemeral keys of the wrong length, not on the curve, or
// of low order end the handshake, and nothing is left of it.
//
//spec:9528-9.8-6
//spec:9528-9.8-7
func TestBadPoints(t *testing.T) {
	off, err := hex.DecodeString("ffffffff00000001000000000000000000000000fffffffffffffffffffffffe") // p - 1
	must(t, err)
	for name, c := range map[string]struct {
		suite byte
		x     []byte
	}{
		"X25519, all zero":     {0, make([]byte, 32)},
		"X25519, low order":    {0, append([]byte{1}, make([]byte, 31)...)},
		"X25519, 31 bytes":     {0, bytes.Repeat([]byte{9}, 31)},
		"X25519, 33 bytes":     {0, bytes.Repeat([]byte{9}, 33)},
		"P-256, off the curve": {2, off},
		"P-256, too large":     {2, bytes.Repeat([]byte{0xff}, 32)},
		"P-256, 31 bytes":      {2, bytes.Repeat([]byte{9}, 31)},
	} {
		server, _ := certified(t, "r")
		server.ID = server.Credential.ByValue()
		w := newWorld(t, func(w *world) {
			var err error
			w.cfg.Responder, err = edhoc.NewResponder(edhoc.Config{
				Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0, 2}, Identities: []edhoc.Identity{w.idR, server},
			})
			must(t, err)
		})
		msg1 := append([]byte{newSession, 0x03, c.suite, 0x58, byte(len(c.x))}, c.x...)
		resp := w.post(append(msg1, 0x01))
		var peer *edhoc.PeerError
		if _, err := messageIn(resp); resp.Code != coap.BadRequest || !errors.As(err, &peer) || peer.Code != edhoc.CodeUnspecified {
			t.Errorf("%s, message_1: %v %v", name, resp.Code, err)
		}
		var why *edhoc.Error
		if len(w.failures) != 1 || !errors.As(w.failures[0], &why) || why.Reason != "invalid ephemeral public key" && why.Reason != "ECDH with the ephemeral key" {
			t.Errorf("%s: %v", name, w.failures)
		}
		if pending, _ := busyIDs(w.ids); pending != 0 || w.server.Pending() != 0 {
			t.Errorf("%s: %d identifiers, %d handshakes", name, pending, w.server.Pending())
		}
		if c.suite != 0 {
			continue
		}
		// The same in message_2.
		w.client.Doer = doer(func() (*coap.Response, error) {
			msg2 := append([]byte{0x58, byte(len(c.x) + 11)}, c.x...)
			return &coap.Response{Code: coap.Changed, Payload: append(msg2, make([]byte, 11)...)}, nil
		})
		if _, _, err := w.client.Establish(t.Context()); err == nil {
			t.Errorf("%s, message_2", name)
		}
		if pending, live := busyIDs(w.client.IDs); pending != 0 || live != 0 {
			t.Errorf("%s, message_2: identifiers %d pending, %d live", name, pending, live)
		}
	}
}

// TestReflection is behaviour 47: our own credential comes back, to the client from a
// mirror, and to a server with two of them as the client's.
func TestReflection(t *testing.T) {
	other := identity(t, 'o')
	both := func(w *world) {
		_, responder := role(t, w.idR, other)
		w.cfg.Responder, w.cfg.Find = responder, finder(w.idI.Credential, w.idR.Credential, other.Credential)
	}
	for own, change := range map[string]func(w *world){
		"client": func(w *world) { w.client.Initiator, _ = role(t, w.idR) },
		"server": func(w *world) { w.client.Initiator, _ = role(t, other) },
	} {
		w := newWorld(t, both, change)
		_, _, err := w.client.Establish(t.Context())
		var peer *edhoc.PeerError
		if told := errors.As(err, &peer); err == nil || told != (own == "server") {
			t.Errorf("own credential to the %s: %v", own, err)
		}
		var mine *edhoc.Error
		if own == "server" {
			err = w.failures[0]
		}
		if !errors.As(err, &mine) || mine.Section != "9.2" || w.contexts.Len() != 0 || len(w.failures) != 1 {
			t.Errorf("own credential to the %s: %v, %d contexts", own, err, w.contexts.Len())
		}
	}
}

// TestForgedMessages is behaviour 45 and ED-6: somebody at another address who tries all
// short identifiers ends no handshake that waits, in either flow, with whatever he sends.
// The peer may have another port meanwhile.
func TestForgedMessages(t *testing.T) {
	w := newReversed(t, func(r *reversed) { r.cfg.Message4, r.client.Message4 = true, true })
	at := func(address string) { w.direct.RemoteAddr = netip.MustParseAddrPort(address) }
	forge := func() {
		t.Helper()
		at("198.51.100.9:1000")
		for id := range 256 {
			cX := edhoc.ConnID([]byte{byte(id)})
			for _, msg := range [][]byte{{0x01, 0x60}, {0x03, 0xf5}, {0x48, 1, 2, 3, 4, 5, 6, 7, 8}, bytes.Repeat([]byte{0xff}, 9)} {
				want(t, w.post(append(cX.AppendCBOR(nil), msg...)), coap.BadRequest, nil)
			}
			r := coap.NewRequest(coap.POST, "/")
			r.Options.Set(coap.OSCORE, []byte{0x09, 0x00, byte(id)})
			r.Options.Set(coap.EDHOC, nil)
			r.Payload = bytes.Repeat([]byte{0x48}, 32)
			if resp, err := w.direct.Do(t.Context(), r); err != nil || resp.Code != coap.BadRequest {
				t.Errorf("combined request: %v, %v", resp, err)
			}
		}
		at("192.0.2.1:60000")
	}
	h, err := w.world.client.Begin(t.Context())
	must(t, err)
	forge()
	s, id, err := h.Finish(t.Context())
	must(t, err)
	forge()
	w.wantWorks(w.oscoreClient(s, id, w.direct))

	between := w.client.Doer
	w.client.Doer = doerFunc(func(ctx context.Context, r *coap.Request) (*coap.Response, error) {
		forge()
		return between.Do(ctx, r)
	})
	s, id, err = w.client.Establish(t.Context())
	must(t, err)
	w.wantWorks(w.oscoreClient(s, id, w.direct))
	if len(w.failures) != 0 || w.contexts.Len() != 2 {
		t.Errorf("failures %v, %d contexts", w.failures, w.contexts.Len())
	}
	// The answer to what was processed goes to whoever has the message.
	at("198.51.100.9:1000")
	for _, r := range w.direct.Requests() {
		if r.RemoteAddr.Addr() == netip.MustParseAddr("192.0.2.1") && len(r.Payload) > 40 && r.Payload[0] != newSession && !r.Options.Has(coap.OSCORE) {
			if resp := w.post(r.Payload); resp.Code != coap.Changed {
				t.Errorf("again from elsewhere: %v", resp.Code)
			}
		}
	}
}

type doerFunc func(context.Context, *coap.Request) (*coap.Response, error)

func (f doerFunc) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) { return f(ctx, r) }
