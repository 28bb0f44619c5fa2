package cose

import (
	"bytes"
	"crypto/ecdh"
	"crypto/elliptic"
	"slices"

	"filippo.io/nistec"
)

// nistCurve is a curve of EC2 keys.
type nistCurve struct {
	size       int // of a coordinate, in bytes
	curve      elliptic.Curve
	ecdh       ecdh.Curve
	decompress func(point []byte) ([]byte, error)
}

func (c Curve) nist() (nistCurve, bool) {
	switch c {
	case P256:
		return nistCurve{32, elliptic.P256(), ecdh.P256(), func(b []byte) ([]byte, error) {
			p, err := nistec.NewP256Point().SetBytes(b)
			if err != nil {
				return nil, err
			}
			return p.Bytes(), nil
		}}, true
	case P384:
		return nistCurve{48, elliptic.P384(), ecdh.P384(), func(b []byte) ([]byte, error) {
			p, err := nistec.NewP384Point().SetBytes(b)
			if err != nil {
				return nil, err
			}
			return p.Bytes(), nil
		}}, true
	case P521:
		return nistCurve{66, elliptic.P521(), ecdh.P521(), func(b []byte) ([]byte, error) {
			p, err := nistec.NewP521Point().SetBytes(b)
			if err != nil {
				return nil, err
			}
			return p.Bytes(), nil
		}}, true
	default:
		return nistCurve{}, false
	}
}

// complete decompresses Y, and makes the public part of a private key that lacks
// it (RFC 9053, Sections 7.1.1 and 7.2).
func (k *Key) complete() error {
	//spec:9053-7.1.1-4
	//spec:9053-7.2-2
	if k.X == nil && k.Y == nil && k.D != nil {
		return k.publicFromPrivate()
	}
	if k.Type != EC2 || len(k.Y) != 1 {
		return nil
	}
	c, ok := k.Curve.nist()
	if !ok || len(k.X) != c.size {
		return fault(ErrKey, "RFC 9053, Section 7.1.1", "curve or size of x")
	}
	point, err := c.decompress(slices.Concat(k.Y, k.X))
	if err != nil {
		return fault(ErrKey, "RFC 9053, Section 7.1.1", "x is not on the curve")
	}
	k.Y = point[1+c.size:]
	return nil
}

// validateEC2 checks a key on a curve with two coordinates (RFC 9053, Section
// 7.1.1).
func (k *Key) validateEC2() error {
	c, ok := k.Curve.nist()
	//spec:9053-7.1-1
	if !ok {
		return fault(ErrKey, "RFC 9053, Section 7.1", "curve is not for EC2")
	}
	//spec:9053-7.1.1-1
	//spec:9053-7.1.1-2
	//spec:9053-7.1.1-3
	if len(k.X) != c.size || len(k.Y) != c.size {
		return fault(ErrKey, "RFC 9053, Section 7.1.1", "size of x or y")
	}
	if _, err := c.ecdh.NewPublicKey(k.point()); err != nil {
		return fault(ErrKey, "RFC 9053, Section 7.1.1", "point is not on the curve")
	}
	if k.D == nil {
		return nil
	}
	private, err := c.ecdh.NewPrivateKey(k.D)
	if err != nil || !bytes.Equal(private.PublicKey().Bytes(), k.point()) {
		return fault(ErrKey, "RFC 9053, Section 7.1.1", "d does not belong to x and y")
	}
	return nil
}

// point is the uncompressed point (SEC 1, Section 2.3.3).
func (k *Key) point() []byte {
	return slices.Concat([]byte{4}, k.X, k.Y)
}
