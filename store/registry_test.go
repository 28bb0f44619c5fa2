package store

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
)

const topSecret = "Fifteen men on t" // 16 bytes, found easily

func publicKey(t *testing.T, kid string) *ace.Key {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ace.NewPublicKey(&key.PublicKey, []byte(kid))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func fullClient(t *testing.T) as.Client {
	return as.Client{
		Name: "pump", Suspended: true, Groups: []string{"north", "süd"}, Profiles: []ace.Profile{ace.ProfileCoAPOSCORE, -70000},
		Audience: "valve", Scope: ace.TextScope("open", "close"), Keys: []*ace.Key{publicKey(t, "1"), publicKey(t, "2")},
		Credentials: [][]byte{{0x81, 1}, {0x40}}, CertSubject: "CN=pump,O=Example",
	}
}

func fullServer(t *testing.T) ResourceServer {
	return ResourceServer{
		ResourceServer: as.ResourceServer{
			Name: "valve", Profiles: []ace.Profile{ace.ProfileCoAPOSCORE}, Key: publicKey(t, "rs"), Curves: []ace.Curve{ace.CurveP256, ace.CurveEd25519},
			Lifetime: 90 * time.Minute, ExpiresIn: true, ContextID: true, AEAD: cose.AES_CCM_16_64_128, HKDF: cose.HMAC256_256,
			Scopes: as.AIFScope, MaxScope: 64, MaxToken: 256,
			Claims:        as.ClaimSet{NoIssuer: true, NoAudience: true, NoIssuedAt: true, NoCTI: true, Subject: true, Profile: true},
			Introspection: as.WithClaims, Credentials: [][]byte{{0x80}, {0x41, 1}}, CertSubject: "CN=valve",
		},
		Token: ace.TokenKeyConfig{
			Issuer: "as", ID: []byte("kid"), Algorithm: cose.AES_CCM_16_64_128, Secret: secret.Bytes(topSecret),
			Form: ace.TokenForm{NoTag61: true, Unprotected: true},
		},
		Audiences: []string{"valve", "valves"},
	}
}

// noZero fails t if a field of v, which a test fills by hand, has been forgotten:
// then a new field might not be stored.
func noZero(t *testing.T, v reflect.Value, except ...string) {
	t.Helper()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if v.Field(i).IsZero() && !strings.Contains(fmt.Sprint(except), f.Name) {
			t.Errorf("the test does not fill %s.%s", v.Type(), f.Name)
		}
		if v.Field(i).Kind() == reflect.Struct && f.IsExported() && f.Type != reflect.TypeFor[ace.Scope]() {
			noZero(t, v.Field(i), except...)
		}
	}
}

