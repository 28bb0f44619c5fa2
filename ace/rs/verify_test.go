package rs

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
)

// The numbers in the names are those of the project's list of behaviours.

//spec:9200-5.10.1-4
//spec:9200-5.10.1.1-1
//spec:9200-5.10.1.1-2
//spec:9200-5.10.1.1-3
//spec:9200-5.10.1.1-4
//spec:9200-5.10.1.1-5
//spec:9200-5.10.1.1-6
//spec:9200-5.10.1.1-8
//spec:9200-5.10.1.1-9
//spec:9200-5.10.1.1-10
//spec:9200-5.10.1.1-11
//spec:9200-5.10.1.1-12
//spec:9200-5.10.1.1-13
//spec:9200-5.10.1.1-14
//spec:9200-5.10.1.1-15
func TestVerifyRefuses(t *testing.T) {
	s := newServer(t, nil)
	good := goodClaims("c1")
	enc := func(options ...claimsOption) []byte { return encrypt(t, s.key, goodClaims("c1", options...)) }
	raw := func(plaintext []byte) []byte { return encryptRaw(t, "k1", 1, plaintext) }
	osc := func(pairs ...any) []byte { return raw(withMaterial(good, pairs...)) }
	garbled := enc()
	garbled[len(garbled)-1] ^= 1

	tests := []struct {
		name  string
		token []byte
		want  uint8
	}{
		{"23 no token", nil, Unauthorized},
		{"23 garbage", []byte("garbage"), Unauthorized},
		{"23 CBOR that is no token", []byte{0xa0}, Unauthorized},
		{"23 wrong tag value", garbled, Unauthorized},
		{"23 wrong key", encrypt(t, newKey(t, issuer, "k1", 2), good), Unauthorized},
		{"23 wrong audience", enc(func(c *ace.Claims) { c.Audience = "rs2" }), Forbidden},
		{"23 wrong audiences", enc(func(c *ace.Claims) { c.Audience, c.Audiences = "", []string{"rs2", "rs3"} }), Forbidden},
		{"23 scope of text", enc(func(c *ace.Claims) { c.Scope = ace.TextScope("read") }), BadRequest},
		{"23 scope that is no AIF", enc(func(c *ace.Claims) { c.Scope = ace.ByteScope([]byte{0x81, 0x01}) }), BadRequest},
		{"23 AIF with unknown methods", enc(scope(ace.Permission{Path: "/x", Methods: 1 << 20})), BadRequest},
		{"23 plaintext is no claims set", raw([]byte{0x01}), BadRequest},
		{"23 id is text", osc(0, "c1", 2, []byte(masterSecret)), BadRequest},
		{"23 id is empty", osc(0, []byte{}, 2, []byte(masterSecret)), BadRequest},
		{"23 ms is text", osc(0, []byte("c1"), 2, "0123456789abcdef"), BadRequest},
		{"23 ms is short", osc(0, []byte("c1"), 2, []byte("short")), BadRequest},
		{"23 salt is a number", osc(0, []byte("c1"), 2, []byte(masterSecret), 5, 7), BadRequest},
		{"23 alg is bytes", osc(0, []byte("c1"), 2, []byte(masterSecret), 4, []byte{10}), BadRequest},
		{"23 alg is no AEAD", osc(0, []byte("c1"), 2, []byte(masterSecret), 4, 5), BadRequest},
		{"23 hkdf is no HKDF", osc(0, []byte("c1"), 2, []byte(masterSecret), 3, 10), BadRequest},
		{"23 hkdf is unknown text", osc(0, []byte("c1"), 2, []byte(masterSecret), 3, "MD5"), BadRequest},
		{"23 version 2", osc(0, []byte("c1"), 1, 2, 2, []byte(masterSecret)), BadRequest},
		{"23 contextId is text", osc(0, []byte("c1"), 2, []byte(masterSecret), 6, "x"), BadRequest},
		{"23 unrecognised parameter in osc", osc(0, []byte("c1"), 2, []byte(masterSecret), 7, 1), BadRequest},
		{"24 unknown kid", encrypt(t, newKey(t, issuer, "k2", 1), good), Unauthorized},
		{"24 no kid", encryptRaw(t, "", 1, good.Append(nil)), Unauthorized},
		{"24 no cnf", enc(func(c *ace.Claims) { c.Cnf = nil }), BadRequest},
		{"24 no scope", enc(func(c *ace.Claims) { c.Scope = ace.Scope{} }), BadRequest},
		{"24 no issuer", enc(func(c *ace.Claims) { c.Issuer = "" }), Unauthorized},
		{"24 another issuer", enc(func(c *ace.Claims) { c.Issuer = "coaps://as2.example.com" }), Unauthorized},
		{"24 no audience", enc(func(c *ace.Claims) { c.Audience = "" }), Forbidden},
		{"24 claims that are not wrapped", good.Append(nil), Unauthorized},
		{"24 claims in tag 61 only", append([]byte{0xd8, 61}, good.Append(nil)...), Unauthorized},
		{"expired", enc(func(c *ace.Claims) { c.Expiration = ace.Date(start.Add(-time.Second)) }), Unauthorized},
		{"expires now", enc(func(c *ace.Claims) { c.Expiration = ace.Date(start) }), Unauthorized},
		{"not yet valid", enc(func(c *ace.Claims) { c.NotBefore = ace.Date(start.Add(time.Second)) }), Unauthorized},
		{"no expiry", enc(func(c *ace.Claims) { c.Expiration = ace.NumericDate{} }), Unauthorized},
		{"profile that is not accepted", enc(func(c *ace.Claims) { c.Profile = ace.ProfileCoAPDTLS }), BadRequest},
	}
	s.mustPost("a", goodClaims("other"), start, true)
	before := s.snapshot()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v, err := s.Verify(test.token, start)
			if v != nil {
				t.Error("Verify gave a token")
			}
			e := wantCode(t, err, test.want)
			if r := ErrorResponse(err); r.Code != test.want || r.Payload != nil || r.Unprotected {
				t.Errorf("ErrorResponse(%v) = %+v, want the code only", e, r)
			}
			if after := s.snapshot(); after != before {
				t.Errorf("table is\n%s\nwant\n%s", after, before)
			}
		})
	}
}

