package cose_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"errors"
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
