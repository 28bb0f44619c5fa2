package edhocrunner

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/big"

	"github.com/cloudflare/circl/dh/x448"
	"github.com/cloudflare/circl/sign/ed448"
)

// A Key is a key pair, or a public key if Private is nil. Y is nil where there is none.
type Key struct {
	Curve         int64
	Private, X, Y []byte
}

var errKey = errors.New("edhocrunner: key")

// NewKey computes the public key of a private one: a scalar, or the seed of Ed25519.
func NewKey(curve int64, private []byte) (Key, error) {
	k := Key{Curve: curve, Private: private}
	switch curve {
	case Ed25519:
		if len(private) != ed25519.SeedSize {
			return Key{}, fmt.Errorf("%w: %d bytes", errKey, len(private))
		}
		k.X = ed25519.NewKeyFromSeed(private).Public().(ed25519.PublicKey)
		return k, nil
	case Ed448:
		if len(private) != ed448.SeedSize {
			return Key{}, fmt.Errorf("%w: %d bytes", errKey, len(private))
		}
		k.X = ed448.NewKeyFromSeed(private).Public().(ed448.PublicKey)
		return k, nil
	case X448:
		if len(private) != x448.Size {
			return Key{}, fmt.Errorf("%w: %d bytes", errKey, len(private))
		}
		var public x448.Key
		x448.KeyGen(&public, (*x448.Key)(private))
		k.X = public[:]
		return k, nil
	}
	secret, err := groupOf(curve).NewPrivateKey(private)
	if err != nil {
		return Key{}, err
	}
	k.X = secret.PublicKey().Bytes()
	if curve != X25519 { // 04 | x | y
		n := len(k.X) / 2
		k.X, k.Y = k.X[1:1+n], k.X[1+n:]
	}
	return k, nil
}

// GenerateKey makes a key for Diffie-Hellman.
func GenerateKey(curve int64) (Key, error) {
	if curve == X448 {
		private := make([]byte, x448.Size)
		_, _ = rand.Read(private) // never fails
		return NewKey(curve, private)
	}
	secret, err := groupOf(curve).GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, err
	}
	return NewKey(curve, secret.Bytes())
}

func groupOf(curve int64) ecdh.Curve {
	switch curve {
	case P256:
		return ecdh.P256()
	case P384:
		return ecdh.P384()
	}
	return ecdh.X25519()
}

// agree gives the shared secret with a public key that has only an x-coordinate (RFC
// 9528, Appendix B).
func (k Key) agree(x []byte) ([]byte, error) {
	if k.Curve == X448 {
		var z x448.Key
		if len(x) != x448.Size || !x448.Shared(&z, (*x448.Key)(k.Private), (*x448.Key)(x)) {
			return nil, fmt.Errorf("%w: X448", errKey)
		}
		return z[:], nil
	}
	public := x
	if k.Curve != X25519 {
		y, err := lift(k.Curve, x)
		if err != nil {
			return nil, err
		}
		public = append(append([]byte{4}, x...), y...)
	}
	theirs, err := groupOf(k.Curve).NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	ours, err := groupOf(k.Curve).NewPrivateKey(k.Private)
	if err != nil {
		return nil, err
	}
	return ours.ECDH(theirs)
}

// lift gives one of the two y-coordinates: a square root of x^3 - 3x + b.
func lift(curve int64, x []byte) ([]byte, error) {
	c := nistOf(curve).Params()
	v := new(big.Int).SetBytes(x)
	square := new(big.Int).Exp(v, big.NewInt(3), c.P)
	square.Sub(square, new(big.Int).Mul(big.NewInt(3), v))
	square.Add(square, c.B).Mod(square, c.P)
	y := new(big.Int).ModSqrt(square, c.P)
	if y == nil || len(x) != c.BitSize/8 || v.Cmp(c.P) >= 0 {
		return nil, fmt.Errorf("%w: not on the curve", errKey)
	}
	return y.FillBytes(make([]byte, len(x))), nil
}

func nistOf(curve int64) elliptic.Curve {
	if curve == P384 {
		return elliptic.P384()
	}
	return elliptic.P256()
}

// Sign makes a signature as COSE has it: r | s for ECDSA.
func (k Key) Sign(msg []byte) ([]byte, error) {
	switch k.Curve {
	case Ed25519:
		return ed25519.Sign(ed25519.NewKeyFromSeed(k.Private), msg), nil
	case Ed448:
		return ed448.Sign(ed448.NewKeyFromSeed(k.Private), msg, ""), nil
	}
	private, err := ecdsa.ParseRawPrivateKey(nistOf(k.Curve), k.Private)
	if err != nil {
		return nil, err
	}
	r, s, err := ecdsa.Sign(rand.Reader, private, k.digest(msg))
	if err != nil {
		return nil, err
	}
	n := len(k.X)
	sig := make([]byte, 2*n)
	r.FillBytes(sig[:n])
	s.FillBytes(sig[n:])
	return sig, nil
}

// verify checks a signature.
func (k Key) verify(msg, sig []byte) bool {
	switch k.Curve {
	case Ed25519:
		return ed25519.Verify(k.X, msg, sig)
	case Ed448:
		return ed448.Verify(k.X, msg, sig, "")
	}
	public, err := ecdsa.ParseUncompressedPublicKey(nistOf(k.Curve), append(append([]byte{4}, k.X...), k.Y...))
	if n := len(k.X); err == nil && len(sig) == 2*n {
		return ecdsa.Verify(public, k.digest(msg), new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:]))
	}
	return false
}

func (k Key) digest(msg []byte) []byte {
	if k.Curve == P384 {
		d := sha512.Sum384(msg)
		return d[:]
	}
	d := sha256.Sum256(msg)
	return d[:]
}