// withMaterial encodes claims with a cnf of any osc, which is given as keys and
// values.
func withMaterial(c *ace.Claims, pairs ...any) []byte {
	copied := *c
	copied.Cnf = nil
	var osc []byte
	osc = cborseq.AppendMap(osc, len(pairs)/2)
	for i, v := range pairs {
		switch v := v.(type) {
		case int:
			osc = cborseq.AppendInt(osc, int64(v))
		case string:
			osc = cborseq.AppendText(osc, v)
		case []byte:
			osc = cborseq.AppendBytes(osc, v)
		default:
			panic(i) // of the test
		}
	}
	// cnf, 8, goes before scope, 9: the claims of a good token are 1, 3, 4, 6, 7, 9.
	encoded := copied.Append(nil)
	withoutScope := copied
	withoutScope.Scope = ace.Scope{}
	at := len(withoutScope.Append(nil))
	cnf := append([]byte{0x08, 0xa1, 0x04}, osc...)
	out := append([]byte{encoded[0] + 1}, encoded[1:at]...)
	return append(append(out, cnf...), encoded[at:]...)
}

func TestVerifyAccepts(t *testing.T) {
	s := newServer(t, func(c *Config) { c.IssuerOptional = true })
	tests := []struct {
		name   string
		change claimsOption
	}{
		{"as it is", func(*ace.Claims) {}},
		{"another name of the RS", func(c *ace.Claims) { c.Audience = "rs-alias" }},
		{"one of several audiences", func(c *ace.Claims) { c.Audience, c.Audiences = "", []string{"x", "rs1"} }},
		{"profile named", func(c *ace.Claims) { c.Profile = ace.ProfileCoAPOSCORE }},
		{"nbf now", func(c *ace.Claims) { c.NotBefore = ace.Date(start) }},
		{"no iss, if that is allowed", func(c *ace.Claims) { c.Issuer = "" }},
		{"no cti", func(c *ace.Claims) { c.CWTID = nil }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v, err := s.Verify(encrypt(t, s.key, goodClaims("c1", test.change)), start)
			if err != nil {
				t.Fatal(err)
			}
			if v.Issuer() != issuer {
				t.Errorf("Issuer() = %q, want %q", v.Issuer(), issuer)
			}
			if got, want := v.Permissions().String(), `[["/s/temp",1],["/a/led",5]]`; got != want {
				t.Errorf("Permissions() = %s, want %s", got, want)
			}
		})
	}
}

