package cose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"slices"

	"github.com/cloudflare/circl/sign/ed448"
)

// Validate checks that the key is whole and of its own kind: the curve suits the
// key type, the public key is a point of that curve in its one encoding and not of
// small order, a private key belongs to it, alg suits them all. The error is
// ErrKey.
func (k *Key) Validate() error {
	switch k.Type {
	case Symmetric:
		//spec:9053-7.3-1
		if len(k.K) == 0 {
			return fault(ErrKey, "RFC 9053, Section 7.3", "no k")
		}
	case EC2:
		if err := k.validateEC2(); err != nil {
			return err
		}
	case OKP:
		if err := k.validateOKP(); err != nil {
			return err
		}
	default:
		return fault(ErrKey, "Section 7.1", "unknown kty")
	}
	if k.Algorithm != 0 && !k.suits(k.Algorithm) {
		return fault(ErrKey, "Section 7.1", "alg does not suit the key type")
	}
	return nil
}

// CheckUse checks that a valid key may be used with alg for op: the key type, the
// curve and the key size suit, and alg and key_ops, where the key has them, agree
// (RFC 9052, Section 7.1). The error is ErrKey.
func (k *Key) CheckUse(alg Algorithm, op KeyOp) error {
	//spec:9052-7.1-2
	//spec:9052-7.1-3
	if !knownUse(alg) || !k.suits(alg) {
		return fault(ErrKey, "Section 7.1", "key type does not suit "+alg.String())
	}
	//spec:9052-7.1-4
	//spec:9052-7.1-5
	//spec:9053-3.1-3
	//spec:9053-4.1-3
	//spec:9053-4.2-3
	//spec:9053-4.3-3
	if k.Algorithm != 0 && k.Algorithm != alg {
		return fault(ErrKey, "Section 7.1", "key is for another algorithm than "+alg.String())
	}
	if k.Ops != nil && !k.allows(op) {
		return fault(ErrKey, "Section 7.1", "key_ops does not list the operation")
	}
	if size := alg.KeySize(); alg.IsAEAD() && len(k.K) != size || alg.IsHMAC() && len(k.K) < size {
		return fault(ErrKey, "RFC 9053, Section 7.3", "key size does not suit "+alg.String())
	}
	return nil
}

// allows says whether key_ops lists the operation. Wrapping a key is encrypting, to
// the AEAD algorithms (RFC 9053, Section 4).
func (k *Key) allows(op KeyOp) bool {
	//spec:9053-3.1-4
	//spec:9053-3.1-5
	if slices.Contains(k.Ops, op) {
		return true
	}
	switch op {
	//spec:9053-4.1-4
	//spec:9053-4.2-4
	//spec:9053-4.3-4
	case OpEncrypt:
		return slices.Contains(k.Ops, OpWrapKey)
	//spec:9053-4.1-5
	//spec:9053-4.2-5
	//spec:9053-4.3-5
	case OpDecrypt:
		return slices.Contains(k.Ops, OpUnwrapKey)
	default:
		return false
	}
}

// knownUse says whether suits knows what the algorithm asks of a key.
func knownUse(alg Algorithm) bool {
	switch alg {
	case DirectHKDFSHA256, DirectHKDFSHA512, ES256, ES384, ES512, ESP256, ESP384, ESP512, EdDSA, Ed25519, Ed448:
		return true
	default:
		return alg.IsAEAD() || alg.IsHMAC()
	}
}

// suits says whether the key type and curve can serve the algorithm. It reports
// true for algorithms that it does not know: they only restrict the key.
func (k *Key) suits(alg Algorithm) bool {
	switch alg {
	case DirectHKDFSHA256, DirectHKDFSHA512:
		return k.Type == Symmetric
	case ES256, ES384, ES512: // any curve (RFC 9053, Section 2.1)
		return k.Type == EC2
	case ESP256:
		return k.Type == EC2 && k.Curve == P256
	case ESP384:
		return k.Type == EC2 && k.Curve == P384
	case ESP512:
		return k.Type == EC2 && k.Curve == P521
	case EdDSA:
		return k.Type == OKP && (k.Curve == CurveEd25519 || k.Curve == CurveEd448)
	case Ed25519:
		return k.Type == OKP && k.Curve == CurveEd25519
	case Ed448:
		return k.Type == OKP && k.Curve == CurveEd448
	}
	//spec:9053-3.1-2
	//spec:9053-4.1-2
	//spec:9053-4.2-2
	//spec:9053-4.3-2
	if alg.IsAEAD() || alg.IsHMAC() {
		return k.Type == Symmetric
	}
	return true
}

// PublicKey gives the public part of a valid key as an *ecdsa.PublicKey (EC2), an
// ed25519.PublicKey or an ed448.PublicKey of circl. Keys for ECDH only, and
// Symmetric ones, are ErrKey.
func (k *Key) PublicKey() (crypto.PublicKey, error) {
	switch {
	case k.Type == EC2:
		curve, _ := k.Curve.nist()
		pub, err := ecdsa.ParseUncompressedPublicKey(curve.curve, k.point())
		if err != nil {
			return nil, fault(ErrKey, "RFC 9053, Section 7.1.1", "point is not on the curve")
		}
		return pub, nil
	case k.Type == OKP && k.Curve == CurveEd25519:
		return ed25519.PublicKey(slices.Clone(k.X)), nil
	case k.Type == OKP && k.Curve == CurveEd448:
		return ed448.PublicKey(slices.Clone(k.X)), nil
	default:
		return nil, fault(ErrKey, "Section 7.1", "key is not for signatures")
	}
}
