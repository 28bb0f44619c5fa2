package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/store"
)

// TestPublicKeys: devices that have a key are registered with it, by all kinds of
// credentials, and each key once.
func TestPublicKeys(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pair := func(subject string, kid []byte) *credentials.EDHOC {
		e, err := credentials.NewEDHOC(subject, kid)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	add := func(name string, f keyFlags) (*credentials.Client, error) {
		key, err := f.key(name)
		if err != nil {
			return nil, err
		}
		return addEDHOCClient(t.Context(), w.a.store, w.a.cfg, w.keys, newClient{name: name}, key)
	}
	own := pair("a name of its own", []byte("kid"))
	nameless := pair("", nil)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	ownFile := write("own", []byte(hexText(own.Credential)))
	for _, c := range []struct {
		name   string
		flags  keyFlags
		device *credentials.EDHOC // nil: it takes over what is in its file
		scalar []byte
	}{
		{"with its own Claims Set", keyFlags{PublicKey: ownFile}, own, own.PrivateKey.Bytes},
		{"without a kid", keyFlags{PublicKey: write("nameless", nameless.Credential)}, nil, nameless.PrivateKey.Bytes},
		{"of a PEM file", keyFlags{PublicKey: write("pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})), KID: "c0de"}, nil, scalar},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, err := add(c.name, c.flags)
			if err != nil {
				t.Fatal(err)
			}
			if len(file.EDHOC.PrivateKey.Bytes) != 0 {
				t.Error("the file has a private key")
			}
			file.EDHOC.PrivateKey.Bytes = c.scalar
			if c.device != nil && !bytes.Equal(file.EDHOC.Credential, c.device.Credential) {
				t.Errorf("credential %x, want %x", file.EDHOC.Credential, c.device.Credential)
			}
			response := post(t, w.channel(file.EDHOC), "/token", []byte{0xa0})
			if errorCode(t, response) != ace.InvalidRequest { // and not invalid_client
				t.Errorf("got %v %x", response.Code, response.Payload)
			}
		})
	}
	for _, c := range []struct {
		name  string
		flags keyFlags
		want  string
	}{
		{"a key of another", keyFlags{PublicKey: ownFile}, `registered already, for "with its own Claims Set"`},
		{"the same key with another credential", keyFlags{PublicKey: write("again", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))}, `registered already, for "of a PEM file"`},
		{"the key of the server", keyFlags{PublicKey: write("server", w.own.Credential)}, "key of the server in edhoc.key"},
		{"a private key", keyFlags{PublicKey: write("private", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: spki}))}, "stays on its device"},
		{"a kid for a key that has one", keyFlags{PublicKey: ownFile, KID: "01"}, "says how its key is named"},
		{"a kid that is none", keyFlags{PublicKey: ownFile, KID: "0"}, "hexadecimal"},
		{"another type", keyFlags{PublicKey: ownFile, KeyType: "x25519"}, `not of type "x25519"`},
		{"a kid for nothing", keyFlags{EDHOC: true, KID: "01"}, "--kid is for"},
		{"a type for nothing", keyFlags{KeyType: "p256"}, "--key-type is for"},
		{"a type that the server has no key for", keyFlags{EDHOC: true, KeyType: "ed25519"}, "add one to edhoc_keys"},
	} {
		_, err := add("x", c.flags)
		var usage *cli.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want a usage error with %q", c.name, err, c.want)
		}
	}
	if _, err := add("nameless again", keyFlags{PublicKey: write("nameless again", nameless.Credential)}); err == nil || !strings.Contains(err.Error(), `"without a kid"`) {
		t.Errorf("the key without a kid of another: %v", err)
	}
	// Nor for a resource server, nor the other way round.
	key, err := (&keyFlags{PublicKey: ownFile}).key("valve")
	if err != nil {
		t.Fatal(err)
	}
	_, err = addResourceServer(t.Context(), w.a.store, w.a.cfg, w.keys, newResourceServer{name: "valve", algorithm: "A128GCM", key: key})
	if err == nil || !strings.Contains(err.Error(), "registered already") {
		t.Errorf("a resource server with the key of a client: %v", err)
	}
	valve := w.registerServer("valve", as.NoIntrospection)
	if _, err = add("y", keyFlags{PublicKey: write("valve", valve.EDHOC.Credential)}); err == nil || !strings.Contains(err.Error(), `"resource server valve"`) {
		t.Errorf("a client with the key of a resource server: %v", err)
	}
}