// TestVerifyOrder gives tokens with two faults: the first in the order of RFC 9200,
// Section 5.10.1.1 decides.
//
//spec:9200-5.10.1.1-7
func TestVerifyOrder(t *testing.T) {
	s := newServer(t, func(c *Config) { c.Revoked = func([]byte) bool { return true } })
	badIssuer := func(c *ace.Claims) { c.Issuer = "x" }
	badTime := func(c *ace.Claims) { c.Expiration = ace.Date(start) }
	badAudience := func(c *ace.Claims) { c.Audience = "x" }
	badScope := func(c *ace.Claims) { c.Scope = ace.TextScope("x") }
	tests := []struct {
		name    string
		options []claimsOption
		reason  string
	}{
		{"iss before exp", []claimsOption{badIssuer, badTime}, "iss is not the AS of the key"},
		{"exp before aud", []claimsOption{badTime, badAudience}, "token has expired"},
		{"revoked before aud", []claimsOption{badAudience}, "token is revoked"},
	}
	for _, test := range tests {
		_, err := s.Verify(encrypt(t, s.key, goodClaims("c1", test.options...)), start)
		if e := wantCode(t, err, Unauthorized); e.Reason != test.reason {
			t.Errorf("%s: reason = %q, want %q", test.name, e.Reason, test.reason)
		}
	}
	s = newServer(t, nil)
	_, err := s.Verify(encrypt(t, s.key, goodClaims("c1", badAudience, badScope)), start)
	wantCode(t, err, Forbidden)
}

// TestVerifySigned: a signed token is as good, but must not hold a key in clear.
func TestVerifySigned(t *testing.T) {
	private := ed25519.NewKeyFromSeed(make([]byte, 32))
	key, err := ace.NewTokenKey(ace.TokenKeyConfig{Issuer: issuer, ID: []byte("s1"), Algorithm: cose.EdDSA, Signer: private})
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(c *Config) { c.Keys = append(c.Keys, key) })
	token, err := ace.SignCWT(nil, goodClaims("c1", kid("c1")), key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(token, start); err != nil {
		t.Errorf("signed token: %v", err)
	}
	claims := goodClaims("c1").Append(nil)
	protected := cborseq.AppendBytes(nil, []byte{0xa2, 0x01, 0x27, 0x04, 0x42, 's', '1'}) // alg EdDSA, kid
	toBeSigned := cborseq.AppendText([]byte{0x84}, "Signature1")
	toBeSigned = append(toBeSigned, protected...)
	toBeSigned = cborseq.AppendBytes(append(toBeSigned, 0x40), claims)
	token = append([]byte{0xd8, 61, 0xd2, 0x84}, protected...)
	token = cborseq.AppendBytes(append(token, 0xa0), claims)
	token = cborseq.AppendBytes(token, ed25519.Sign(private, toBeSigned))
	_, err = s.Verify(token, start)
	if e := wantCode(t, err, Unauthorized); e.Reason != "key in a token that is not encrypted" {
		t.Errorf("reason = %q", e.Reason)
	}
}
