package credentials

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/internal/secret"
)

// A KeyType says on which curve a key pair for EDHOC is, and what it is used for:
// one key never serves for both (RFC 9528, Section 9.2). The empty one is P256.
type KeyType string

// The types of key pairs.
const (
	P256     KeyType = "p256"      // static Diffie-Hellman
	X25519   KeyType = "x25519"    // static Diffie-Hellman
	P256Sign KeyType = "p256-sign" // ECDSA
	Ed25519  KeyType = "ed25519"   // EdDSA
)

// keyTypes are all types, with the cipher suites in which they authenticate (RFC
// 9528, Table 6), by falling preference.
var keyTypes = []struct {
	name   KeyType
	curve  edhoc.Curve
	static bool
	suites []edhoc.SuiteID
}{
	{P256, edhoc.P256, true, []edhoc.SuiteID{2, 3, 5}},
	{X25519, edhoc.X25519, true, []edhoc.SuiteID{0, 1, 4, 6}},
	{P256Sign, edhoc.P256, false, []edhoc.SuiteID{2, 3, 5, 6}},
	{Ed25519, edhoc.Ed25519, false, []edhoc.SuiteID{0, 1, 4}},
}

func (t KeyType) index() int {
	if t == "" {
		t = P256
	}
	for i, k := range keyTypes {
		if k.name == t {
			return i
		}
	}
	return -1
}

func (t KeyType) check(field string) error {
	if t.index() >= 0 {
		return nil
	}
	return fmt.Errorf(`%s %q: want "p256", "x25519", "p256-sign" or "ed25519"`, field, string(t))
}

// Static reports whether keys of the type are for static Diffie-Hellman.
func (t KeyType) Static() bool { return keyTypes[t.index()].static }

// Fits reports whether a public key can be of the type.
func (t KeyType) Fits(k *edhoc.PublicKey) bool { return keyTypes[t.index()].curve == k.Curve() }

// Suites are the cipher suites in which keys of both types authenticate, by falling
// preference of t.
func (t KeyType) Suites(other KeyType) []edhoc.SuiteID {
	theirs := keyTypes[other.index()].suites
	return slices.DeleteFunc(slices.Clone(keyTypes[t.index()].suites), func(id edhoc.SuiteID) bool {
		return !slices.Contains(theirs, id)
	})
}

// Method is the method of an initiator with a key of this type and a responder with
// one of the other (RFC 9528, Section 3.2).
func (t KeyType) Method(responder KeyType) edhoc.Method {
	switch {
	case t.Static() && responder.Static():
		return edhoc.StaticDHStaticDH
	case t.Static():
		return edhoc.StaticDHSignature
	case responder.Static():
		return edhoc.SignatureStaticDH
	}
	return edhoc.SignatureSignature
}

// Profile is what a responder with keys of these types supports, each at least in
// one pair of method and suite.
func Profile(types []KeyType) edhoccoap.Profile {
	p := edhoccoap.Profile{
		CredentialTypes: []int{1},       // CCS
		IDCredTypes:     []int64{4, 14}, // kid, kccs
		Combined:        true,
	}
	for _, t := range types {
		if t.Static() {
			p.Methods = append(p.Methods, edhoc.SignatureStaticDH, edhoc.StaticDHStaticDH)
		} else {
			p.Methods = append(p.Methods, edhoc.SignatureSignature, edhoc.StaticDHSignature)
		}
		p.Suites = append(p.Suites, keyTypes[t.index()].suites...)
	}
	slices.Sort(p.Methods)
	slices.Sort(p.Suites)
	p.Methods, p.Suites = slices.Compact(p.Methods), slices.Compact(p.Suites)
	return p
}

// private makes a private key of the type out of its bytes.
func (t KeyType) private(key secret.Bytes) (*edhoc.PrivateKey, error) {
	k := keyTypes[t.index()]
	if k.static {
		return edhoc.NewStaticDHKey(k.curve, key)
	}
	return edhoc.NewSignatureKey(k.curve, key)
}

// generate draws the bytes of a private key.
func (t KeyType) generate() (secret.Bytes, error) {
	if t == Ed25519 {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return secret.Bytes(key.Seed()), nil
	}
	curve := ecdh.P256()
	if t == X25519 {
		curve = ecdh.X25519()
	}
	pair, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return pair.Bytes(), nil
}
