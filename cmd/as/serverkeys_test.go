package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// replaceKey makes the server's one key another.
func replaceKey(t *testing.T, path string, kind credentials.KeyType) {
	t.Helper()
	cfg, err := (&configFlag{Config: path}).load()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(path), cfg.EDHOCKey)); err != nil {
		t.Fatal(err)
	}
	if err := makeEDHOCKey(path, cfg, cfg.EDHOCKey, kind, ""); err != nil {
		t.Fatal(err)
	}
}

// manyKeys gives the server a key of each type, beside the first one, which is p256.
func manyKeys(t *testing.T, c *config, dir string) {
	t.Helper()
	c.EDHOCKeys, c.EDHOCKey = []string{c.EDHOCKey, "b", "c", "d"}, ""
	for i, kind := range []credentials.KeyType{credentials.X25519, credentials.P256Sign, credentials.Ed25519} {
		if err := makeEDHOCKey(filepath.Join(dir, "as.toml"), *c, c.EDHOCKeys[i+1], kind, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeyTypes: clients with keys of each type are let in, by kid and by value, with the
// method and suite of their keys.
func TestKeyTypes(t *testing.T) {
	var dir string
	w := newEDHOCWorldIn(t, func(c *config, d string) { dir = d; manyKeys(t, c, d) })
	if dir == "" || len(w.keys) != 4 {
		t.Fatalf("%d keys", len(w.keys))
	}
	for _, kind := range []credentials.KeyType{credentials.P256, credentials.X25519, credentials.P256Sign, credentials.Ed25519} {
		key := newKey{fresh: true, kind: kind}
		file, err := addEDHOCClient(t.Context(), w.a.store, w.a.cfg, w.keys, newClient{name: string(kind)}, key)
		if err != nil {
			t.Fatal(err)
		}
		registered, err := w.a.store.Client(t.Context(), string(kind))
		if err != nil || len(registered.Keys) != 1 || !kind.Fits(publicKeyOf(t, file)) || int64(registered.Keys[0].Curve()) != int64(publicKeyOf(t, file).Curve()) {
			t.Errorf("%s: registered with %v, %v", kind, registered.Keys, err)
		}
		for _, server := range w.keys {
			suites := kind.Suites(server.Type)
			for _, idCred := range []string{"kid", "value"} {
				client := *file.EDHOC
				client.IDCred, client.Peer, client.PeerType, client.Peers = idCred, server.Credential, server.Type, nil
				if len(suites) == 0 {
					continue
				}
				cfg, err := client.Initiator()
				if err != nil {
					t.Fatal(err)
				}
				for _, suite := range suites {
					session, d := w.session(&client, cfg.Methods[0], suite)
					if session.Method != kind.Method(server.Type) || session.Suite != suite || string(session.Peer.CRED()) != string(server.Credential) {
						t.Errorf("%s with %s in suite %d: method %v, suite %d, peer %x", kind, server.Type, suite, session.Method, session.Suite, session.Peer.KID())
					}
					if !w.alive(d) {
						t.Errorf("%s with %s in suite %d: the context is not in use", kind, server.Type, suite)
					}
				}
			}
		}
	}
}

func publicKeyOf(t *testing.T, c *credentials.Client) *edhoc.PublicKey {
	t.Helper()
	parsed, err := edhoc.ParseCCS(c.EDHOC.Credential)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.PublicKey()
}

// session runs a handshake with a method and suite. The protected channel is that of the
// session, whose keys are erased.
func (w *edhocWorld) session(key *credentials.EDHOC, method edhoc.Method, suite edhoc.SuiteID) (*edhoc.Session, coap.Doer) {
	w.t.Helper()
	cfg, err := key.Initiator()
	if err != nil {
		w.t.Fatal(err)
	}
	cfg.Methods, cfg.Suites = []edhoc.Method{method}, []edhoc.SuiteID{suite}
	peers, err := key.PeerCredentials()
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := initiatorOf(w.t.Context(), cfg, peers, "coap://192.0.2.2", &coaptest.Direct{Handler: w.a.handler}, w.newIDs())
	if err != nil {
		w.t.Fatal(err)
	}
	session, _, err := c.Establish(w.t.Context())
	if err != nil {
		w.t.Fatalf("method %v, suite %d: %v", method, suite, err)
	}
	association, err := associationOf(session)
	if err != nil {
		w.t.Fatal(err)
	}
	return session, oscorecoap.NewClient(&coaptest.Direct{Handler: w.a.handler}, association, oscorecoap.ClientConfig{})
}

// TestDiscoveryOfManyKeys: the profile says what works, and no more.
func TestDiscoveryOfManyKeys(t *testing.T) {
	w := newEDHOCWorldIn(t, func(c *config, dir string) { manyKeys(t, c, dir) })
	resp, err := (&coaptest.Direct{Handler: w.a.handler}).Do(t.Context(), coap.NewRequest(coap.GET, "/.well-known/core"))
	if err != nil {
		t.Fatal(err)
	}
	want := ";ed-method=0;ed-method=1;ed-method=2;ed-method=3"
	for s := range 7 {
		want += fmt.Sprintf(";ed-csuite=%d", s)
	}
	if got := string(resp.Payload); !strings.Contains(got, want+";ed-cred-t=1") {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestRotation: the credential of a new key is given out while the old one still serves,
// and then the new one serves: clients that know both are let in all the time.
func TestRotation(t *testing.T) {
	var keys []string
	both := func(order ...int) func(*config, string) {
		return func(c *config, dir string) {
			c.EDHOCKeys, c.EDHOCKey = nil, ""
			for _, i := range order {
				c.EDHOCKeys = append(c.EDHOCKeys, keys[i])
			}
		}
	}
	w := newEDHOCWorldIn(t, func(c *config, dir string) {
		keys = []string{filepath.Join(dir, c.EDHOCKey), filepath.Join(dir, "new.key")}
		both(0, 1)(c, dir)
		if err := makeEDHOCKey(filepath.Join(dir, "as.toml"), *c, keys[1], credentials.P256, ""); err != nil {
			t.Fatal(err)
		}
	})
	alice := w.register("alice")
	if !bytes.Equal(alice.EDHOC.Peer, w.keys[0].Credential) || len(alice.EDHOC.Peers) != 1 || !bytes.Equal(alice.EDHOC.Peers[0], w.keys[1].Credential) {
		t.Fatalf("the file of a client has %x and %x", alice.EDHOC.Peer, alice.EDHOC.Peers)
	}
	public, err := edhoc.ParseCCS(alice.EDHOC.Credential)
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range [][]int{{0}, {0, 1}, {1, 0}, {1}} {
		other := newEDHOCWorldIn(t, both(order...))
		if _, err := addEDHOCClient(t.Context(), other.a.store, other.a.cfg, other.keys, newClient{name: "alice"}, newKey{public: public}); err != nil {
			t.Fatal(err)
		}
		session, _ := other.session(alice.EDHOC, edhoc.StaticDHStaticDH, 2)
		if want := w.keys[order[0]].Credential; !bytes.Equal(session.Peer.CRED(), want) {
			t.Errorf("with the keys %v the server uses %x, want %x", order, session.Peer.CRED(), []byte(want))
		}
	}
}

// TestConfigEDHOCKey makes the keys that the configuration names, each once.
func TestConfigEDHOCKey(t *testing.T) {
	path, err := initialize(t.Context(), filepath.Join(t.TempDir(), "as"), "coap://as.example", "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	named := strings.Replace(string(text), `edhoc_key = "edhoc.key"`, `edhoc_keys = ["edhoc.key", "b", "c"]`, 1)
	if err := os.WriteFile(path, []byte(named), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	run := func(file, kind string, byValue bool) error {
		c := configEDHOCKey{configFlag: configFlag{Config: path}, File: file, Type: kind, ByValue: byValue}
		return c.Run(cli.Streams{Out: &out, Err: &out})
	}
	if err := run("c", "ed25519", true); err != nil {
		t.Fatal(err)
	}
	if err := run("", "p256-sign", false); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"": "exists already", "b": "exists already", "d": "does not name this key; it names edhoc.key, b, c"} {
		if err := run(file, "p256", false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", file, err, want)
		}
	}
	cfg, err := (&configFlag{Config: path}).load()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := readEDHOCKeys(path, cfg)
	if err != nil {
		t.Fatal(err)
	}
	identities, types, err := identitiesOf(keys)
	if err != nil || fmt.Sprint(types) != "[ p256-sign ed25519]" {
		t.Fatalf("%v: %v", types, err)
	}
	seen := map[string]bool{}
	for i, x := range identities {
		if seen[string(x.Credential.KID())] || x.Credential.Subject() != "coap://as.example" || (x.ID.KCCS != nil) != (i == 2) {
			t.Errorf("key %d: kid %x, ID_CRED %x", i, x.Credential.KID(), x.ID.Header())
		}
		seen[string(x.Credential.KID())] = true
	}
	// One key in two files, for one use or for both (ED-17).
	for _, kind := range []credentials.KeyType{"", credentials.P256Sign} {
		twice := *keys[0].EDHOC
		twice.Type = kind
		if _, _, err := identitiesOf([]serverKey{keys[0], {&twice, "copy"}}); err == nil || !strings.Contains(err.Error(), "copy hold one key") {
			t.Errorf("the same key as %q: %v", kind, err)
		}
	}
}
