package cose_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/cloudflare/circl/dh/x448"
	"github.com/cloudflare/circl/sign/ed448"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/vector"
)

// nistKey makes a private key on a curve with two coordinates.
func nistKey(t testing.TB, crv cose.Curve) *cose.Key {
	t.Helper()
	curve := map[cose.Curve]ecdh.Curve{cose.P256: ecdh.P256(), cose.P384: ecdh.P384(), cose.P521: ecdh.P521()}[crv]
	size := map[cose.Curve]int{cose.P256: 32, cose.P384: 48, cose.P521: 66}[crv]
	d := make([]byte, size)
	d[size-1] = 7
	private, err := curve.NewPrivateKey(d)
	if err != nil {
		t.Fatal(err)
	}
	point := private.PublicKey().Bytes()
	return &cose.Key{Type: cose.EC2, Curve: crv, X: point[1 : 1+size], Y: point[1+size:], D: d}
}

// okpKey makes a private key on a curve with one coordinate.
func okpKey(t testing.TB, crv cose.Curve) *cose.Key {
	t.Helper()
	k := &cose.Key{Type: cose.OKP, Curve: crv}
	switch crv {
	case cose.X25519:
		k.D = bytes.Repeat([]byte{1}, 32)
		private, err := ecdh.X25519().NewPrivateKey(k.D)
		if err != nil {
			t.Fatal(err)
		}
		k.X = private.PublicKey().Bytes()
	case cose.X448:
		k.D = bytes.Repeat([]byte{1}, 56)
		var public x448.Key
		x448.KeyGen(&public, (*x448.Key)(k.D))
		k.X = public[:]
	case cose.CurveEd25519:
		k.D = bytes.Repeat([]byte{1}, 32)
		k.X = ed25519.NewKeyFromSeed(k.D).Public().(ed25519.PublicKey)
	default:
		k.D = bytes.Repeat([]byte{1}, 57)
		k.X = ed448.NewKeyFromSeed(k.D).Public().(ed448.PublicKey)
	}
	return k
}

func allKeys(t testing.TB) map[string]*cose.Key {
	return map[string]*cose.Key{
		"P256": nistKey(t, cose.P256), "P384": nistKey(t, cose.P384), "P521": nistKey(t, cose.P521),
		"X25519": okpKey(t, cose.X25519), "X448": okpKey(t, cose.X448),
		"Ed25519": okpKey(t, cose.CurveEd25519), "Ed448": okpKey(t, cose.CurveEd448),
		"Symmetric": {Type: cose.Symmetric, K: make([]byte, 16)},
	}
}

