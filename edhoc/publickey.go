package edhoc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"

	"github.com/cloudflare/circl/sign/ed448"

	"github.com/ostiary/ostiary/internal/cose"
)

// A PublicKey is an authentication key (RFC 9528, Section 3.5.1): for
// signatures, for static Diffie-Hellman, or, on a curve that has both and if its
// credential does not say more, for the one that the method asks. It is immutable.
type PublicKey struct {
	curve Curve
	x, y  []byte // y is nil on Edwards and Montgomery curves, and if it is not known
	use   keyUse
	point point                      // for static DH, or nil
	check func(msg, sig []byte) bool // for signatures, or nil
}

// keyUse is the set of uses that a credential or a private key allows.
type keyUse uint8

const (
	signOnly keyUse = 1 << iota
	agreeOnly
	noUse  keyUse = 0
	anyUse        = signOnly | agreeOnly
)

func (u keyUse) allows(static bool) bool {
	if static {
		return u&agreeOnly != 0
	}
	return u&signOnly != 0
}

// NewPublicKey decodes and validates a public key: x, and y for P-256 and P-384,
// each as long as the curve's field elements. Without y, a P-256 or P-384 key
// serves for static Diffie-Hellman only.
func NewPublicKey(curve Curve, x, y []byte) (*PublicKey, error) {
	k := &PublicKey{curve: curve, x: bytes.Clone(x), y: bytes.Clone(y), use: anyUse}
	var err error
	switch curve {
	case P256, P384:
		err = k.nist()
	case X25519, X448:
		if y != nil {
			return nil, misuse("%v has no y-coordinate", curve)
		}
		k.point, err = groups[curve].point(k.x)
	case Ed25519:
		if len(x) != ed25519.PublicKeySize || y != nil {
			return nil, misuse("%v key", curve)
		}
		k.check = func(msg, sig []byte) bool { return ed25519.Verify(k.x, msg, sig) }
	case Ed448:
		if len(x) != ed448.PublicKeySize || y != nil {
			return nil, misuse("%v key", curve)
		}
		k.check = func(msg, sig []byte) bool { return ed448.Verify(ed448.PublicKey(k.x), msg, sig, "") }
	default:
		return nil, misuse("%v", curve)
	}
	if err != nil {
		return nil, misuse("%v key: %v", curve, err)
	}
	return k, nil
}

// xyGroup is a curve whose points may have a y-coordinate.
type xyGroup interface {
	group
	pointXY(x, y []byte) (point, error)
	yOf(x []byte, odd bool) ([]byte, error)
}

func (k *PublicKey) nist() (err error) {
	g := groups[k.curve].(xyGroup) // of P256 and P384
	if k.y == nil {
		k.point, err = g.point(k.x)
		return err
	}
	if k.point, err = g.pointXY(k.x, k.y); err != nil {
		return err
	}
	c := elliptic.P256()
	if k.curve == P384 {
		c = elliptic.P384()
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(c, append(append([]byte{4}, k.x...), k.y...))
	if err != nil {
		return err
	}
	k.check = func(msg, sig []byte) bool {
		n := g.size()
		if len(sig) != 2*n {
			return false
		}
		r, s := new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:])
		return ecdsa.Verify(pub, digest(k.curve, msg), r, s)
	}
	return nil
}

// digest is the hash of ES256 on P-256 and of ES384 on P-384.
func digest(curve Curve, msg []byte) []byte {
	if curve == P384 {
		h := sha512.Sum384(msg)
		return h[:]
	}
	h := sha256.Sum256(msg)
	return h[:]
}

// Curve is the curve of the key.
func (k *PublicKey) Curve() Curve { return k.curve }

// X gives the x-coordinate, or the whole key on Edwards and Montgomery curves.
func (k *PublicKey) X() []byte { return bytes.Clone(k.x) }

// Y gives the y-coordinate, or nil where there is none.
func (k *PublicKey) Y() []byte { return bytes.Clone(k.y) }

// Equal reports whether both are the same key, whatever they are used for.
func (k *PublicKey) Equal(other *PublicKey) bool {
	return k.curve == other.curve && bytes.Equal(k.x, other.x) &&
		(k.y == nil || other.y == nil || bytes.Equal(k.y, other.y))
}

// restrict narrows what the key is used for to what its credential says.
func (k *PublicKey) restrict(u keyUse) *PublicKey {
	narrow := *k
	narrow.use &= u
	return &narrow
}

// serves says whether the key can prove its owner in this suite, by static DH or
// by a signature.
func (k *PublicKey) serves(c *cipherSuite, static bool) bool {
	if !k.use.allows(static) || !c.fits(k.curve, static) {
		return false
	}
	if static {
		return k.point != nil
	}
	return k.check != nil
}

// signatureCurves are the curves of the keys for each signature algorithm.
// Elsewhere in COSE, ES256 may go with other curves; the curve of its own strength
// is the one that RFC 9053, Section 2.1 recommends.
var signatureCurves = map[cose.Algorithm][]Curve{
	cose.ES256: {P256},
	cose.ES384: {P384},
	cose.EdDSA: {Ed25519, Ed448},
}

var signatureSize = map[Curve]int{
	P256:    64,
	P384:    96,
	Ed25519: ed25519.SignatureSize,
	Ed448:   ed448.SignatureSize,
}