// TestPublicKeysOfOneKID: so many devices may have one kid as a handshake can try, and
// none is let in the way of those that are there.
func TestPublicKeysOfOneKID(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	for i := range maxSameKID + 1 {
		pair, err := credentials.NewEDHOC("", []byte{9})
		if err != nil {
			t.Fatal(err)
		}
		public, err := edhoc.ParseCCS(pair.Credential)
		if err != nil {
			t.Fatal(err)
		}
		_, err = addEDHOCClient(t.Context(), w.a.store, w.a.cfg, w.keys, newClient{name: fmt.Sprint(i)}, newKey{public: public})
		var usage *cli.UsageError
		if full := i == maxSameKID; full != errors.As(err, &usage) || full && !strings.Contains(err.Error(), "have the kid 09") {
			t.Errorf("device %d: %v", i, err)
		}
	}
}

// TestPublicKeyRace: of two registrations of one key at the same time, no two are left.
func TestPublicKeyRace(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	pair, err := credentials.NewEDHOC("", []byte{9})
	if err != nil {
		t.Fatal(err)
	}
	public, err := edhoc.ParseCCS(pair.Credential)
	if err != nil {
		t.Fatal(err)
	}
	key := newKey{public: public}
	// The other process has registered it after this one has looked.
	if _, err := addEDHOCClient(t.Context(), w.a.store, w.a.cfg, w.keys, newClient{name: "first"}, key); err != nil {
		t.Fatal(err)
	}
	if err := key.alone(t.Context(), w.a.store, "first"); err != nil {
		t.Errorf("alone: %v", err)
	}
	if err := key.alone(t.Context(), w.a.store, "second"); err == nil {
		t.Error("the second registration does not see the first")
	}
}

// TestPublicKeyRaceIsUndone: who sees the other one takes his own registration back.
func TestPublicKeyRaceIsUndone(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	pair, err := credentials.NewEDHOC("", []byte{9})
	if err != nil {
		t.Fatal(err)
	}
	public, err := edhoc.ParseCCS(pair.Credential)
	if err != nil {
		t.Fatal(err)
	}
	meanwhile := func() {}
	db, err := openStore(t.Context(), w.a.path, w.a.cfg, store.Observer{Commit: func(int, time.Duration, error) { meanwhile() }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	other := w.a.store.Admin("other process")
	for kind, register := range map[string]func() error{
		"client": func() error {
			_, err := addEDHOCClient(t.Context(), db, w.a.cfg, w.keys, newClient{name: "mine"}, newKey{public: public})
			return err
		},
		"resource server": func() error {
			_, err := addResourceServer(t.Context(), db, w.a.cfg, w.keys, newResourceServer{name: "mine", algorithm: "A128GCM", key: newKey{public: public}})
			return err
		},
	} {
		meanwhile = func() { // once, right after the registration
			meanwhile = func() {}
			if err := other.AddClient(context.Background(), as.Client{Name: "theirs", Credentials: [][]byte{pair.Credential}}); err != nil {
				t.Error(err)
			}
		}
		if err := register(); err == nil || !strings.Contains(err.Error(), `for "theirs"`) || !strings.Contains(err.Error(), "nothing was registered") {
			t.Errorf("%s: %v", kind, err)
		}
		clients, err := w.a.store.ListClients(t.Context())
		servers, err2 := w.a.store.ListResourceServers(t.Context())
		if errors.Join(err, err2) != nil || len(clients) != 1 || clients[0].Name != "theirs" || len(servers) != 0 {
			t.Errorf("%s: left are %v and %v, %v, %v", kind, clients, servers, err, err2)
		}
		if err := other.RemoveClient(t.Context(), "theirs"); err != nil {
			t.Fatal(err)
		}
	}
}