func TestKeyRoundTrip(t *testing.T) {
	for name, k := range allKeys(t) {
		t.Run(name, func(t *testing.T) {
			k.ID, k.BaseIV, k.Ops = []byte("kid"), []byte("iv"), []cose.KeyOp{cose.OpSign, cose.OpVerify}
			k.Others = []cose.Param{{Label: cose.Label{Text: "x"}, Value: []byte{0xf6}}, {Label: cose.Label{Int: -70000}, Value: []byte{1}}}
			encoded := k.Append(nil)
			got, err := cose.ParseKey(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if again := got.Append(nil); !bytes.Equal(again, encoded) {
				t.Errorf("re-encoded to %x, want %x", again, encoded)
			}
			if s := cborseq.String(encoded); !s.Skip() {
				t.Errorf("%x is not deterministic", encoded)
			}
			clear(encoded)
			if !bytes.Equal(got.X, k.X) || !got.D.Equal(k.D) || !got.K.Equal(k.K) || string(got.ID) != "kid" {
				t.Error("the key shares memory with its encoding")
			}
		})
	}
}

// TestPublicFromPrivate leaves out the public part (RFC 9053, Sections 7.1.1, 7.2).
//
//spec:9053-7.1.1-4
//spec:9053-7.2-2
func TestPublicFromPrivate(t *testing.T) {
	for name, k := range allKeys(t) {
		if k.Type == cose.Symmetric {
			continue
		}
		t.Run(name, func(t *testing.T) {
			bare := &cose.Key{Type: k.Type, Curve: k.Curve, D: k.D}
			got, err := cose.ParseKey(bare.Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.X, k.X) || !bytes.Equal(got.Y, k.Y) {
				t.Errorf("public key %x %x, want %x %x", got.X, got.Y, k.X, k.Y)
			}
			bare.D = bare.D[1:]
			if _, err := cose.ParseKey(bare.Append(nil)); !errors.Is(err, cose.ErrKey) {
				t.Errorf("short d: %v, want ErrKey", err)
			}
		})
	}
}

// TestCompressed sends y as its sign.
func TestCompressed(t *testing.T) {
	for _, crv := range []cose.Curve{cose.P256, cose.P384, cose.P521} {
		k := nistKey(t, crv)
		for _, flip := range []bool{false, true} {
			sign := k.Y[len(k.Y)-1]&1 == 1 != flip
			b := cborseq.AppendMap(nil, 4)
			b = cborseq.AppendInt(cborseq.AppendInt(b, 1), 2)
			b = cborseq.AppendInt(cborseq.AppendInt(b, -1), int64(crv))
			b = cborseq.AppendBytes(cborseq.AppendInt(b, -2), k.X)
			b = cborseq.AppendBool(cborseq.AppendInt(b, -3), sign)
			got, err := cose.ParseKey(b)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(got.Y, k.Y) == flip {
				t.Errorf("curve %d, sign %t: y = %x, for a key with %x", crv, sign, got.Y, k.Y)
			}
		}
	}
}

// TestValidateRefuses changes one thing of a good key.
func TestValidateRefuses(t *testing.T) {
	type change struct {
		name string
		of   string // prefix of the names in allKeys; empty for all but Symmetric
		do   func(k *cose.Key)
	}
	changes := []change{
		{"no x", "", func(k *cose.Key) { k.X = nil }},                                 //spec:9053-7.2-1
		{"long x", "", func(k *cose.Key) { k.X = append(bytes.Clone(k.X), 0) }},       //spec:9053-7.1.1-1
		{"short x", "", func(k *cose.Key) { k.X = k.X[1:] }},                          //spec:9053-7.1.1-1
		{"no curve", "", func(k *cose.Key) { k.Curve = 0 }},                           //spec:9053-7.1.1-3
		{"unknown curve", "", func(k *cose.Key) { k.Curve = 8 }},                      //spec:9053-7.1-1
		{"curve of the other type", "P", func(k *cose.Key) { k.Curve = cose.X25519 }}, //spec:9053-7.1-1
		{"curve of the other type", "X", func(k *cose.Key) { k.Curve = cose.P256 }},   //spec:9053-7.1-1
		{"curve of the other type", "Ed", func(k *cose.Key) { k.Curve = cose.P256 }},  //spec:9053-7.1-1
		{"no y", "P", func(k *cose.Key) { k.Y = nil }},                                //spec:9053-7.1.1-3
		{"short y", "P", func(k *cose.Key) { k.Y = k.Y[1:] }},                         //spec:9053-7.1.1-2
		{"x and y swapped", "P", func(k *cose.Key) { k.X, k.Y = k.Y, k.X }},
		{"x off by one", "P", func(k *cose.Key) { k.X = bytes.Clone(k.X); k.X[len(k.X)-1] ^= 1 }},
		{"point zero", "P", func(k *cose.Key) { k.X, k.Y = make([]byte, len(k.X)), make([]byte, len(k.Y)) }},
		{"x beyond the field", "P", func(k *cose.Key) { k.X = bytes.Repeat([]byte{0xff}, len(k.X)) }},
		{"other d", "", func(k *cose.Key) { k.D = k.D.Clone(); k.D[1] ^= 0x10 }},
		{"short d", "", func(k *cose.Key) { k.D = k.D[1:] }},
		{"long d", "", func(k *cose.Key) { k.D = append(k.D.Clone(), 0) }},
		{"d zero", "P", func(k *cose.Key) { k.D = make([]byte, len(k.D)) }},
		{"unknown type", "", func(k *cose.Key) { k.Type = 9 }},
		{"alg of another type", "", func(k *cose.Key) { k.Algorithm = cose.AES_CCM_16_64_128 }},
		{"alg of another type", "Symmetric", func(k *cose.Key) { k.Algorithm = cose.ES256 }},
		{"no k", "Symmetric", func(k *cose.Key) { k.K = nil }}, //spec:9053-7.3-1
		{"unknown type", "Symmetric", func(k *cose.Key) { k.Type = 3 }},
	}
	for _, c := range changes {
		for name := range allKeys(t) {
			if c.of == "" && name == "Symmetric" || !strings.HasPrefix(name, c.of) {
				continue
			}
			t.Run(c.name+"/"+name, func(t *testing.T) {
				k := allKeys(t)[name]
				if err := k.Validate(); err != nil {
					t.Fatal(err)
				}
				c.do(k)
				if err := k.Validate(); !errors.Is(err, cose.ErrKey) {
					t.Errorf("Validate = %v, want ErrKey", err)
				}
			})
		}
	}
}

// TestOKPPoints holds encodings that are no public keys.
func TestOKPPoints(t *testing.T) {
	littleEndian := func(v *big.Int, size int) []byte {
		b := v.FillBytes(make([]byte, size))
		slices.Reverse(b)
		return b
	}
	one := big.NewInt(1)
	p25519 := new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	p448 := new(big.Int).Sub(new(big.Int).Sub(new(big.Int).Lsh(one, 448), new(big.Int).Lsh(one, 224)), one)
	minusOne := func(p *big.Int) *big.Int { return new(big.Int).Sub(p, one) }
	signed := func(b []byte) []byte { b[len(b)-1] |= 0x80; return b }
	order8 := vector.Bytes(t, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
	for name, c := range map[string]struct {
		crv cose.Curve
		x   []byte
	}{
		"Ed25519, order 1":               {cose.CurveEd25519, littleEndian(one, 32)},
		"Ed25519, order 1, sign of zero": {cose.CurveEd25519, signed(littleEndian(one, 32))},
		"Ed25519, order 2":               {cose.CurveEd25519, littleEndian(minusOne(p25519), 32)},
		"Ed25519, order 4":               {cose.CurveEd25519, make([]byte, 32)},
		"Ed25519, order 4, other":        {cose.CurveEd25519, signed(make([]byte, 32))},
		"Ed25519, order 8":               {cose.CurveEd25519, order8},
		"Ed25519, order 8, other":        {cose.CurveEd25519, signed(bytes.Clone(order8))},
		"Ed25519, y is p":                {cose.CurveEd25519, littleEndian(p25519, 32)},
		"Ed25519, y is p+3, an alias":    {cose.CurveEd25519, littleEndian(new(big.Int).Add(p25519, big.NewInt(3)), 32)},
		"Ed25519, not on the curve":      {cose.CurveEd25519, littleEndian(big.NewInt(2), 32)},
		"Ed448, order 1":                 {cose.CurveEd448, littleEndian(one, 57)},
		"Ed448, order 2":                 {cose.CurveEd448, littleEndian(minusOne(p448), 57)},
		"Ed448, order 4":                 {cose.CurveEd448, make([]byte, 57)},
		"Ed448, y is p":                  {cose.CurveEd448, littleEndian(p448, 57)},
		"Ed448, last byte":               {cose.CurveEd448, append(bytes.Clone(okpKey(t, cose.CurveEd448).X[:56]), 1)},
		"X25519, zero":                   {cose.X25519, make([]byte, 32)},
		"X25519, one":                    {cose.X25519, littleEndian(one, 32)},
		"X25519, minus one":              {cose.X25519, littleEndian(minusOne(p25519), 32)},
		"X25519, p":                      {cose.X25519, littleEndian(p25519, 32)},
		"X448, zero":                     {cose.X448, make([]byte, 56)},
		"X448, one":                      {cose.X448, littleEndian(one, 56)},
		"X448, minus one":                {cose.X448, littleEndian(minusOne(p448), 56)},
		"X448, p":                        {cose.X448, littleEndian(p448, 56)},
	} {
		t.Run(name, func(t *testing.T) {
			k := &cose.Key{Type: cose.OKP, Curve: c.crv, X: c.x}
			if err := k.Validate(); !errors.Is(err, cose.ErrKey) {
				t.Errorf("Validate of %x = %v, want ErrKey", c.x, err)
			}
		})
	}
}

// TestEdwardsAcceptsKeys runs many good keys through the arithmetic.
func TestEdwardsAcceptsKeys(t *testing.T) {
	for i := range 50 {
		seed := bytes.Repeat([]byte{byte(i)}, 57)
		for _, k := range []*cose.Key{
			{Type: cose.OKP, Curve: cose.CurveEd25519, X: ed25519.NewKeyFromSeed(seed[:32]).Public().(ed25519.PublicKey)},
			{Type: cose.OKP, Curve: cose.CurveEd448, X: ed448.NewKeyFromSeed(seed).Public().(ed448.PublicKey)},
		} {
			if err := k.Validate(); err != nil {
				t.Errorf("key %x: %v", k.X, err)
			}
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		key  string
		want error
	}{
		"nothing":              {"", cose.ErrMalformed},
		"array":                {"80", cose.ErrMalformed},
		"no kty":               {"a0", cose.ErrMalformed}, //spec:9052-7.1-1
		"no kty but others":    {"a1024101", cose.ErrMalformed},
		"text kty":             {"a2016161 204101", cose.ErrKey},
		"unknown kty":          {"a2010320 4101", cose.ErrKey},
		"kty twice":            {"a301040104204101", cose.ErrMalformed}, //spec:9052-9-3
		"behind the end":       {"a2010420410100", cose.ErrMalformed},
		"text alg":             {"a30104036161204101", cose.ErrMalformed},
		"crv is a text":        {"a30101206161214101", cose.ErrMalformed},
		"k is a text":          {"a20104206161", cose.ErrMalformed},
		"kid is a text":        {"a30104026161204101", cose.ErrMalformed},
		"key_ops is a number":  {"a301040401204101", cose.ErrMalformed},
		"key_ops holds bytes":  {"a30104048140204101", cose.ErrMalformed},
		"y of one byte":        {"a401022001214101224103", cose.ErrMalformed},
		"compressed, bad size": {"a40102200121410122f5", cose.ErrKey},
		"compressed, no crv":   {"a3010221410122f5", cose.ErrKey},
		"y without x":          {"a40102200122f5234101", cose.ErrKey},
	} {
		t.Run(name, func(t *testing.T) {
			if k, err := cose.ParseKey(vector.Bytes(t, c.key)); !errors.Is(err, c.want) || k != nil {
				t.Errorf("ParseKey = %v, %v, want %v", k, err, c.want)
			}
		})
	}
	// Not every x has a point.
	b := slices.Concat(vector.Bytes(t, "a4 0102 2001 215820"), bytes.Repeat([]byte{0xff}, 32), vector.Bytes(t, "22f5"))
	if _, err := cose.ParseKey(b); !errors.Is(err, cose.ErrKey) {
		t.Errorf("compressed point beyond the field: %v, want ErrKey", err)
	}
}

// TestKeyOps: text values, which no registry entry has, are left out, but the list
// still restricts.
func TestKeyOps(t *testing.T) {
	k, err := cose.ParseKey(append(vector.Bytes(t, "a3 0104 04 82 03 61 61 20 50"), make([]byte, 16)...))
	if err != nil {
		t.Fatal(err)
	}
	if want := []cose.KeyOp{cose.OpEncrypt}; !slices.Equal(k.Ops, want) {
		t.Errorf("Ops = %v, want %v", k.Ops, want)
	}
}

func TestCheckUse(t *testing.T) {
	symmetric := func(size int, alg cose.Algorithm, ops ...cose.KeyOp) *cose.Key {
		return &cose.Key{Type: cose.Symmetric, K: make([]byte, size), Algorithm: alg, Ops: ops}
	}
	keys := allKeys(t)
	for _, c := range []struct {
		name string
		key  *cose.Key
		alg  cose.Algorithm
		op   cose.KeyOp
		want bool
	}{
		{"any use", symmetric(16, 0), cose.AES_CCM_16_64_128, cose.OpEncrypt, true},
		{"its alg", symmetric(16, cose.A128GCM), cose.A128GCM, cose.OpEncrypt, true},
		{"other alg", symmetric(16, cose.A128GCM), cose.AES_CCM_16_64_128, cose.OpEncrypt, false},            //spec:9052-7.1-4
		{"other GCM", symmetric(16, cose.AES_CCM_16_64_128), cose.A128GCM, cose.OpEncrypt, false},            //spec:9053-4.1-3
		{"other CCM", symmetric(16, cose.AES_CCM_16_64_128), cose.AES_CCM_16_128_128, cose.OpEncrypt, false}, //spec:9053-4.2-3
		{"other than ChaCha", symmetric(32, cose.ChaCha20Poly1305), cose.A256GCM, cose.OpEncrypt, false},     //spec:9052-7.1-5
		{"ChaCha with other", symmetric(32, cose.A256GCM), cose.ChaCha20Poly1305, cose.OpEncrypt, false},     //spec:9053-4.3-3
		{"other HMAC", symmetric(32, cose.HMAC256_64), cose.HMAC256_256, cose.OpMACVerify, false},            //spec:9053-3.1-3
		{"key too short", symmetric(16, 0), cose.A256GCM, cose.OpEncrypt, false},
		{"key too long", symmetric(32, 0), cose.A128GCM, cose.OpEncrypt, false},
		{"HMAC key too short", symmetric(31, 0), cose.HMAC256_64, cose.OpMACCreate, false},
		{"HMAC key longer", symmetric(64, 0), cose.HMAC256_64, cose.OpMACCreate, true},
		{"EC2 for HMAC", keys["P256"], cose.HMAC256_64, cose.OpMACCreate, false},         //spec:9053-3.1-2
		{"EC2 for GCM", keys["P256"], cose.A128GCM, cose.OpEncrypt, false},               //spec:9053-4.1-2
		{"EC2 for CCM", keys["P256"], cose.AES_CCM_16_64_128, cose.OpEncrypt, false},     //spec:9053-4.2-2
		{"OKP for ChaCha", keys["X25519"], cose.ChaCha20Poly1305, cose.OpEncrypt, false}, //spec:9053-4.3-2
		{"symmetric for ES256", symmetric(32, 0), cose.ES256, cose.OpVerify, false},      //spec:9052-7.1-2
		{"symmetric for HKDF", symmetric(32, 0), cose.DirectHKDFSHA256, cose.OpDeriveKey, true},
		{"EC2 for HKDF", keys["P256"], cose.DirectHKDFSHA256, cose.OpDeriveKey, false}, //spec:9052-7.1-3
		{"P256 for ES256", keys["P256"], cose.ES256, cose.OpVerify, true},
		{"P521 for ES256", keys["P521"], cose.ES256, cose.OpVerify, true},
		{"P256 for ESP256", keys["P256"], cose.ESP256, cose.OpVerify, true},
		{"P384 for ESP256", keys["P384"], cose.ESP256, cose.OpVerify, false},
		{"P384 for ESP384", keys["P384"], cose.ESP384, cose.OpVerify, true},
		{"P521 for ESP384", keys["P521"], cose.ESP384, cose.OpVerify, false},
		{"P521 for ESP512", keys["P521"], cose.ESP512, cose.OpVerify, true},
		{"P256 for ESP512", keys["P256"], cose.ESP512, cose.OpVerify, false},
		{"Ed25519 for EdDSA", keys["Ed25519"], cose.EdDSA, cose.OpVerify, true},
		{"Ed448 for EdDSA", keys["Ed448"], cose.EdDSA, cose.OpVerify, true},
		{"X25519 for EdDSA", keys["X25519"], cose.EdDSA, cose.OpVerify, false},
		{"Ed25519 for Ed25519", keys["Ed25519"], cose.Ed25519, cose.OpVerify, true},
		{"Ed448 for Ed25519", keys["Ed448"], cose.Ed25519, cose.OpVerify, false},
		{"Ed448 for Ed448", keys["Ed448"], cose.Ed448, cose.OpVerify, true},
		{"Ed25519 for Ed448", keys["Ed25519"], cose.Ed448, cose.OpVerify, false},
		{"unknown algorithm", symmetric(16, 0), -999, cose.OpVerify, false},
		{"algorithm without key", symmetric(16, 0), cose.SHA256, cose.OpVerify, false},
		{"encrypt listed", symmetric(16, 0, cose.OpEncrypt), cose.A128GCM, cose.OpEncrypt, true},
		{"wrap key listed", symmetric(16, 0, cose.OpWrapKey), cose.A128GCM, cose.OpEncrypt, true},
		{"decrypt listed", symmetric(16, 0, cose.OpDecrypt), cose.A128GCM, cose.OpEncrypt, false},                //spec:9053-4.1-4
		{"unwrap key listed", symmetric(16, 0, cose.OpUnwrapKey), cose.AES_CCM_16_64_128, cose.OpEncrypt, false}, //spec:9053-4.2-4
		{"encrypt not listed", symmetric(32, 0, cose.OpMACCreate), cose.ChaCha20Poly1305, cose.OpEncrypt, false}, //spec:9053-4.3-4
		{"unwrap key, decrypt", symmetric(16, 0, cose.OpUnwrapKey), cose.A128GCM, cose.OpDecrypt, true},
		{"only encrypt, GCM", symmetric(16, 0, cose.OpEncrypt), cose.A128GCM, cose.OpDecrypt, false},             //spec:9053-4.1-5
		{"only encrypt, CCM", symmetric(16, 0, cose.OpEncrypt), cose.AES_CCM_16_64_128, cose.OpDecrypt, false},   //spec:9053-4.2-5
		{"only encrypt, ChaCha", symmetric(32, 0, cose.OpEncrypt), cose.ChaCha20Poly1305, cose.OpDecrypt, false}, //spec:9053-4.3-5
		{"MAC create listed", symmetric(32, 0, cose.OpMACCreate), cose.HMAC256_64, cose.OpMACCreate, true},
		{"MAC verify only", symmetric(32, 0, cose.OpMACVerify), cose.HMAC256_64, cose.OpMACCreate, false}, //spec:9053-3.1-4
		{"MAC create only", symmetric(32, 0, cose.OpMACCreate), cose.HMAC256_64, cose.OpMACVerify, false}, //spec:9053-3.1-5
		{"nothing allowed", &cose.Key{Type: cose.Symmetric, K: make([]byte, 16), Ops: []cose.KeyOp{}}, cose.A128GCM, cose.OpEncrypt, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.key.CheckUse(c.alg, c.op)
			if got := err == nil; got != c.want || err != nil && !errors.Is(err, cose.ErrKey) {
				t.Errorf("CheckUse = %v, want %t", err, c.want)
			}
		})
	}
}

func TestPublicKey(t *testing.T) {
	for name, k := range allKeys(t) {
		public, err := k.PublicKey()
		var got []byte
		switch p := public.(type) {
		case *ecdsa.PublicKey:
			if got, err = p.Bytes(); err == nil {
				got = got[1 : 1+len(k.X)]
			}
		case ed25519.PublicKey:
			got = p
		case ed448.PublicKey:
			got = p
		}
		if signs := name != "Symmetric" && name[0] != 'X'; signs != (err == nil) || signs && !bytes.Equal(got, k.X) {
			t.Errorf("PublicKey of %s = %x, %v", name, got, err)
		}
	}
}

func TestKeyShowsNoSecret(t *testing.T) {
	for name, k := range allKeys(t) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
			shown := fmt.Sprintf(verb, k)
			hidden := append(bytes.Clone(k.D), k.K...)
			for _, form := range []string{fmt.Sprintf("%x", hidden), fmt.Sprint(hidden), fmt.Sprintf("%#v", hidden)} {
				if strings.Contains(shown, strings.Trim(form, "[]")) {
					t.Errorf("%s of a %s key is %s", verb, name, shown)
				}
			}
		}
	}
}
