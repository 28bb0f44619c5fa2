package main

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// edhocWorld is an authority with a clock of its own for sessions, and clients
// that reach it without a network.
type edhocWorld struct {
	t    *testing.T
	a    *authority
	keys []serverKey
	own  *credentials.EDHOC // the first of keys
	now  time.Time
}

func newEDHOCWorld(t *testing.T, change func(*config)) *edhocWorld {
	t.Helper()
	return newEDHOCWorldIn(t, func(c *config, _ string) {
		if change != nil {
			change(c)
		}
	})
}

// newEDHOCWorldIn is newEDHOCWorld for a change that knows the folder.
func newEDHOCWorldIn(t *testing.T, change func(c *config, dir string)) *edhocWorld {
	t.Helper()
	path, err := initialize(t.Context(), filepath.Join(t.TempDir(), "as"), "coap://as.example", "127.0.0.1:0", "coap://192.0.2.2/token")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := (&configFlag{Config: path}).load()
	if err != nil {
		t.Fatal(err)
	}
	change(&cfg, filepath.Dir(path))
	w := &edhocWorld{t: t, now: time.Now()}
	if w.keys, err = readEDHOCKeys(path, cfg); err != nil {
		t.Fatal(err)
	}
	w.own = w.keys[0].EDHOC
	if w.a, err = newAuthority(t.Context(), path, cfg, slog.New(slog.DiscardHandler), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.a.close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *edhocWorld) register(name string) *credentials.Client {
	w.t.Helper()
	c, err := addEDHOCClient(w.t.Context(), w.a.store, w.a.cfg, w.keys, newClient{name: name}, newKey{fresh: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *edhocWorld) remove(name string) {
	w.t.Helper()
	if err := w.a.store.Admin("test").RemoveClient(w.t.Context(), name); err != nil {
		w.t.Fatal(err)
	}
}

func (w *edhocWorld) newIDs() *idalloc.Allocator {
	w.t.Helper()
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// handshake gives the protected channel of a handshake, combined or not.
func (w *edhocWorld) handshake(c *credentials.Client, combined bool) (coap.Doer, error) {
	w.t.Helper()
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	network := coap.Doer(&coaptest.Direct{Handler: w.a.handler})
	initiator, err := newInitiator(w.t.Context(), c.EDHOC, c.AS, network, ids)
	if err != nil {
		w.t.Fatal(err)
	}
	h, err := initiator.Begin(w.t.Context())
	if err != nil {
		return nil, err
	}
	var session *edhoc.Session
	if combined {
		session, _, network, err = combine(h, network)
	} else {
		session, _, err = h.Finish(w.t.Context())
	}
	if err != nil {
		return nil, err
	}
	association, err := associationOf(session)
	if err != nil {
		w.t.Fatal(err)
	}
	return oscorecoap.NewClient(network, association, oscorecoap.ClientConfig{}), nil
}

// alive asks for the token endpoint inside OSCORE.
func (w *edhocWorld) alive(d coap.Doer) bool {
	w.t.Helper()
	resp, err := d.Do(w.t.Context(), coap.NewRequest(coap.GET, "/token"))
	var clear *oscorecoap.UnprotectedError
	if err != nil && !errors.As(err, &clear) {
		w.t.Fatal(err)
	}
	return err == nil && resp.Code == coap.MethodNotAllowed
}

func (w *edhocWorld) sync() {
	w.t.Helper()
	if err := w.a.sync(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestEDHOCHandshake(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	alice := w.register("alice")
	for _, combined := range []bool{false, true} {
		d, err := w.handshake(alice, combined)
		if err != nil {
			t.Fatal(err)
		}
		if !w.alive(d) {
			t.Errorf("combined %v: the context is not in use", combined)
		}
	}
	stats := w.a.ids.Stats()
	if stats.Confirmed != 2 || w.a.contexts.Len() != 2 {
		t.Errorf("got %d identifiers and %d contexts, want 2 and 2", stats.Confirmed, w.a.contexts.Len())
	}
}

// TestEDHOCMessage4: a client that wants message_4 has it in answer to message_3 alone.
func TestEDHOCMessage4(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	alice := w.register("alice")
	c, err := newInitiator(t.Context(), alice.EDHOC, alice.AS, &coaptest.Direct{Handler: w.a.handler}, ids)
	if err != nil {
		t.Fatal(err)
	}
	c.Message4Optional = true
	session, _, err := c.Establish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !session.Confirmed() {
		t.Error("the client has a session without message_4")
	}
}

// TestEDHOCRefusals: a handshake that fails leaves no context, no identifier and no
// later handshake worse.
func TestEDHOCRefusals(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	alice, removed := w.register("alice"), w.register("bob")
	w.remove("bob")
	wrong := func(name string, kid []byte) *credentials.Client {
		key, err := credentials.NewEDHOC(name, kid)
		if err != nil {
			t.Fatal(err)
		}
		key.Peer = w.own.Credential
		return &credentials.Client{Name: name, AS: alice.AS, EDHOC: key}
	}
	reflected := *w.own
	reflected.Peer = w.own.Credential
	for _, c := range []struct {
		name   string
		client *credentials.Client
		code   edhoc.ErrCode
	}{
		{"removed", removed, edhoc.CodeUnknownCredential},
		{"never registered", wrong("carol", []byte{0x37}), edhoc.CodeUnknownCredential},
		{"wrong key of a registered client", wrong("alice", []byte{0}), edhoc.CodeUnspecified},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.handshake(c.client, false)
			var told *edhoc.PeerError
			if !errors.As(err, &told) || told.Code != c.code {
				t.Errorf("got %v, want error code %d", err, c.code)
			}
			d, err := w.handshake(c.client, true)
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.Do(t.Context(), coap.NewRequest(coap.GET, "/token"))
			if !errors.As(err, &told) || told.Code != edhoc.CodeUnspecified {
				t.Errorf("combined: got %v, want error code 1", err)
			}
		})
	}
	if _, err := w.handshake(&credentials.Client{Name: "as", AS: alice.AS, EDHOC: &reflected}, false); err == nil {
		t.Error("the server accepts its own credential from a client")
	}
	if n := w.a.contexts.Len(); n != 0 {
		t.Errorf("got %d contexts, want none", n)
	}
	if n := w.a.ids.Stats().Confirmed; n != 0 {
		t.Errorf("got %d identifiers in use, want none", n)
	}
	if _, err := w.handshake(alice, false); err != nil {
		t.Errorf("handshake after the others: %v", err)
	}
}

// TestEDHOCSessionsEnd: with the registration, with a new key, with age, and when
// there are too many; and their identifiers rest.
func TestEDHOCSessionsEnd(t *testing.T) {
	w := newEDHOCWorld(t, func(c *config) {
		c.Limits.EDHOCSessions, c.Limits.EDHOCSessionsPerClient = 3, 2
	})
	w.a.now = func() time.Time { return w.now }
	open := func(c *credentials.Client) coap.Doer {
		t.Helper()
		d, err := w.handshake(c, true)
		if err != nil {
			t.Fatal(err)
		}
		if !w.alive(d) {
			t.Fatal("new context is not in use")
		}
		return d
	}
	want := func(when string, alive []bool, all ...coap.Doer) {
		t.Helper()
		got, n := []bool{}, 0
		for i, d := range all {
			got = append(got, w.alive(d))
			if alive[i] {
				n++
			}
		}
		if !slices.Equal(got, alive) {
			t.Errorf("%s: got contexts %v, want %v", when, got, alive)
		}
		s := w.a.ids.Stats()
		if live := int(s.Confirmed - s.Released); live != n || w.a.contexts.Len() != n {
			t.Errorf("%s: got %d identifiers and %d contexts, want %d", when, live, w.a.contexts.Len(), n)
		}
	}
	alice, bob, carol := w.register("alice"), w.register("bob"), w.register("carol")
	a1, a2, a3 := open(alice), open(alice), open(alice)
	want("3 of alice", []bool{false, true, true}, a1, a2, a3)
	b1 := open(bob)
	want("and 1 of bob", []bool{true, true, true}, a2, a3, b1)
	c1 := open(carol)
	want("and 1 of carol", []bool{false, true, true, true}, a2, a3, b1, c1)

	w.remove("alice")
	w.sync()
	want("alice removed", []bool{false, true, true}, a3, b1, c1)
	w.remove("bob")
	w.register("bob")
	w.sync()
	want("bob has a new key", []bool{false, true}, b1, c1)

	w.now = w.now.Add(time.Duration(w.a.cfg.Limits.EDHOCLifetime) - time.Minute)
	w.sync()
	want("before the end of the lifetime", []bool{true}, c1)
	w.now = w.now.Add(2 * time.Minute)
	w.sync()
	want("after it", []bool{false}, c1)
}

func TestEDHOCDiscovery(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	network := &coaptest.Direct{Handler: w.a.handler}
	resp, err := network.Do(t.Context(), coap.NewRequest(coap.GET, "/.well-known/core"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `</.well-known/edhoc>;rt="core.edhoc";ed-r;ed-method=1;ed-method=3;ed-csuite=2;ed-csuite=3;ed-csuite=5;ed-cred-t=1;ed-cred-t=2;ed-idcred-t=4;ed-idcred-t=14;ed-idcred-t=33;ed-idcred-t=34;ed-comb-req`
	if got := string(resp.Payload); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, path := range []string{"/token", "/", "/.well-known/other"} {
		resp, err := network.Do(t.Context(), coap.NewRequest(coap.GET, path))
		if err != nil || resp.Code != coap.Unauthorized {
			t.Errorf("%s in clear: got %v, %v, want 4.01", path, resp.Code, err)
		}
	}
}

// TestCredentialOf: a registered key gives the very credential of the client's file,
// and a key of another kind is refused.
func TestCredentialOf(t *testing.T) {
	pair, err := credentials.NewEDHOC("alice", []byte("kid"))
	if err != nil {
		t.Fatal(err)
	}
	identity, err := pair.Identity()
	if err != nil {
		t.Fatal(err)
	}
	key, err := keyOf(identity.Credential)
	if err != nil {
		t.Fatal(err)
	}
	if key.IsSecret() {
		t.Error("the registered key holds the private one")
	}
	c, err := credentialOf("alice", key)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hexText(c.CRED()), hexText(pair.Credential); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	nameless, err := ace.NewPublicKey(public, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := ace.NewSymmetricKey(random(16), []byte("kid"))
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*ace.Key{"without kid": nameless, "symmetric": secret} {
		if _, err := credentialOf("alice", k); err == nil {
			t.Errorf("key %s: no error", name)
		}
	}
}

// oneByteKIDs is how many key identifiers a message carries in one byte (RFC 9528,
// Section 3.5.3.2).
const oneByteKIDs = 48

// TestFreeKID: the one-byte ones first, then others; none twice.
func TestFreeKID(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	taken := map[string]bool{}
	for i := range oneByteKIDs + 2 {
		kid, err := freeKID(t.Context(), w.a.store)
		if err != nil {
			t.Fatal(err)
		}
		if taken[string(kid)] {
			t.Fatalf("kid %x was given twice", kid)
		}
		if want := 1; i < oneByteKIDs && len(kid) != want {
			t.Errorf("kid %d: got %d bytes, want %d", i, len(kid), want)
		}
		taken[string(kid)] = true
		pair, err := credentials.NewEDHOC("x", kid)
		if err != nil {
			t.Fatal(err)
		}
		identity, err := pair.Identity()
		if err != nil {
			t.Fatal(err)
		}
		key, err := keyOf(identity.Credential)
		if err != nil {
			t.Fatal(err)
		}
		name := "client " + hexText(kid)
		if err := w.a.store.Admin("test").AddClient(t.Context(), as.Client{Name: name, Keys: []*ace.Key{key}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestIdentifiersNeverMeet: what the registry draws for provisioned contexts, the
// server never draws for EDHOC, though they are two processes.
func TestIdentifiersNeverMeet(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	for range 300 {
		p, err := w.a.ids.Allocate(idalloc.Holder{Source: idalloc.SourceEDHOC})
		if err != nil {
			t.Fatal(err)
		}
		if inRanges(p.ID(), provisionedIDs) || !inRanges(p.ID(), sessionIDs) {
			t.Fatalf("the server draws %v", p.ID())
		}
	}
	id, err := freeRecipientID(t.Context(), w.a.store)
	if err != nil {
		t.Fatal(err)
	}
	if !inRanges(idalloc.ID(id), provisionedIDs) || inRanges(idalloc.ID(id), sessionIDs) {
		t.Errorf("the registry draws %x", id)
	}
	if c, err := addClient(t.Context(), w.a.store, w.a.cfg, newClient{name: "dave", renewal: "b2"}); err != nil || c.EDHOC != nil {
		t.Fatalf("got %v, %v", c, err)
	}
	w.sync()
	if len(w.a.provisioned) != 1 {
		t.Error("the provisioned context is not in use")
	}
}

func inRanges(id idalloc.ID, ranges []idalloc.Range) bool {
	return slices.ContainsFunc(ranges, func(r idalloc.Range) bool {
		return len(id) == len(r.First) && id >= r.First && id <= r.Last
	})
}

// TestNoSecretOfEDHOCIsShown: printing what holds a private key does not show it.
func TestNoSecretOfEDHOCIsShown(t *testing.T) {
	pair, err := credentials.NewEDHOC("alice", []byte{1})
	if err != nil {
		t.Fatal(err)
	}
	c := credentials.Client{Name: "alice", EDHOC: pair}
	shown := fmt.Sprintf("%v %+v %#v %v %+v", pair, pair, *pair, c, *pair)
	private := []byte(pair.PrivateKey.Bytes)
	for _, secret := range []string{hexText(private), fmt.Sprintf("%d", private), fmt.Sprintf("%#v", private)[len("[]byte"):]} {
		if strings.Contains(shown, secret) {
			t.Errorf("%s is shown", secret)
		}
	}
}
