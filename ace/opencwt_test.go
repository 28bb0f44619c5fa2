package ace

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"math/big"
	"strings"
	"testing"

	gocose "github.com/veraison/go-cose"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/internal/vector"
)

// TestOneEncoding changes a token in every bit, and rewrites its outside, where
// nothing authenticates it: an RS that accepted another encoding would not find
// the token in the revocation list (RFC 9770, Section 14.6).
//
//spec:8392-7.2-1
func TestOneEncoding(t *testing.T) {
	for name, pair := range keyPairs(t, TokenForm{}) {
		b := protect(t, publicClaims(), pair[0])
		refuse := func(what string, b []byte) {
			t.Helper()
			_, _, err := OpenCWT(b, only(pair[1]))
			if e, ok := errors.AsType[*Error](err); !ok || e.Code != Unauthorized {
				t.Errorf("%s: %s: %v, want an *Error 4.01", name, what, err)
			}
		}
		for i := range b {
			for bit := range 8 {
				if !pair[0].Encrypts() && (bit > 0 || i%4 != 0) && i > 40 {
					continue // signatures are slow: one bit of every fourth byte
				}
				flipped := bytes.Clone(b)
				flipped[i] ^= 1 << bit
				refuse("a flipped bit", flipped)
			}
			refuse("cut off", b[:i])
		}
		inner := b[2:]
		object := inner[1:]
		refuse("no tag 61", inner)
		refuse("no tag", object)
		refuse("tag 61 only", append([]byte{0xd8, 61}, object...))
		refuse("tag 61 twice", append([]byte{0xd8, 61}, b...))
		refuse("long tag 61", append([]byte{0xd9, 0, 61}, inner...))
		refuse("long COSE tag", append([]byte{0xd8, 61, 0xd8, inner[0] & 31}, object...))
		refuse("another COSE tag", append([]byte{0xd8, 61, inner[0] ^ 2}, object...))
		refuse("self-described", append([]byte{0xd9, 0xd9, 0xf7}, b...))
		refuse("something behind", append(bytes.Clone(b), 0))
		refuse("long array head", append([]byte{0xd8, 61, inner[0], 0x98, object[0] & 31}, object[1:]...))

		s := cborseq.String(object)
		var n int
		var protected, unprotected []byte
		if !s.ReadArray(&n) || !s.ReadRaw(&protected) || !s.ReadRaw(&unprotected) {
			t.Fatal("no COSE object")
		}
		start := []byte{0xd8, 61, inner[0], object[0]}
		start = append(start, protected...)
		for what, bucket := range map[string]string{
			"a kid": "a104416b", "an alg": "a1010a", "an IV": "a1054d" + strings.Repeat("00", 13), "an unknown header": "a1186300", "a text header": "a1616100", "a long empty map": "b800",
		} {
			refuse("unprotected bucket with "+what, append(append(bytes.Clone(start), vector.Bytes(t, bucket)...), s...))
		}
	}
}

// TestLowS: of the two signatures that an attacker can make of one, one is taken.
func TestLowS(t *testing.T) {
	for alg, curve := range curves {
		s, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		as := tokenKey(t, TokenKeyConfig{Algorithm: alg, Signer: s})
		lenient := tokenKey(t, TokenKeyConfig{Algorithm: alg, Public: s.Public(), Form: TokenForm{Unprotected: true}})
		for range 8 { // half of the signatures come out low by themselves
			b := protect(t, publicClaims(), as)
			if _, _, err := OpenCWT(b, only(as)); err != nil {
				t.Fatalf("%v: %v", alg, err)
			}
			size := (curve.Params().BitSize + 7) / 8
			half := b[len(b)-size:]
			other := bytes.Clone(half)
			low := as.isLow(half)
			n := curve.Params().N
			bigS := new(big.Int).SetBytes(other)
			bigS.Sub(n, bigS).FillBytes(half)
			if _, _, err := OpenCWT(b, only(as)); err == nil || !low {
				t.Errorf("%v: the other signature is accepted", alg)
			}
			if _, _, err := OpenCWT(b, only(lenient)); err != nil {
				t.Errorf("%v: the other signature is none: %v", alg, err)
			}
		}
	}
}

