package credentials

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/edhoc"
)

var everyType = []KeyType{P256, X25519, P256Sign, Ed25519}

// TestKeyPairs: a pair of each type is what it says, and is written and read as it is.
func TestKeyPairs(t *testing.T) {
	for _, kind := range everyType {
		t.Run(string(kind), func(t *testing.T) {
			pair, err := NewKeyPair(kind, "as", []byte{3})
			if err != nil {
				t.Fatal(err)
			}
			path := t.TempDir() + "/key"
			if err := pair.Write(path); err != nil {
				t.Fatal(err)
			}
			got, err := ReadEDHOC(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.PrivateKey.Bytes, pair.PrivateKey.Bytes) || !bytes.Equal(got.Credential, pair.Credential) || got.Type != pair.Type {
				t.Error("another key after it was written and read")
			}
			identity, err := got.Identity()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(identity.ID.KID, []byte{3}) || identity.Credential.Subject() != "as" || !kind.Fits(identity.Credential.PublicKey()) {
				t.Errorf("identity %v", identity.ID)
			}
			got.IDCred = "value"
			if identity, err = got.Identity(); err != nil || !bytes.Equal(identity.ID.KCCS, pair.Credential) {
				t.Errorf("by value: %v, %v", identity.ID, err)
			}
			for _, other := range everyType {
				got.Type, got.IDCred = other, ""
				if _, err := got.Identity(); (err == nil) != (keyTypes[other.index()].curve == keyTypes[kind.index()].curve) {
					t.Errorf("as %s: %v", other, err)
				}
			}
			got.Type = "rsa"
			if _, err := got.Identity(); err == nil || !strings.Contains(err.Error(), `type "rsa"`) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestProfile: all that it names, and nothing else, works with a responder that has
// these keys.
func TestProfile(t *testing.T) {
	for bits := 1; bits < 16; bits++ {
		var types []KeyType
		var identities []edhoc.Identity
		for i, kind := range everyType {
			if bits>>i&1 == 0 {
				continue
			}
			pair, err := NewKeyPair(kind, "as", []byte{byte(i)})
			if err != nil {
				t.Fatal(err)
			}
			identity, err := pair.Identity()
			if err != nil {
				t.Fatal(err)
			}
			types, identities = append(types, kind), append(identities, identity)
		}
		p := Profile(types)
		if _, err := edhoc.NewResponder(edhoc.Config{Methods: p.Methods, Suites: p.Suites, Identities: identities}); err != nil {
			t.Errorf("%v: %v with methods %v and suites %v", types, err, p.Methods, p.Suites)
		}
		for m := range edhoc.Method(4) {
			_, err := edhoc.NewResponder(edhoc.Config{Methods: []edhoc.Method{m}, Suites: p.Suites, Identities: identities})
			if err == nil && !slices.Contains(p.Methods, m) {
				t.Errorf("%v: method %v works and is not named", types, m)
			}
		}
		for s := range edhoc.SuiteID(7) {
			for _, m := range p.Methods {
				_, err := edhoc.NewResponder(edhoc.Config{Methods: []edhoc.Method{m}, Suites: []edhoc.SuiteID{s}, Identities: identities})
				if err == nil && !slices.Contains(p.Suites, s) {
					t.Errorf("%v: suite %d works and is not named", types, s)
				}
			}
		}
	}
	if got := Profile([]KeyType{""}); !slices.Equal(got.Methods, []edhoc.Method{1, 3}) || !slices.Equal(got.Suites, []edhoc.SuiteID{2, 3, 5}) {
		t.Errorf("of a key of an older version: methods %v, suites %v", got.Methods, got.Suites)
	}
}

// TestInitiator: between any two types that have a suite in common there is a
// configuration, and between others an error.
func TestInitiator(t *testing.T) {
	for _, own := range everyType {
		for _, peer := range everyType {
			pair, err := NewKeyPair(own, "alice", []byte{1})
			if err != nil {
				t.Fatal(err)
			}
			server, err := NewKeyPair(peer, "as", []byte{2})
			if err != nil {
				t.Fatal(err)
			}
			pair.Peer, pair.PeerType = server.Credential, peer
			cfg, err := pair.Initiator()
			if none := len(own.Suites(peer)) == 0; none != (err != nil) {
				t.Errorf("%s with %s: %v, suites %v", own, peer, err, own.Suites(peer))
			}
			if err == nil {
				if _, err := edhoc.NewInitiator(cfg); err != nil {
					t.Errorf("%s with %s: %v", own, peer, err)
				}
			}
			if got, want := pair.check() == nil, err == nil; got != want {
				t.Errorf("%s with %s: the check of the file says %v, want %v", own, peer, got, want)
			}
		}
	}
	pair, other := newTestClient(t).EDHOC, newTestClient(t).EDHOC
	pair.Peers = append(pair.Peers, other.Peer)
	if all, err := pair.PeerCredentials(); err != nil || len(all) != 2 || !bytes.Equal(all[1].CRED(), other.Peer) {
		t.Errorf("two credentials of the server: %v, %v", all, err)
	}
	pair.Peers[0] = []byte{1}
	if err := pair.check(); err == nil || !strings.Contains(err.Error(), "edhoc.peers") {
		t.Errorf("got %v, want an error that names edhoc.peers", err)
	}
}
