package ace

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

func figureKey(t *testing.T) *Key {
	t.Helper()
	k, err := ParseKey(figures(t)["rfc9679"][0].CBOR)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestThumbprint(t *testing.T) {
	k := figureKey(t)
	want := vector.Bytes(t, "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec")
	if got := k.Thumbprint(); !bytes.Equal(got, want) || !bytes.Equal(k.KID(), want) {
		t.Errorf("RFC 9679, Section 6: %x, want %x", got, want)
	}
	// The same key with its point compressed, and an alg.
	compressed, err := ParseKey(vector.Bytes(t, "a5 0102 0326 2001 215820 65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d 22f4"))
	if err != nil {
		t.Fatal(err)
	}
	if !k.Equal(compressed) || !compressed.Equal(k) {
		t.Error("the compressed key is another one")
	}
}

func TestNewKeys(t *testing.T) {
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		k, err := NewPublicKey(&private.PublicKey, []byte("kid"))
		if err != nil {
			t.Fatalf("NewPublicKey(%s): %v", curve.Params().Name, err)
		}
		public, err := k.Public()
		if err != nil || !private.PublicKey.Equal(public) || k.Type() != KeyTypeEC2 || k.IsSecret() || string(k.KID()) != "kid" {
			t.Errorf("%s comes back as %v, %v", curve.Params().Name, public, err)
		}
		reencoded(t, k.Append(nil), k)
	}
	k, err := NewPublicKey(ed, nil)
	if err != nil {
		t.Fatal(err)
	}
	if public, err := k.Public(); err != nil || !ed.Equal(public) || k.Curve() != CurveEd25519 || k.KID() != nil {
		t.Errorf("Ed25519 comes back as %v, %v", public, err)
	}
	if _, err := NewPublicKey("no key", nil); !errors.Is(err, ErrKey) {
		t.Errorf("NewPublicKey of a string: %v, want ErrKey", err)
	}
	if _, err := NewPublicKey(ed25519.PublicKey{1}, nil); !errors.Is(err, ErrKey) {
		t.Errorf("NewPublicKey of a short key: %v, want ErrKey", err)
	}

	s, err := NewSymmetricKey([]byte("0123456789abcdef"), []byte{1})
	if err != nil {
		t.Fatal(err)
	}
	if !s.IsSecret() || s.Type() != KeyTypeSymmetric || string(s.Symmetric()) != "0123456789abcdef" || s.Thumbprint() != nil {
		t.Errorf("symmetric key: %v, thumbprint %x", s, s.Thumbprint())
	}
	if k.Symmetric() != nil || k.Equal(s) || s.Equal(s) {
		t.Error("a symmetric key equals a public one, or may be compared")
	}
	if _, err := s.Public(); !errors.Is(err, ErrKey) {
		t.Errorf("Public of a symmetric key: %v, want ErrKey", err)
	}
	if _, err := NewSymmetricKey(nil, nil); !errors.Is(err, ErrKey) {
		t.Errorf("NewSymmetricKey of nothing: %v, want ErrKey", err)
	}
}

// TestPrivateKeyIsSecret: a peer may send more than it should.
//
//spec:8747-3.2-2
func TestPrivateKeyIsSecret(t *testing.T) {
	examples := vector.Load[map[string]any](t, "testdata/rfc8392.json")
	for name, want := range map[string]bool{"key_ecdsa_p256": true, "key_symmetric128": true} {
		k, err := ParseKey(vector.Bytes(t, examples[name].(string)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c := &Confirmation{Key: k}
		if k.IsSecret() != want || c.HoldsSecret() != want {
			t.Errorf("%s: IsSecret %v, HoldsSecret %v, want %v", name, k.IsSecret(), c.HoldsSecret(), want)
		}
	}
	for _, c := range []*Confirmation{nil, {}, {KID: []byte{1}}, {EncryptedKey: []byte{0x80}}, {Key: figureKey(t)}} {
		if c.HoldsSecret() {
			t.Errorf("%+v holds a secret", c)
		}
	}
	if c := (&Confirmation{OSCORE: new(OSCOREInputMaterial)}); !c.HoldsSecret() {
		t.Error("osc holds no secret")
	}
}

// TestUnknownKeys parses what this module cannot use: the AS and the RS refuse it
// with another error than what is malformed.
//
//spec:8747-3.2-1
func TestUnknownKeys(t *testing.T) {
	for name, cbor := range map[string]string{
		"RSA":            "a3 0103 2043010001 2141ff",
		"kty as text":    "a1 01 63666f6f",
		"secp256k1":      "a4 0102 2008 2141aa 2241bb",
		"crv as text":    "a3 0102 20 63666f6f 2141aa",
		"HSS-LMS":        "a2 0105 2041aa",
		"OKP with P-256": "a3 0101 2001 2141aa",
	} {
		k, err := ParseKey(vector.Bytes(t, cbor))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := k.Public(); k.Known() || !k.IsSecret() || k.Thumbprint() != nil || k.Equal(k) || !errors.Is(err, ErrKey) {
			t.Errorf("%s: Known %v, IsSecret %v, Thumbprint %x, Public %v", name, k.Known(), k.IsSecret(), k.Thumbprint(), err)
		}
	}
	// Known types with a member missing, or a point that is none.
	for name, cbor := range map[string]string{
		"no y":          "a3 0102 2001 215820 65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d",
		"no x":          "a2 0101 2006",
		"no k":          "a1 0104",
		"off the curve": "a4 0102 2001 215820 65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d 225820 1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19d",
		"small order":   "a3 0101 2004 215820 0000000000000000000000000000000000000000000000000000000000000000",
		"other alg":     "a4 0101 0326 2006 215820 d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
	} {
		if k, err := ParseKey(vector.Bytes(t, cbor)); err == nil {
			t.Errorf("%s: accepted as %v", name, k)
		}
	}
}