func testClientRoundTrip(t *testing.T, open opener) {
	dir := t.TempDir()
	s := open(t, dir)
	want := fullClient(t)
	noZero(t, reflect.ValueOf(want))
	if err := s.Admin("me").AddClient(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Store{"same": s, "opened again": open(t, dir)} {
		got, err := s.Client(t.Context(), "pump")
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.Keys {
			if string(got.Keys[i].Append(nil)) != string(want.Keys[i].Append(nil)) {
				t.Errorf("%s: key %d differs", name, i)
			}
		}
		got.Keys = want.Keys
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	empty := as.Client{Name: "empty"}
	if err := s.Admin("me").AddClient(t.Context(), empty); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Client(t.Context(), "empty"); err != nil || !reflect.DeepEqual(got, empty) {
		t.Errorf("got %+v, %v, want %+v", got, err, empty)
	}
	all, err := s.ListClients(t.Context())
	if err != nil || len(all) != 2 || all[0].Name != "empty" || all[1].Name != "pump" {
		t.Errorf("ListClients = %+v, %v", all, err)
	}
}

func testResourceServerRoundTrip(t *testing.T, open opener) {
	s := open(t, t.TempDir())
	want := fullServer(t)
	noZero(t, reflect.ValueOf(want), "TokenKey", "Signer", "Public")
	if err := s.Admin("me").AddResourceServer(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	all, err := s.ListResourceServers(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("ListResourceServers = %+v, %v", all, err)
	}
	one, err := s.ResourceServer(t.Context(), "valve")
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []as.ResourceServer{all[0].ResourceServer, one} {
		if got.TokenKey == nil {
			t.Fatal("no token key")
		}
		if string(got.Key.Append(nil)) != string(want.Key.Append(nil)) {
			t.Error("key differs")
		}
		got.TokenKey, got.Key = nil, want.Key
		if !reflect.DeepEqual(got, want.ResourceServer) {
			t.Errorf("got %+v, want %+v", got, want.ResourceServer)
		}
	}
	if got := all[0]; !reflect.DeepEqual(got.Token, want.Token) || !reflect.DeepEqual(got.Audiences, want.Audiences) {
		t.Errorf("got %+v %+v, want %+v %+v", got.Token, got.Audiences, want.Token, want.Audiences)
	}
	for _, audience := range want.Audiences {
		if got, err := s.Audience(t.Context(), audience); err != nil || len(got) != 1 || got[0].Name != "valve" {
			t.Errorf("Audience(%q) = %+v, %v", audience, got, err)
		}
	}
}

func testSigningKeyRoundTrip(t *testing.T, open opener) {
	s := open(t, t.TempDir())
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]ace.TokenKeyConfig{
		"ed": {Algorithm: cose.EdDSA, Signer: ed, ID: []byte{}}, "ec": {Algorithm: cose.ES256, Signer: ec},
	} {
		r := ResourceServer{ResourceServer: as.ResourceServer{Name: name}, Token: token}
		if err := s.Admin("me").AddResourceServer(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		rs, err := s.Audience(t.Context(), name) // without audiences it is its name
		if err != nil || rs[0].TokenKey == nil {
			t.Errorf("%s: %+v, %v", name, rs, err)
		}
	}
	all, err := s.ListResourceServers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !ec.Equal(all[0].Token.Signer) || !ed.Equal(all[1].Token.Signer) {
		t.Error("signing keys differ")
	}
	for _, r := range all {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			if shown := fmt.Sprintf(verb, r); len(shown) > 100 {
				t.Errorf("%s shows %s", verb, shown)
			}
		}
	}
	if err := s.Admin("me").AddResourceServer(t.Context(), ResourceServer{
		ResourceServer: as.ResourceServer{Name: "bad"},
		Token:          ace.TokenKeyConfig{Secret: secret.Bytes("short")},
	}); err == nil {
		t.Error("a token key that cannot be used was stored")
	}
}

func testRegistryChanges(t *testing.T, open opener) {
	s := open(t, t.TempDir())
	me, ctx := s.Admin("me"), t.Context()
	client, server := fullClient(t), fullServer(t)
	if _, err := s.Client(ctx, "pump"); !errors.Is(err, as.ErrUnknown) {
		t.Errorf("Client: %v, want ErrUnknown", err)
	}
	if _, err := s.ResourceServer(ctx, "valve"); !errors.Is(err, as.ErrUnknown) {
		t.Errorf("ResourceServer: %v, want ErrUnknown", err)
	}
	if _, err := s.Audience(ctx, "valve"); !errors.Is(err, as.ErrUnknown) {
		t.Errorf("Audience: %v, want ErrUnknown", err)
	}
	for _, err := range []error{
		me.UpdateClient(ctx, client), me.RemoveClient(ctx, "pump"), me.UpdateResourceServer(ctx, server),
		me.RemoveResourceServer(ctx, "valve"), me.RemoveContext(ctx, "c"), me.AddContext(ctx, newContext("c", "nobody", 1, 2)),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	}
	if err := errors.Join(me.AddClient(ctx, client), me.AddResourceServer(ctx, server)); err != nil {
		t.Fatal(err)
	}
	if err := me.AddClient(ctx, client); !errors.Is(err, ErrExists) {
		t.Errorf("AddClient twice: %v, want ErrExists", err)
	}
	if err := me.AddResourceServer(ctx, server); !errors.Is(err, ErrExists) {
		t.Errorf("AddResourceServer twice: %v, want ErrExists", err)
	}
	if err := me.AddClient(ctx, as.Client{}); err == nil {
		t.Error("a client without a name was added")
	}
	if err := me.AddResourceServer(ctx, ResourceServer{Token: server.Token}); err == nil {
		t.Error("a resource server without a name was added")
	}
	for _, name := range []string{as.ResourceServerSubject("valve"), "a\x00", "\x00", "a\nb", "\x1b[2J", "a\u0085", "a\xff", "\xed\xa0\x80"} {
		odd := server
		odd.Name = name
		if me.AddClient(ctx, as.Client{Name: name}) == nil || me.AddResourceServer(ctx, odd) == nil {
			t.Errorf("the name %q was added", name)
		}
	}
	second := server
	second.Name, second.Audiences = "valve2", []string{"valves"}
	if err := me.AddResourceServer(ctx, second); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Audience(ctx, "valves"); err != nil || len(got) != 2 {
		t.Errorf("Audience of a group: %+v, %v", got, err)
	}
	client.Suspended, second.Audiences = false, []string{"other"}
	if err := errors.Join(me.UpdateClient(ctx, client), me.UpdateResourceServer(ctx, second)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Client(ctx, "pump"); err != nil || got.Suspended {
		t.Errorf("after UpdateClient: %+v, %v", got, err)
	}
	if got, err := s.Audience(ctx, "valves"); err != nil || len(got) != 1 {
		t.Errorf("after UpdateResourceServer: %+v, %v", got, err)
	}
	if err := errors.Join(me.RemoveClient(ctx, "pump"), me.RemoveResourceServer(ctx, "valve")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client(ctx, "pump"); !errors.Is(err, as.ErrUnknown) {
		t.Errorf("after RemoveClient: %v", err)
	}
	if _, err := s.Audience(ctx, "valves"); !errors.Is(err, as.ErrUnknown) {
		t.Errorf("after RemoveResourceServer: %v", err)
	}
	var left int
	if err := s.readers.QueryRowContext(ctx, "SELECT COUNT(*) FROM audiences WHERE server = 'valve'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d audiences are left, %v", left, err)
	}
	events, err := s.Events(ctx, 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range events {
		if e.Actor != "me" {
			t.Errorf("event %+v without its actor", e)
		}
		kinds = append(kinds, e.Kind+" "+e.Subject)
	}
	want := "client.add pump, rs.add valve, rs.add valve2, client.update pump, rs.update valve2, client.remove pump, rs.remove valve"
	if got := strings.Join(kinds, ", "); got != want {
		t.Errorf("events %s, want %s", got, want)
	}
	keyed := func(more map[string]string, keys []*ace.Key, credentials ...[]byte) map[string]string {
		var thumbprints, fingerprints []string
		for _, k := range keys {
			thumbprints = append(thumbprints, hexString(k.Thumbprint()))
		}
		for _, c := range credentials {
			sum := sha256.Sum256(c)
			fingerprints = append(fingerprints, hexString(sum[:]))
		}
		more["keys"], more["credentials"] = strings.Join(thumbprints, ","), strings.Join(fingerprints, ",")
		return more
	}
	withKey := keyed(map[string]string{"certificates": "CN=pump,O=Example"}, client.Keys, client.Credentials...)
	asking := keyed(map[string]string{"certificates": "CN=valve", "introspection": "2"}, []*ace.Key{server.Key}, server.Credentials...)
	for i, want := range []map[string]string{withKey, asking, asking, withKey, asking, nil, nil} {
		if !maps.Equal(events[i].Detail, want) {
			t.Errorf("event %s has %v, want %v", kinds[i], events[i].Detail, want)
		}
	}
}

// A change by another process is seen after MaxStale, and not looked for before.
func testRegistryStaleness(t *testing.T, open opener) {
	c := newClock()
	dir := t.TempDir()
	s := open(t, dir, c.use, func(cfg *Config) { cfg.MaxStale = time.Minute })
	if err := s.Admin("me").AddClient(t.Context(), fullClient(t)); err != nil {
		t.Fatal(err)
	}
	suspended := func(want bool) {
		t.Helper()
		if got, err := s.Client(t.Context(), "pump"); err != nil || got.Suspended != want {
			t.Errorf("suspended %v, %v, want %v", got.Suspended, err, want)
		}
	}
	suspended(true)
	other := open(t, dir, c.use)
	active := fullClient(t)
	active.Suspended = false
	if err := other.Admin("you").UpdateClient(t.Context(), active); err != nil {
		t.Fatal(err)
	}
	c.add(time.Minute - 1)
	suspended(true)
	c.add(1)
	suspended(false)
}

// What was read before a change is not remembered after it.
func testRegistryRace(t *testing.T, open opener) {
	s := open(t, t.TempDir())
	client := fullClient(t)
	if err := s.Admin("me").AddClient(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	old, err := recall(t.Context(), s, func(r *registry) map[string]as.Client { return r.clients }, "pump", func() (as.Client, error) {
		changed := client
		changed.Suspended = false
		return client, s.Admin("me").UpdateClient(t.Context(), changed)
	})
	if err != nil || !old.Suspended {
		t.Fatalf("read before the change: %+v, %v", old, err)
	}
	if got, err := s.Client(t.Context(), "pump"); err != nil || got.Suspended {
		t.Errorf("read after the change: %+v, %v", got, err)
	}
}
