package cose_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/cloudflare/circl/sign/ed448"

	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/vector"
)

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
