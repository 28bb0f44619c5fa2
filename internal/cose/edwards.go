package cose

import (
	"math/big"
	"slices"
)

// edwards is a curve a*x^2 + y^2 = 1 + d*x^2*y^2 of RFC 8032. Only public keys come
// here, so variable time is no leak.
type edwards struct {
	p, d      *big.Int
	a         int64 // 1 or -1
	size      int   // of an encoded point, in bytes
	doublings int   // 2^doublings is the cofactor
}

var (
	one = big.NewInt(1)

	// edwards25519: RFC 8032, Section 5.1.
	edwards25519 = edwards{
		p:         new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19)),
		d:         decimal("37095705934669439343138083508754565189542113879843219016388785533085940283555"),
		a:         -1,
		size:      32,
		doublings: 3,
	}
	// edwards448: RFC 8032, Section 5.2.
	edwards448 = edwards{
		p:         new(big.Int).Sub(new(big.Int).Sub(new(big.Int).Lsh(one, 448), new(big.Int).Lsh(one, 224)), one),
		d:         big.NewInt(-39081),
		a:         1,
		size:      57,
		doublings: 2,
	}
)

func decimal(s string) *big.Int {
	v, _ := new(big.Int).SetString(s, 10)
	return v
}

// valid says whether b encodes a point of the curve, in the one canonical way,
// whose order is not a factor of the cofactor.
func (c *edwards) valid(b []byte) bool {
	if len(b) != c.size {
		return false
	}
	b = slices.Clone(b)
	slices.Reverse(b)
	b[0] &= 0x7f // the sign of x
	y := new(big.Int).SetBytes(b)
	if y.Cmp(c.p) >= 0 {
		return false
	}
	xx := c.xSquared(y)
	if xx == nil || big.Jacobi(xx, c.p) < 0 {
		return false
	}
	// A zero x with a sign needs no look: with x zero, the order is 1 or 2.
	for range c.doublings {
		y = c.double(y)
	}
	return y.Cmp(one) != 0
}

// xSquared solves the curve's equation: x^2 = (y^2 - 1) / (d*y^2 - a).
func (c *edwards) xSquared(y *big.Int) *big.Int {
	yy := new(big.Int).Mul(y, y)
	den := new(big.Int).Mul(c.d, yy)
	den.Sub(den, big.NewInt(c.a)).Mod(den, c.p)
	return c.divide(yy.Sub(yy, one), den)
}

// double gives the y-coordinate of twice the point:
// (y^2 - a*x^2) / (2 - a*x^2 - y^2).
func (c *edwards) double(y *big.Int) *big.Int {
	axx := new(big.Int).Mul(c.xSquared(y), big.NewInt(c.a))
	yy := new(big.Int).Mul(y, y)
	den := new(big.Int).Sub(big.NewInt(2), axx)
	den.Sub(den, yy).Mod(den, c.p)
	return c.divide(yy.Sub(yy, axx), den)
}

// divide gives a/b modulo p, or nil if b is zero: never, on a complete curve.
func (c *edwards) divide(a, b *big.Int) *big.Int {
	inverse := new(big.Int).ModInverse(b, c.p)
	if inverse == nil {
		return nil
	}
	a.Mul(a, inverse)
	return a.Mod(a, c.p)
}
