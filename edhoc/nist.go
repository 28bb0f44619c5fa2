package edhoc

import (
	"io"

	"github.com/ostiary/ostiary/internal/secret"
)

// nistPoint is what the points of filippo.io/nistec have in common.
type nistPoint[P any] interface {
	SetBytes([]byte) (P, error)
	Bytes() []byte
	BytesX() ([]byte, error)
	ScalarMult(P, []byte) (P, error)
	ScalarBaseMult([]byte) (P, error)
}

// nist is a curve of SP 800-186 of prime order.
type nist[P nistPoint[P]] struct {
	new   func() P
	n     int // bytes of a coordinate and of a scalar
	order []byte
}

type pointNIST[P nistPoint[P]] struct {
	g *nist[P]
	p P
}

// The orders of the base points (SP 800-186, Section 3.2.1).
var (
	orderP256 = []byte{
		0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
	}
	orderP384 = []byte{
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
		0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
	}
)

func (g *nist[P]) size() int { return g.n }

// inRange says whether d is in 1..order-1, in constant time.
func (g *nist[P]) inRange(d []byte) bool {
	if len(d) != g.n {
		return false
	}
	var borrow, any int
	for i := g.n - 1; i >= 0; i-- {
		borrow = (int(d[i]) - int(g.order[i]) - borrow) >> 8 & 1
		any |= int(d[i])
	}
	return borrow == 1 && any != 0
}

// generate draws candidates until one is in range (FIPS 186-5, Appendix A.2.2):
// the second is needed once in 2^32 times or less.
func (g *nist[P]) generate(rand io.Reader) (secret.Bytes, []byte, error) {
	d := make(secret.Bytes, g.n)
	for range 64 {
		if _, err := io.ReadFull(rand, d); err != nil {
			return nil, nil, err
		}
		if !g.inRange(d) {
			continue
		}
		p, err := g.new().ScalarBaseMult(d)
		if err != nil {
			return nil, nil, err
		}
		x, err := p.BytesX()
		return d, x, err
	}
	return nil, nil, errScalar // a broken rand
}

func (g *nist[P]) public(d []byte) (x, y []byte, err error) {
	if !g.inRange(d) {
		return nil, nil, errScalar
	}
	p, err := g.new().ScalarBaseMult(d)
	if err != nil {
		return nil, nil, err
	}
	b := p.Bytes()
	return b[1 : 1+g.n : 1+g.n], b[1+g.n:], nil
}

// point takes either root for y: ECDH gives the same x-coordinate for both (RFC
// 9528, Appendix B). SetBytes refuses an x that is not below p, and one that has
// no y: partial validation, and with a curve of prime order all that full
// validation asks.
//
//spec:9528-9.2-5
func (g *nist[P]) point(x []byte) (point, error) {
	if len(x) != g.n {
		return nil, errPoint
	}
	return g.decode(append([]byte{2}, x...))
}

// pointXY decodes a public key with both coordinates.
func (g *nist[P]) pointXY(x, y []byte) (point, error) {
	if len(x) != g.n || len(y) != g.n {
		return nil, errPoint
	}
	return g.decode(append(append([]byte{4}, x...), y...))
}

func (g *nist[P]) decode(b []byte) (point, error) {
	p, err := g.new().SetBytes(b)
	if err != nil {
		return nil, errPoint
	}
	return &pointNIST[P]{g, p}, nil
}

// yOf gives the y-coordinate for x whose lowest bit is odd.
func (g *nist[P]) yOf(x []byte, odd bool) ([]byte, error) {
	if len(x) != g.n {
		return nil, errPoint
	}
	sign := byte(2)
	if odd {
		sign = 3
	}
	p, err := g.new().SetBytes(append([]byte{sign}, x...))
	if err != nil {
		return nil, errPoint
	}
	return p.Bytes()[1+g.n:], nil
}

func (p *pointNIST[P]) ecdh(d []byte) (secret.Bytes, error) {
	if !p.g.inRange(d) {
		return nil, errScalar
	}
	q, err := p.g.new().ScalarMult(p.p, d)
	if err != nil {
		return nil, err
	}
	x, err := q.BytesX() // fails at infinity
	return x, err
}
