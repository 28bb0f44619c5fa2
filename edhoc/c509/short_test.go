package c509_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"errors"
	"math/big"
	"slices"
	"testing"

	"filippo.io/nistec"

	"github.com/ostiary/ostiary/edhoc/c509"
	"github.com/ostiary/ostiary/internal/cborseq"
)

// recoverP521 gives the public key under which r | s is a signature of the message:
// (s R - z G) / r for a point R with x-coordinate r (SEC 1, Section 4.1.6).
func recoverP521(t *testing.T, message []byte, s *big.Int) (r *big.Int, key *ecdsa.PublicKey) {
	t.Helper()
	n := elliptic.P521().Params().N
	scalar := func(v *big.Int) []byte { return new(big.Int).Mod(v, n).FillBytes(make([]byte, 66)) }
	var point *nistec.P521Point
	for k := int64(2); r == nil || r.BitLen() > 8*64; k++ { // one in 512
		p, err := nistec.NewP521Point().ScalarBaseMult(scalar(big.NewInt(k)))
		must(t, err)
		x, err := p.BytesX()
		must(t, err)
		point, r = p, new(big.Int).SetBytes(x)
	}
	h := sha512.Sum512(message)
	inverse := new(big.Int).ModInverse(r, n)
	u1 := new(big.Int).Neg(new(big.Int).Mul(new(big.Int).SetBytes(h[:]), inverse))
	a, err := nistec.NewP521Point().ScalarMult(point, scalar(new(big.Int).Mul(s, inverse)))
	must(t, err)
	b, err := nistec.NewP521Point().ScalarBaseMult(scalar(u1))
	must(t, err)
	key, err = ecdsa.ParseUncompressedPublicKey(elliptic.P521(), nistec.NewP521Point().Add(a, b).Bytes())
	must(t, err)
	return r, key
}

// A native certificate of an issuer on P-521 whose r and s are short has them padded to
// 66 bytes, and no other encoding.
func TestShortSignatureNative(t *testing.T) {
	fields := split(t, load(t).Native.C509)
	fields[sigAlg] = []byte{2}
	s := new(big.Int).SetBytes(bytes.Repeat([]byte{7}, 60))
	r, key := recoverP521(t, slices.Concat(fields[:signature]...), s)
	for _, half := range []int{64, 66} {
		value := make([]byte, 2*half)
		r.FillBytes(value[:half])
		s.FillBytes(value[half:])
		fields[signature] = cborseq.AppendBytes(nil, value)
		c, err := c509.Parse(slices.Concat(fields...))
		must(t, err)
		if err := c.CheckSignature(key); (err == nil) != (half == 66) || err != nil && !errors.Is(err, c509.ErrInvalid) {
			t.Errorf("r and s of %d bytes: %v", half, err)
		}
	}
}
