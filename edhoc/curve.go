package edhoc

import (
	"errors"
	"fmt"
	"io"

	"filippo.io/nistec"
	"github.com/cloudflare/circl/dh/x25519"
	"github.com/cloudflare/circl/dh/x448"

	"github.com/ostiary/ostiary/internal/secret"
)

// Curve is a COSE elliptic curve (RFC 9053, Section 7.1).
type Curve int64

// The curves of the cipher suites.
const (
	P256    Curve = 1
	P384    Curve = 2
	X25519  Curve = 4
	X448    Curve = 5
	Ed25519 Curve = 6
	Ed448   Curve = 7
)

// String names the curve.
func (c Curve) String() string {
	switch c {
	case P256:
		return "P-256"
	case P384:
		return "P-384"
	case X25519:
		return "X25519"
	case X448:
		return "X448"
	case Ed25519:
		return "Ed25519"
	case Ed448:
		return "Ed448"
	}
	return fmt.Sprintf("curve %d", int64(c))
}

// A group does ECDH on one curve, with public keys that are x-coordinates only
// (RFC 9528, Section 3.7 and Appendix B).
type group interface {
	size() int // of a public key, a private key and a shared secret
	// generate reads a private key from rand. d and x belong to the caller.
	generate(rand io.Reader) (d secret.Bytes, x []byte, err error)
	// public gives the public key of d; y is nil if the curve has none.
	public(d []byte) (x, y []byte, err error)
	// point decodes and validates a public key.
	point(x []byte) (point, error)
}

// A point is a public key that has been validated as far as its curve asks. It
// is safe for concurrent use.
type point interface {
	// ecdh gives the shared secret with the private key d.
	ecdh(d []byte) (secret.Bytes, error)
}

var (
	errPoint  = errors.New("edhoc: not a point of the curve")
	errZero   = errors.New("edhoc: all-zero shared secret")
	errScalar = errors.New("edhoc: private key out of range")
)

var groups = map[Curve]group{
	P256:   &nist[*nistec.P256Point]{new: nistec.NewP256Point, n: 32, order: orderP256},
	P384:   &nist[*nistec.P384Point]{new: nistec.NewP384Point, n: 48, order: orderP384},
	X25519: montgomery25519{},
	X448:   montgomery448{},
}

// montgomery25519 is X25519 (RFC 7748).
type montgomery25519 struct{}

type point25519 x25519.Key

func (montgomery25519) size() int { return x25519.Size }

func (g montgomery25519) generate(rand io.Reader) (secret.Bytes, []byte, error) {
	d := make(secret.Bytes, x25519.Size)
	if _, err := io.ReadFull(rand, d); err != nil {
		return nil, nil, err
	}
	x, _, err := g.public(d)
	return d, x, err
}

func (montgomery25519) public(d []byte) (x, y []byte, err error) {
	if len(d) != x25519.Size {
		return nil, nil, errScalar
	}
	var pub, key x25519.Key
	copy(key[:], d)
	x25519.KeyGen(&pub, &key)
	clear(key[:])
	return pub[:], nil, nil
}

func (montgomery25519) point(x []byte) (point, error) {
	if len(x) != x25519.Size {
		return nil, errPoint
	}
	p := point25519(x)
	return &p, nil
}

func (p *point25519) ecdh(d []byte) (secret.Bytes, error) {
	if len(d) != x25519.Size {
		return nil, errScalar
	}
	var shared, key, pub x25519.Key
	copy(key[:], d)
	pub = x25519.Key(*p)
	ok := x25519.Shared(&shared, &key, &pub)
	clear(key[:])
	//spec:9528-9.2-4
	if !ok {
		return nil, errZero
	}
	return shared[:], nil
}

// montgomery448 is X448 (RFC 7748).
type montgomery448 struct{}

type point448 x448.Key

func (montgomery448) size() int { return x448.Size }

func (g montgomery448) generate(rand io.Reader) (secret.Bytes, []byte, error) {
	d := make(secret.Bytes, x448.Size)
	if _, err := io.ReadFull(rand, d); err != nil {
		return nil, nil, err
	}
	x, _, err := g.public(d)
	return d, x, err
}

func (montgomery448) public(d []byte) (x, y []byte, err error) {
	if len(d) != x448.Size {
		return nil, nil, errScalar
	}
	var pub, key x448.Key
	copy(key[:], d)
	x448.KeyGen(&pub, &key)
	clear(key[:])
	return pub[:], nil, nil
}

func (montgomery448) point(x []byte) (point, error) {
	if len(x) != x448.Size {
		return nil, errPoint
	}
	p := point448(x)
	return &p, nil
}

func (p *point448) ecdh(d []byte) (secret.Bytes, error) {
	if len(d) != x448.Size {
		return nil, errScalar
	}
	var shared, key, pub x448.Key
	copy(key[:], d)
	pub = x448.Key(*p)
	ok := x448.Shared(&shared, &key, &pub)
	clear(key[:])
	//spec:9528-9.2-4
	if !ok {
		return nil, errZero
	}
	return shared[:], nil
}
