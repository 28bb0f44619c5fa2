package edhoc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/cloudflare/circl/sign/ed448"

	"github.com/ostiary/ostiary/internal/secret"
)

// A PrivateKey is a private authentication key for one use: signatures or static
// Diffie-Hellman, never both (RFC 9528, Section 9.2). It is safe for concurrent
// use, and prints without its secret.
type PrivateKey struct {
	public *PublicKey
	sign   func(rand io.Reader, msg []byte) ([]byte, error) // nil for static DH
	agree  func(peer agreement) (secret.Bytes, error)       // nil for signatures
}

// agreement is the ephemeral public key of the peer, in both forms.
type agreement struct {
	x     []byte
	point point
}

// NewSignatureKey makes a key for signatures on P256, P384, Ed25519 or Ed448.
// private is the scalar in big endian, or the seed of the Edwards curves (RFC
// 8032), of the curve's length. It is copied.
func NewSignatureKey(curve Curve, private []byte) (*PrivateKey, error) {
	switch curve {
	case P256, P384:
		c := elliptic.P256()
		if curve == P384 {
			c = elliptic.P384()
		}
		key, err := ecdsa.ParseRawPrivateKey(c, private)
		if err != nil {
			return nil, misuse("%v private key", curve)
		}
		return NewSigner(key)
	case Ed25519:
		if len(private) != ed25519.SeedSize {
			return nil, misuse("%v private key", curve)
		}
		return NewSigner(ed25519.NewKeyFromSeed(private))
	case Ed448:
		if len(private) != ed448.SeedSize {
			return nil, misuse("%v private key", curve)
		}
		return NewSigner(ed448.NewKeyFromSeed(private))
	}
	return nil, misuse("no signatures on %v", curve)
}

// NewSigner makes a signature key of a crypto.Signer, whose private part may be
// elsewhere: of ECDSA on P-256 or P-384, Ed25519, or Ed448 (circl). The signer
// must be safe for concurrent use.
func NewSigner(s crypto.Signer) (*PrivateKey, error) {
	k := new(PrivateKey)
	var err error
	switch pub := s.Public().(type) {
	case ed25519.PublicKey:
		k.public, err = NewPublicKey(Ed25519, pub, nil)
		k.sign = func(rand io.Reader, msg []byte) ([]byte, error) { return s.Sign(rand, msg, crypto.Hash(0)) }
	case ed448.PublicKey:
		k.public, err = NewPublicKey(Ed448, pub, nil)
		k.sign = func(rand io.Reader, msg []byte) ([]byte, error) {
			return s.Sign(rand, msg, ed448.SignerOptions{Scheme: ed448.ED448})
		}
	case *ecdsa.PublicKey:
		k.public, err = publicECDSA(pub)
		k.sign = func(rand io.Reader, msg []byte) ([]byte, error) { return signECDSA(s, k.public.curve, rand, msg) }
	default:
		return nil, misuse("signer of type %T", pub)
	}
	if err != nil {
		return nil, err
	}
	k.public = k.public.restrict(signOnly)
	return k, nil
}

func publicECDSA(pub *ecdsa.PublicKey) (*PublicKey, error) {
	b, err := pub.Bytes()
	if err != nil {
		return nil, misuse("ECDSA key: %v", err)
	}
	n := (len(b) - 1) / 2
	curve := P256
	switch pub.Curve {
	case elliptic.P256():
	case elliptic.P384():
		curve = P384
	default:
		return nil, misuse("ECDSA on %s", pub.Curve.Params().Name)
	}
	return NewPublicKey(curve, b[1:1+n], b[1+n:])
}

var errSignature = errors.New("edhoc: signer gives no ECDSA signature")

// signECDSA gives r | s, each as long as the field (RFC 9053, Section 2.1).
func signECDSA(s crypto.Signer, curve Curve, rand io.Reader, msg []byte) ([]byte, error) {
	h := crypto.SHA256
	if curve == P384 {
		h = crypto.SHA384
	}
	der, err := s.Sign(rand, digest(curve, msg), h)
	if err != nil {
		return nil, err
	}
	var v struct{ R, S *big.Int }
	n := signatureSize[curve] / 2
	if rest, err := asn1.Unmarshal(der, &v); err != nil || len(rest) > 0 {
		return nil, errSignature
	}
	if v.R.Sign() < 0 || v.S.Sign() < 0 || v.R.BitLen() > 8*n || v.S.BitLen() > 8*n {
		return nil, errSignature
	}
	sig := make([]byte, 2*n)
	v.R.FillBytes(sig[:n])
	v.S.FillBytes(sig[n:])
	return sig, nil
}

// NewStaticDHKey makes a key for static Diffie-Hellman on P256, P384, X25519 or
// X448. private is the scalar, in the byte order of the curve and of its length.
// It is copied.
func NewStaticDHKey(curve Curve, private []byte) (*PrivateKey, error) {
	g := groups[curve]
	if g == nil {
		return nil, misuse("no Diffie-Hellman on %v", curve)
	}
	x, y, err := g.public(private)
	if err != nil {
		return nil, misuse("%v private key", curve)
	}
	pub, err := NewPublicKey(curve, x, y)
	if err != nil {
		return nil, err
	}
	d := secret.Bytes(private).Clone()
	k := &PrivateKey{public: pub.restrict(agreeOnly)}
	k.agree = func(peer agreement) (secret.Bytes, error) { return peer.point.ecdh(d) }
	return k, nil
}

// NewDiffieHellman makes a static Diffie-Hellman key whose private part is
// elsewhere. ecdh gives the shared secret, the x-coordinate, with a public key of
// the peer that has only an x-coordinate; it must be safe for concurrent use. An
// all-zero secret is refused here; the point was validated before.
func NewDiffieHellman(public *PublicKey, ecdh func(x []byte) ([]byte, error)) (*PrivateKey, error) {
	if public.point == nil || ecdh == nil {
		return nil, misuse("no Diffie-Hellman on %v", public.curve)
	}
	k := &PrivateKey{public: public.restrict(agreeOnly)}
	k.agree = func(peer agreement) (secret.Bytes, error) {
		z, err := ecdh(peer.x)
		if err != nil {
			return nil, err
		}
		//spec:9528-9.2-4
		if len(z) != groups[public.curve].size() || secret.Bytes(z).Equal(make([]byte, len(z))) {
			return nil, errZero
		}
		return z, nil
	}
	return k, nil
}

// Public gives the public key.
func (k *PrivateKey) Public() *PublicKey { return k.public }

// static says which of the two uses the key has.
func (k *PrivateKey) static() bool { return k.agree != nil }

// Format prints the curve and the use, for every verb.
//
//spec:9528-9.8-2
//spec:9528-9.8-3
func (k *PrivateKey) Format(f fmt.State, _ rune) {
	use := "signature"
	if k.static() {
		use = "static DH"
	}
	fmt.Fprintf(f, "%v %s key [secret]", k.public.curve, use)
}
