package cose

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"

	"github.com/cloudflare/circl/dh/x25519"
	"github.com/cloudflare/circl/dh/x448"
	"github.com/cloudflare/circl/sign/ed448"
)

// validateOKP checks an Octet Key Pair (RFC 9053, Section 7.2).
func (k *Key) validateOKP() error {
	var ok bool
	switch k.Curve {
	case X25519:
		ok = validX25519(k.X)
	case X448:
		ok = validX448(k.X)
	case CurveEd25519:
		ok = edwards25519.valid(k.X)
	case CurveEd448:
		ok = edwards448.valid(k.X)
	default:
		//spec:9053-7.1-1
		return fault(ErrKey, "RFC 9053, Section 7.1", "curve is not for OKP")
	}
	//spec:9053-7.2-1
	if !ok {
		return fault(ErrKey, "RFC 9053, Section 7.2", "x is not a public key of the curve")
	}
	if k.D == nil {
		return nil
	}
	if x := publicOKP(k.Curve, k.D); x == nil || !bytes.Equal(x, k.X) {
		return fault(ErrKey, "RFC 9053, Section 7.2", "d does not belong to x")
	}
	return nil
}

// publicFromPrivate makes the public part of a private key that came without.
func (k *Key) publicFromPrivate() error {
	switch k.Type {
	case OKP:
		k.X = publicOKP(k.Curve, k.D)
	case EC2:
		if c, ok := k.Curve.nist(); ok {
			if private, err := c.ecdh.NewPrivateKey(k.D); err == nil {
				point := private.PublicKey().Bytes()
				k.X, k.Y = point[1:1+c.size:1+c.size], point[1+c.size:]
			}
		}
	}
	if k.X == nil {
		return fault(ErrKey, "RFC 9053, Section 7.1", "curve, or size of d")
	}
	return nil
}

// publicOKP gives the public key of d, or nil if d is not of the right size.
func publicOKP(c Curve, d []byte) []byte {
	switch {
	case c == X25519 && len(d) == x25519.Size:
		private, err := ecdh.X25519().NewPrivateKey(d)
		if err != nil {
			return nil
		}
		return private.PublicKey().Bytes()
	case c == X448 && len(d) == x448.Size:
		var public, private x448.Key
		copy(private[:], d)
		x448.KeyGen(&public, &private)
		clear(private[:])
		return public[:]
	case c == CurveEd25519 && len(d) == ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(d).Public().(ed25519.PublicKey)
	case c == CurveEd448 && len(d) == ed448.SeedSize:
		return ed448.NewKeyFromSeed(d).Public().(ed448.PublicKey)
	default:
		return nil
	}
}

// validX25519 refuses points of small order: with them, any scalar gives zero,
// which Shared reports.
func validX25519(x []byte) bool {
	var shared, scalar, public x25519.Key
	return copy(public[:], x) == len(x) && len(x) == len(public) && x25519.Shared(&shared, &scalar, &public)
}

// validX448 is validX25519 for X448.
func validX448(x []byte) bool {
	var shared, scalar, public x448.Key
	return copy(public[:], x) == len(x) && len(x) == len(public) && x448.Shared(&shared, &scalar, &public)
}