// TestOtherKeys: the algorithm is that of the key, whatever the token says.
func TestOtherKeys(t *testing.T) {
	pairs := keyPairs(t, TokenForm{})
	for name, pair := range pairs {
		b := protect(t, publicClaims(), pair[0])
		for other, p := range pairs {
			if p[1].Algorithm() == pair[1].Algorithm() {
				continue
			}
			if _, _, err := OpenCWT(b, only(p[1])); err == nil {
				t.Errorf("a token of %s opens under a key of %s", name, other)
			}
			if _, k, err := OpenCWT(b, only(p[1], pair[1])); err != nil || k != pair[1] {
				t.Errorf("a token of %s does not open under the second key: %v", name, err)
			}
		}
		if _, _, err := OpenCWT(b, only()); err == nil {
			t.Errorf("%s opens without a key", name)
		}
	}
	wrong := tokenKey(t, TokenKeyConfig{Secret: make(secret.Bytes, 16)})
	if _, _, err := OpenCWT(protect(t, someClaims(), pairs["AES-CCM-16-64-128"][0]), only(wrong)); err == nil {
		t.Error("a token opens under another key")
	}
}

// TestCritical: what must be understood is not.
func TestCritical(t *testing.T) {
	k := tokenKey(t, TokenKeyConfig{Secret: make(secret.Bytes, 16)})
	h := cose.Headers{Protected: cose.Header{
		IV: make([]byte, 13), Critical: []cose.Label{{Int: 99}}, Others: []cose.Param{{Label: cose.Label{Int: 99}, Value: []byte{0}}},
	}}
	b, err := k.aead.AppendEncrypt0([]byte{0xd8, 61}, h, publicClaims().Append(nil), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenCWT(b, only(k)); err == nil {
		t.Error("OpenCWT accepts a critical header")
	}
}

// TestCriticalSigned is the same for a signature.
func TestCriticalSigned(t *testing.T) {
	as := keyPairs(t, TokenForm{})["EdDSA"][0]
	m := gocose.NewSign1Message()
	m.Payload = publicClaims().Append(nil)
	m.Headers.Protected.SetAlgorithm(gocose.AlgorithmEdDSA)
	for _, critical := range []bool{false, true} {
		if critical {
			m.Headers.Protected[gocose.HeaderLabelCritical] = []any{int64(99)}
			m.Headers.Protected[int64(99)] = int64(0)
			m.Signature = nil
		}
		if err := m.Sign(rand.Reader, nil, as.signer); err != nil {
			t.Fatal(err)
		}
		b, err := m.MarshalCBOR()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := OpenCWT(append([]byte{0xd8, 61}, b...), only(as)); (err != nil) != critical {
			t.Errorf("critical header %v: OpenCWT: %v", critical, err)
		}
	}
}

// TestUnprotectedNonce: a nonce alone in the unprotected bucket.
func TestUnprotectedNonce(t *testing.T) {
	c := TokenKeyConfig{Secret: make(secret.Bytes, 16), Form: TokenForm{Unprotected: true}}
	b := protect(t, publicClaims(), tokenKey(t, c))
	c.Form = TokenForm{}
	if _, _, err := OpenCWT(b, only(tokenKey(t, c))); err == nil {
		t.Error("OpenCWT accepts an unprotected nonce")
	}
}

// TestSigns: which keys serve one token.
func TestSigns(t *testing.T) {
	_, s, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	base := TokenKeyConfig{ID: []byte("k"), Algorithm: cose.EdDSA, Signer: s}
	k := tokenKey(t, base)
	public := tokenKey(t, TokenKeyConfig{ID: []byte("k"), Algorithm: cose.EdDSA, Public: s.Public()})
	if !k.Signs(k) || !k.Signs(tokenKey(t, base)) || !k.Signs(public) {
		t.Error("a key does not sign what it signs")
	}
	for name, c := range map[string]TokenKeyConfig{
		"another key":  {ID: []byte("k"), Algorithm: cose.EdDSA, Signer: other},
		"another kid":  {ID: []byte("l"), Algorithm: cose.EdDSA, Signer: s},
		"another form": {ID: []byte("k"), Algorithm: cose.EdDSA, Signer: s, Form: TokenForm{NoTag61: true}},
		"encryption":   {ID: []byte("k"), Secret: make(secret.Bytes, 16)},
	} {
		if o := tokenKey(t, c); k.Signs(o) || o.Signs(k) {
			t.Errorf("%s signs the same", name)
		}
	}
	e := tokenKey(t, TokenKeyConfig{Secret: make(secret.Bytes, 16)})
	if e.Signs(e) {
		t.Error("an encryption key signs")
	}
}
