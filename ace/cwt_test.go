package ace

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/internal/vector"
)

// rfc8392 are the examples of RFC 8392, Appendix A.
type rfc8392 struct {
	ClaimsSet vector.Hex `json:"claims_set"`
	Symmetric vector.Hex `json:"key_symmetric128"`
	ECDSA     vector.Hex `json:"key_ecdsa_p256"`
	A3        vector.Hex `json:"A.3_signed"`
	A4        vector.Hex `json:"A.4_maced_cwt_tag"`
	A5        vector.Hex `json:"A.5_encrypted"`
	A6        vector.Hex `json:"A.6_nested"`
	A7        vector.Hex `json:"A.7_maced_float_iat"`
}

func tokenKey(t testing.TB, c TokenKeyConfig) *TokenKey {
	t.Helper()
	k, err := NewTokenKey(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// only gives k for every kid.
func only(k ...*TokenKey) func([]byte) []*TokenKey {
	return func([]byte) []*TokenKey { return k }
}

// TestRFC8392 opens the examples, which have the tags and the unprotected
// headers of the time before RFC 9770, and makes the encrypted one again.
//
//spec:8392-7.1-1
//spec:8392-7.1-2
//spec:8392-7.1-4
func TestRFC8392(t *testing.T) {
	v := vector.Load[rfc8392](t, "testdata/rfc8392.json")
	claims, err := ParseClaims(v.ClaimsSet)
	if err != nil {
		t.Fatal(err)
	}
	reencoded(t, v.ClaimsSet, claims)
	form := TokenForm{NoTag61: true, Unprotected: true}

	symmetric, err := ParseKey(v.Symmetric)
	if err != nil {
		t.Fatal(err)
	}
	k := tokenKey(t, TokenKeyConfig{ID: symmetric.KID(), Secret: symmetric.Symmetric(), Form: form})
	got, by, err := OpenCWT(v.A5, func(kid []byte) []*TokenKey {
		if string(kid) != "Symmetric128" {
			t.Errorf("kid = %q", kid)
		}
		return []*TokenKey{k}
	})
	if err != nil || by != k || !bytes.Equal(got.Append(nil), v.ClaimsSet) {
		t.Errorf("A.5: %v, %v", got, err)
	}
	nonce := bytes.NewReader(vector.Bytes(t, "99a0d7846e762c49ffe8a63e0b"))
	if got, err := EncryptCWT(nil, claims, k, nonce); err != nil || !bytes.Equal(got, v.A5) {
		t.Errorf("A.5: EncryptCWT = %x, %v, want %x", got, err, v.A5)
	}

	ec, err := ParseKey(v.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	public, err := ec.Public()
	if err != nil {
		t.Fatal(err)
	}
	signed := tokenKey(t, TokenKeyConfig{Algorithm: cose.ES256, Public: public, Form: form})
	if got, _, err := OpenCWT(v.A3, only(signed)); err != nil || !bytes.Equal(got.Append(nil), v.ClaimsSet) {
		t.Errorf("A.3: %v, %v", got, err)
	}
	// Not supported: MACs, and CWTs in CWTs, which have other claims than a map.
	for name, b := range map[string][]byte{"A.4": v.A4, "A.6": v.A6, "A.7": v.A7} {
		for _, k := range []*TokenKey{k, signed} {
			if _, _, err := OpenCWT(b, only(k)); err == nil {
				t.Errorf("%s opens", name)
			}
		}
	}
	// A key for tokens in the form of RFC 9770 takes none of them.
	strict := tokenKey(t, TokenKeyConfig{ID: symmetric.KID(), Secret: symmetric.Symmetric()})
	strictly := tokenKey(t, TokenKeyConfig{ID: symmetric.KID(), Secret: symmetric.Symmetric(), Form: TokenForm{NoTag61: true}})
	for _, k := range []*TokenKey{strict, strictly} {
		if _, _, err := OpenCWT(v.A5, only(k)); err == nil {
			t.Error("A.5 opens in the form of RFC 9770")
		}
	}
}

// someClaims have what a token of the OSCORE profile has.
func someClaims() *Claims {
	return &Claims{
		Audience: "tempSensorInLivingRoom", Expiration: NumericDate{seconds: 1360289224, there: true},
		IssuedAt: NumericDate{seconds: 1360189224, there: true}, Scope: TextScope("temperature_g", "firmware_p"),
		Cnf: &Confirmation{OSCORE: &OSCOREInputMaterial{ID: []byte{1}, MasterSecret: bytes.Repeat([]byte{0xf9}, 16), Salt: []byte{1, 2}}},
	}
}

func publicClaims() *Claims {
	c := someClaims()
	c.Cnf = &Confirmation{KID: []byte{1}}
	return c
}

// keyPairs are the keys of an AS with those of its RS, of every algorithm.
func keyPairs(t testing.TB, form TokenForm) map[string][2]*TokenKey {
	pairs := map[string][2]*TokenKey{}
	for _, alg := range []cose.Algorithm{
		0, cose.A128GCM, cose.A192GCM, cose.A256GCM, cose.ChaCha20Poly1305,
		cose.AES_CCM_16_64_128, cose.AES_CCM_16_64_256, cose.AES_CCM_64_64_128, cose.AES_CCM_64_64_256,
		cose.AES_CCM_16_128_128, cose.AES_CCM_16_128_256, cose.AES_CCM_64_128_128, cose.AES_CCM_64_128_256,
	} {
		size := alg.KeySize()
		if alg == 0 {
			size = 16
		}
		k := tokenKey(t, TokenKeyConfig{ID: []byte("k"), Algorithm: alg, Secret: bytes.Repeat([]byte{7}, size), Form: form})
		pairs[alg.String()] = [2]*TokenKey{k, k}
	}
	add := func(alg cose.Algorithm, s crypto.Signer) {
		pairs[alg.String()] = [2]*TokenKey{
			tokenKey(t, TokenKeyConfig{ID: []byte("k"), Algorithm: alg, Signer: s, Form: form}),
			tokenKey(t, TokenKeyConfig{ID: []byte("k"), Algorithm: alg, Public: s.Public(), Form: form}),
		}
	}
	for alg, curve := range curves {
		s, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		add(alg, s)
	}
	_, s, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	add(cose.EdDSA, s)
	return pairs
}

func protect(t testing.TB, c *Claims, k *TokenKey) []byte {
	t.Helper()
	b, err := issue(k)(nil, c, k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// issue is what makes tokens under k.
func issue(k *TokenKey) func([]byte, *Claims, *TokenKey, io.Reader) ([]byte, error) {
	if k.Encrypts() {
		return EncryptCWT
	}
	return SignCWT
}

// TestTokenForm looks at the bytes of tokens of every algorithm.
//
//spec:9770-3-1
//spec:9770-3-2
//spec:9770-3-3
//spec:9770-3-4
//spec:9770-3-5
//spec:9770-3-6
//spec:8392-6-1
//spec:8392-7.1-1
//spec:8392-7.1-2
//spec:8392-7.1-4
//spec:9200-6.1-1
func TestTokenForm(t *testing.T) {
	for _, form := range []TokenForm{{}, {NoTag61: true}, {Unprotected: true}, {NoTag61: true, Unprotected: true}} {
		for name, pair := range keyPairs(t, form) {
			as, rs := pair[0], pair[1]
			b := protect(t, publicClaims(), as)
			s := cborseq.String(b)
			var tag uint64
			if !form.NoTag61 && (!bytes.HasPrefix(b, []byte{0xd8, 61}) || !s.ReadTag(&tag)) {
				t.Errorf("%s: %x has no tag 61", name, b)
			}
			var n int
			var protected, content []byte
			want := uint64(tagSign1)
			if as.Encrypts() {
				want = tagEncrypt0
			}
			if !s.ReadTag(&tag) || tag != want || !s.ReadArray(&n) || !s.ReadBytes(&protected) {
				t.Fatalf("%s: %x is not tag %d around an array", name, b, want)
			}
			if !form.Unprotected && !bytes.HasPrefix(s, []byte{0xa0}) {
				t.Errorf("%s: unprotected bucket of %x is not empty", name, b)
			}
			for what, label := range map[string]string{"alg": "01", "kid": "04416b"} {
				if (what == "alg" || !form.Unprotected) && !bytes.Contains(protected, vector.Bytes(t, label)) {
					t.Errorf("%s: %s is not in the protected bucket %x", name, what, protected)
				}
			}
			if !s.Skip() || !s.ReadBytes(&content) {
				t.Fatalf("%s: no content in %x", name, b)
			}
			if clear := bytes.Contains(b, []byte("tempSensor")); clear == as.Encrypts() {
				t.Errorf("%s: claims in clear %v", name, clear)
			}
			claims, by, err := OpenCWT(b, only(rs))
			if err != nil || by != rs || !bytes.Equal(claims.Append(nil), publicClaims().Append(nil)) {
				t.Errorf("%s: OpenCWT = %+v, %v", name, claims, err)
			}
			for _, other := range []TokenForm{{}, {NoTag61: true}, {Unprotected: true}, {NoTag61: true, Unprotected: true}} {
				k := *rs
				k.form = other
				_, _, err := OpenCWT(b, only(&k))
				// A bucket that may hold something may be empty, too.
				if ok := other.NoTag61 == form.NoTag61 && (other.Unprotected || !form.Unprotected); ok != (err == nil) {
					t.Errorf("%s of form %+v under a key of form %+v: %v", name, form, other, err)
				}
			}
		}
	}
}

// TestClaimsOfVerifiedToken: malformed claims are 4.00, for the RS knows who made
// them.
func TestClaimsOfVerifiedToken(t *testing.T) {
	k := tokenKey(t, TokenKeyConfig{Secret: make(secret.Bytes, 16)})
	h := cose.Headers{Protected: cose.Header{IV: make([]byte, 13)}}
	b, err := k.aead.AppendEncrypt0([]byte{0xd8, 61}, h, []byte{0xa1, 1, 1}, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = OpenCWT(b, only(k))
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != BadRequest {
		t.Errorf("OpenCWT: %v, want an *Error 4.00", err)
	}
}

// TestSecretsAreEncrypted: a signed token does not carry a secret.
//
//spec:9200-3.1-1
//spec:9200-6.1-2
//spec:8747-3.2-2
//spec:9203-3.2-6
func TestSecretsAreEncrypted(t *testing.T) {
	symmetric, err := NewSymmetricKey(make([]byte, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, s, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := tokenKey(t, TokenKeyConfig{Algorithm: cose.EdDSA, Signer: s})
	for _, cnf := range []*Confirmation{someClaims().Cnf, {Key: symmetric}} {
		c := someClaims()
		c.Cnf = cnf
		if b, err := SignCWT(nil, c, k, nil); !errors.Is(err, ErrSecretInClear) {
			t.Errorf("SignCWT = %x, %v, want ErrSecretInClear", b, err)
		}
	}
	e := tokenKey(t, TokenKeyConfig{Secret: make(secret.Bytes, 16)})
	b := protect(t, someClaims(), e)
	if bytes.Contains(b, someClaims().Cnf.OSCORE.MasterSecret) {
		t.Errorf("the Master Secret is in clear in %x", b)
	}
	if got, _, err := OpenCWT(b, only(e)); err != nil || !got.Cnf.OSCORE.MasterSecret.Equal(someClaims().Cnf.OSCORE.MasterSecret) {
		t.Errorf("the Master Secret does not come back: %v", err)
	}
}

// TestRestrictedRS is the token that a small RS wants: COSE tag only, algorithm
// 31 with its nonce of 13 bytes, at most 256 bytes.
func TestRestrictedRS(t *testing.T) {
	k := tokenKey(t, TokenKeyConfig{Algorithm: cose.AES_CCM_16_128_256, Secret: make(secret.Bytes, 32), Form: TokenForm{NoTag61: true}})
	c := someClaims()
	c.Audience, c.Scope = "", AIFScope(table1)
	b := protect(t, c, k)
	if want := vector.Bytes(t, "d08353a201181f054d"); !bytes.HasPrefix(b, want) || len(b) > 256 {
		t.Errorf("token of %d bytes %x, want it to begin with %x", len(b), b, want)
	}
}

func TestNewTokenKeyRefuses(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]TokenKeyConfig{
		"no key":             {},
		"short key":          {Secret: make(secret.Bytes, 15)},
		"long key":           {Secret: make(secret.Bytes, 32)},
		"HMAC":               {Algorithm: cose.HMAC256_256, Secret: make(secret.Bytes, 32)},
		"unknown":            {Algorithm: 9999, Secret: make(secret.Bytes, 16)},
		"no public key":      {Algorithm: cose.ES256},
		"key of another alg": {Algorithm: cose.EdDSA, Public: p256.Public()},
		"another curve":      {Algorithm: cose.ES384, Signer: p256},
		"another public":     {Algorithm: cose.ES512, Public: p256.Public()},
	} {
		if _, err := NewTokenKey(c); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v, want ErrKey", name, err)
		}
	}
	e := tokenKey(t, TokenKeyConfig{Secret: make(secret.Bytes, 16)})
	v := tokenKey(t, TokenKeyConfig{Algorithm: cose.ES256, Public: p256.Public()})
	if _, err := EncryptCWT(nil, publicClaims(), v, nil); !errors.Is(err, ErrKey) {
		t.Errorf("EncryptCWT under a public key: %v, want ErrKey", err)
	}
	for _, k := range []*TokenKey{e, v} {
		if _, err := SignCWT(nil, publicClaims(), k, nil); !errors.Is(err, ErrKey) {
			t.Errorf("SignCWT under %v without a signer: %v, want ErrKey", k.Algorithm(), err)
		}
	}
}

// TestRandomFails: no token with a nonce that is none.
func TestRandomFails(t *testing.T) {
	k := tokenKey(t, TokenKeyConfig{Secret: make(secret.Bytes, 16)})
	for _, r := range []io.Reader{iotest.ErrReader(io.ErrClosedPipe), bytes.NewReader(make([]byte, 12))} {
		if b, err := EncryptCWT(nil, someClaims(), k, r); err == nil || b != nil {
			t.Errorf("EncryptCWT = %x, %v, want an error", b, err)
		}
	}
}

func TestAppendsToken(t *testing.T) {
	for name, pair := range keyPairs(t, TokenForm{}) {
		b, err := issue(pair[0])([]byte("head"), publicClaims(), pair[0], nil)
		if err != nil || !bytes.HasPrefix(b, []byte("head\xd8\x3d")) {
			t.Errorf("%s: %x, %v", name, b, err)
		}
	}
}
