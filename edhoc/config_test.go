package edhoc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/vector"
)

// What a Config must not be.
//
//spec:9528-3.5-2
//spec:9528-3.5.1-1
//spec:9528-3.6-1
//spec:9528-9.3-1
//spec:9528-9.3-2
//spec:9528-9.3-3
//spec:9528-9.3-4
func TestConfig(t *testing.T) {
	sign, dh := testIdentity(t, P256, false, "config"), testIdentity(t, P256, true, "config dh")
	same, err := NewStaticDHKey(P256, bytes.Repeat([]byte{5}, 32))
	must(t, err)
	sameSign, err := NewSignatureKey(P256, bytes.Repeat([]byte{5}, 32))
	must(t, err)
	credSame, err := ParseCCS(ccs(same.Public(), "same", []byte("s")))
	must(t, err)
	private := func(change func(s *Suite)) map[SuiteID]Suite {
		s := suites[2]
		change(&s)
		return map[SuiteID]Suite{-24: s}
	}
	base := Config{Methods: []Method{0}, Suites: []SuiteID{2}, Identities: []Identity{sign}}
	for _, c := range []struct {
		name      string
		change    func(c *Config)
		initiator bool // is it good for
		responder bool
	}{
		{"base", func(c *Config) {}, true, true},
		{"no suites stands for 2 and 3", func(c *Config) { c.Suites = nil }, true, true},
		{"no method", func(c *Config) { c.Methods = nil }, false, false},
		{"unknown method", func(c *Config) { c.Methods = []Method{4} }, false, false},
		{"methods beyond the first", func(c *Config) { c.Methods = []Method{0, 3} }, true, false},
		{"both uses", func(c *Config) { c.Methods = []Method{0, 1, 2, 3}; c.Identities = []Identity{sign, dh} }, true, true},
		{"no identity", func(c *Config) { c.Identities = nil }, false, false},
		{"identity of the other use", func(c *Config) { c.Identities = []Identity{dh} }, false, false},
		{"identity on another curve", func(c *Config) { c.Identities = []Identity{testIdentity(t, P384, false, "x")} }, false, false},
		{"a suite without identity", func(c *Config) { c.Suites = []SuiteID{2, 0} }, false, false},
		{"an identity for each method and one for each suite", func(c *Config) {
			c.Methods, c.Suites, c.Identities = []Method{3, 0}, []SuiteID{2, 0}, []Identity{dh, testIdentity(t, Ed25519, false, "e")}
		}, false, true},
		{"a method without identity", func(c *Config) { c.Methods = []Method{0, 3} }, true, false},
		{"suite twice", func(c *Config) { c.Suites = []SuiteID{2, 2} }, false, false},
		{"unknown suite", func(c *Config) { c.Suites = []SuiteID{2, 7} }, false, false},
		{"GREASE suite", func(c *Config) { c.Suites = []SuiteID{160, 2, -41121} }, true, false},
		{"GREASE suite alone", func(c *Config) { c.Suites = []SuiteID{160} }, false, false},
		{"no credential", func(c *Config) { c.Identities = []Identity{{nil, sign.ID, sign.Key}} }, false, false},
		{"no key", func(c *Config) { c.Identities = []Identity{{sign.Credential, sign.ID, nil}} }, false, false},
		{"no ID_CRED", func(c *Config) { c.Identities = []Identity{{sign.Credential, IDCred{}, sign.Key}} }, false, false},
		{"credential of another key", func(c *Config) { c.Identities = []Identity{{dh.Credential, sign.ID, sign.Key}} }, false, false},
		{"ID_CRED of another credential", func(c *Config) { c.Identities = []Identity{{sign.Credential, dh.Credential.ByValue(), sign.Key}} }, false, false},
		{"ID_CRED by value", func(c *Config) { c.Identities = []Identity{{sign.Credential, sign.Credential.ByValue(), sign.Key}} }, true, true},
		{"one key for both uses", func(c *Config) {
			c.Identities = []Identity{{credSame, KID([]byte("s")), same}, {credSame, KID([]byte("s")), sameSign}}
		}, false, false},
		{"private suite", func(c *Config) {
			c.Suites = []SuiteID{-24}
			c.PrivateSuites = private(func(s *Suite) { s.Hash = cose.SHA512 })
		}, true, true},
		{"private suite not defined", func(c *Config) { c.Suites = []SuiteID{-23}; c.PrivateSuites = private(func(*Suite) {}) }, false, false},
		{"private number out of range", func(c *Config) { c.Suites = []SuiteID{-25}; c.PrivateSuites = map[SuiteID]Suite{-25: suites[2]} }, false, false},
		{"MAC of 7 bytes", func(c *Config) {
			c.Suites = []SuiteID{-24}
			c.PrivateSuites = private(func(s *Suite) { s.MACLength = 7 })
		}, false, false},
		{"MAC as long as the hash", func(c *Config) {
			c.Suites = []SuiteID{-24}
			c.PrivateSuites = private(func(s *Suite) { s.MACLength = 32 })
		}, true, true},
		{"MAC of 33 bytes", func(c *Config) {
			c.Suites = []SuiteID{-24}
			c.PrivateSuites = private(func(s *Suite) { s.MACLength = 33 })
		}, false, false},
		{"SHA-1", func(c *Config) { c.Suites = []SuiteID{-24}; c.PrivateSuites = private(func(s *Suite) { s.Hash = -14 }) }, false, false},
		{"SHA-256/64", func(c *Config) { c.Suites = []SuiteID{-24}; c.PrivateSuites = private(func(s *Suite) { s.Hash = -15 }) }, false, false},
		{"HMAC as AEAD", func(c *Config) {
			c.Suites = []SuiteID{-24}
			c.PrivateSuites = private(func(s *Suite) { s.AEAD = cose.HMAC256_64 })
		}, false, false},
		{"no AEAD", func(c *Config) { c.Suites = []SuiteID{-24}; c.PrivateSuites = private(func(s *Suite) { s.AEAD = 0 }) }, false, false},
		{"no ECDH", func(c *Config) {
			c.Suites = []SuiteID{-24}
			c.PrivateSuites = private(func(s *Suite) { s.Curve = Ed25519 })
		}, false, false},
		{"no signature", func(c *Config) {
			c.Suites = []SuiteID{-24}
			c.PrivateSuites = private(func(s *Suite) { s.Signature = cose.ES512 })
		}, false, false},
	} {
		config := base
		c.change(&config)
		_, errI := NewInitiator(config)
		_, errR := NewResponder(config)
		if (errI == nil) != c.initiator || (errR == nil) != c.responder {
			t.Errorf("%s: %v, %v; want good for an Initiator %t, a Responder %t", c.name, errI, errR, c.initiator, c.responder)
		}
		for _, err := range []error{errI, errR} {
			if err != nil && !errors.Is(err, ErrConfig) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

// A Config can be changed after its use.
func TestConfigIsCopied(t *testing.T) {
	c := Config{Methods: []Method{3}, Suites: []SuiteID{2}, EADLabels: []int64{1}, Identities: []Identity{testIdentity(t, P256, true, "initiator")}}
	i, err := NewInitiator(c)
	must(t, err)
	c.Methods[0], c.Suites[0], c.EADLabels[0], c.Identities[0] = 0, 0, 9, Identity{}
	p := pair(t, StaticDHStaticDH, 2)
	p.i = i
	a, b := p.handshake(t, true)
	agree(t, a, b)
}

// A private suite with SHA-512, SHAKE128 or another curve and signature.
func TestPrivateSuites(t *testing.T) {
	for _, s := range []Suite{
		{cose.AES_CCM_16_128_256, cose.SHA512, 16, X448, cose.ES384, cose.A256GCM, cose.SHA512},
		{cose.AES_CCM_64_64_128, cose.SHAKE128, 8, P384, cose.EdDSA, cose.A128GCM, cose.SHA256},
	} {
		for _, m := range allMethods {
			curve := func(r role) Curve {
				if m.staticDH(r) {
					return s.Curve
				}
				return signatureCurves[s.Signature][0]
			}
			p := pair(t, m, 2, func(i, r *Config) {
				for _, c := range []*Config{i, r} {
					c.Suites, c.PrivateSuites = []SuiteID{-21}, map[SuiteID]Suite{-21: s}
				}
				i.Identities[0] = testIdentity(t, curve(initiator), m.staticDH(initiator), "i private")
				r.Identities[0] = testIdentity(t, curve(responder), m.staticDH(responder), "r private")
			})
			i, r := p.handshake(t, true)
			agree(t, i, r)
			if i.Algorithms() != s {
				t.Errorf("algorithms %+v, want %+v", i.Algorithms(), s)
			}
		}
	}
}

// Keys that are elsewhere: a crypto.Signer, and a function for Diffie-Hellman.
//
//spec:9528-9.2-4
func TestKeysElsewhere(t *testing.T) {
	for curve, c := range map[Curve]elliptic.Curve{P256: elliptic.P256(), P384: elliptic.P384()} {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		must(t, err)
		k, err := NewSigner(key)
		must(t, err)
		cred, err := ParseCCS(ccs(k.Public(), "signer", []byte("s")))
		must(t, err)
		suite := map[Curve]SuiteID{P256: 3, P384: 24}[curve]
		p := pair(t, SignatureSignature, suite, func(i, r *Config) { r.Identities[0] = Identity{cred, KID([]byte("s")), k} })
		i, r := p.handshake(t, true)
		agree(t, i, r)
	}
	for suite, s := range suites {
		inner := testKey(t, s.Curve, true, "elsewhere")
		g := groups[s.Curve]
		answer := func(z []byte, err error) ([]byte, error) { return z, err }
		k, err := NewDiffieHellman(inner.Public(), func(x []byte) ([]byte, error) {
			pt, err := g.point(x)
			must(t, err)
			z, err := inner.agree(agreement{x, pt})
			return answer(z, err)
		})
		must(t, err)
		cred, err := ParseCCS(ccs(k.Public(), "elsewhere", []byte("e")))
		must(t, err)
		p := pair(t, StaticDHStaticDH, suite, func(i, r *Config) { r.Identities[0] = Identity{cred, KID([]byte("e")), k} })
		i, r := p.handshake(t, true)
		agree(t, i, r)
		for name, bad := range map[string]func(z []byte, err error) ([]byte, error){
			"fails": func([]byte, error) ([]byte, error) { return nil, errors.New("gone") },
			"zero":  func(z []byte, err error) ([]byte, error) { return make([]byte, len(z)), nil },
			"short": func(z []byte, err error) ([]byte, error) { return z[1:], nil },
		} {
			answer = bad
			f := runFlow(t, p, 2)
			if err := steps[2].do(f); err == nil {
				t.Errorf("suite %v: ECDH elsewhere %s", suite, name)
			}
		}
	}
	if _, err := NewDiffieHellman(testKey(t, Ed25519, false, "x").Public(), nil); !errors.Is(err, ErrConfig) {
		t.Errorf("Diffie-Hellman on Ed25519: %v", err)
	}
	if _, err := NewDiffieHellman(testKey(t, P256, true, "x").Public(), nil); !errors.Is(err, ErrConfig) {
		t.Errorf("Diffie-Hellman by nobody: %v", err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	must(t, err)
	if _, err := NewSigner(p521); !errors.Is(err, ErrConfig) {
		t.Errorf("signer on P-521: %v", err)
	}
	for _, curve := range []Curve{Ed25519, Ed448, X25519, P256, 99} {
		if _, err := NewSignatureKey(curve, make([]byte, 31)); !errors.Is(err, ErrConfig) {
			t.Errorf("signature key on %v: %v", curve, err)
		}
		if _, err := NewStaticDHKey(curve, make([]byte, 31)); !errors.Is(err, ErrConfig) {
			t.Errorf("static DH key on %v: %v", curve, err)
		}
		if _, err := NewPublicKey(curve, make([]byte, 31), nil); !errors.Is(err, ErrConfig) {
			t.Errorf("public key on %v: %v", curve, err)
		}
	}
}

// The caller's copy of a private key may be erased.
func TestPrivateKeyIsCopied(t *testing.T) {
	d := bytes.Repeat([]byte{3}, 32)
	k, err := NewStaticDHKey(X25519, d)
	must(t, err)
	p, err := groups[X25519].point(testKey(t, X25519, true, "x").Public().x)
	must(t, err)
	before, err := k.agree(agreement{point: p})
	must(t, err)
	clear(d)
	after, err := k.agree(agreement{point: p})
	must(t, err)
	if !before.Equal(after) {
		t.Error("the key has changed")
	}
}

// NIST's KMAC samples 1 and 5 (SP 800-185).
func TestKMAC(t *testing.T) {
	key := vector.Bytes(t, "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f")
	data := make([]byte, 200)
	for i := range data {
		data[i] = byte(i)
	}
	for _, c := range []struct {
		k    *keccak
		x    []byte
		want string
	}{
		{shake128, data[:4], "e5780b0d3ea6f7d3a429c5706aa43a00fadbd7d49628839e3187243f456ee14e"},
		{shake256, data, "75358cf39e41494e949707927cee0af20a3ff553904c86b08f21cc414bcfd691589d27cf5e15369cbbff8b9a4c2eb17800855d0235ff635da82533ec6b759b69"},
	} {
		want := vector.Bytes(t, c.want)
		if got := c.k.kmac(key, c.x, len(want)); !got.Equal(want) {
			t.Errorf("got %x, want %x", []byte(got), want)
		}
		if got := c.k.extract(key, c.x); !got.Equal(want) {
			t.Errorf("extract: %x, want %x", []byte(got), want)
		}
		if got := c.k.expand(key, c.x, len(want)); !got.Equal(want) {
			t.Errorf("expand: %x, want %x", []byte(got), want)
		}
	}
	if got := rightEncode(leftEncode(nil, 0), 1<<16+5); !bytes.Equal(got, []byte{1, 0, 1, 0, 5, 3}) {
		t.Errorf("encodings %x", got)
	}
}

// The table of RFC 9528, Section 10.2: AEAD, hash, MAC length, curve, signature,
// application AEAD, application hash.
func TestSuiteTable(t *testing.T) {
	for id, want := range map[SuiteID][7]int64{
		0: {10, -16, 8, 4, -8, 10, -16}, 1: {30, -16, 16, 4, -8, 10, -16}, 2: {10, -16, 8, 1, -7, 10, -16},
		3: {30, -16, 16, 1, -7, 10, -16}, 4: {24, -16, 16, 4, -8, 24, -16}, 5: {24, -16, 16, 1, -7, 24, -16},
		6: {1, -16, 16, 4, -7, 1, -16}, 24: {3, -43, 16, 2, -35, 3, -43}, 25: {24, -45, 16, 5, -8, 24, -45},
	} {
		s := suites[id]
		got := [7]int64{int64(s.AEAD), int64(s.Hash), int64(s.MACLength), int64(s.Curve), int64(s.Signature), int64(s.AppAEAD), int64(s.AppHash)}
		if got != want {
			t.Errorf("suite %v: %v, want %v", id, got, want)
		}
	}
}
