package ace

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"math/big"

	gocose "github.com/veraison/go-cose"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
)

// The labels of the header parameters of a COSE_Sign1 (RFC 9052, Table 3).
const (
	headerAlg = 1
	headerKID = 4
)

// sign1 is a COSE_Sign1 (RFC 9052, Section 4.2).
type sign1 = gocose.Sign1Message

// curves are the curves that go with the signature algorithms here, though RFC
// 9053, Section 2.1 allows others.
var curves = map[cose.Algorithm]elliptic.Curve{
	cose.ES256: elliptic.P256(),
	cose.ES384: elliptic.P384(),
	cose.ES512: elliptic.P521(),
}

// setSignature makes the parts of a key for a signature algorithm.
func (k *TokenKey) setSignature(c TokenKeyConfig) (err error) {
	alg := gocose.Algorithm(c.Algorithm)
	if c.Signer != nil {
		if k.signer, err = gocose.NewSigner(alg, c.Signer); err != nil {
			return err
		}
		c.Public = c.Signer.Public()
	}
	if k.verifier, err = gocose.NewVerifier(alg, c.Public); err != nil {
		return err
	}
	k.public, _ = c.Public.(interface{ Equal(crypto.PublicKey) bool })
	if p, ok := c.Public.(*ecdsa.PublicKey); ok && p.Curve != curves[c.Algorithm] {
		return fmt.Errorf("curve %s for %v", p.Curve.Params().Name, c.Algorithm)
	}
	return nil
}

// SignCWT appends claims to dst as a CWT with a COSE_Sign1 under k, with random
// for the signature algorithm; nil is crypto/rand. It fails with ErrKey if k is
// not to sign with, and with ErrSecretInClear if the claims hold a secret.
//
//spec:8392-7.1-2
func SignCWT(dst []byte, claims *Claims, k *TokenKey, random io.Reader) ([]byte, error) {
	if k.signer == nil {
		return nil, ErrKey
	}
	//spec:9200-3.1-1
	//spec:9200-6.1-2
	//spec:8747-3.2-2
	if claims.Cnf.HoldsSecret() {
		return nil, ErrSecretInClear
	}
	if random == nil {
		random = rand.Reader
	}
	protected, unprotected := k.signHeaders()
	payload := claims.Append(nil)
	signed := cborseq.AppendArray(nil, 4)
	signed = cborseq.AppendText(signed, "Signature1")
	signed = cborseq.AppendBytes(signed, protected)
	signed = cborseq.AppendBytes(signed, nil)
	signed = cborseq.AppendBytes(signed, payload)
	signature, err := k.signer.Sign(random, signed)
	if err != nil {
		return nil, fmt.Errorf("ace: sign token: %w", err)
	}
	k.setLow(signature)
	dst = cborseq.AppendTag(k.appendTag61(dst), tagSign1)
	dst = cborseq.AppendArray(dst, 4)
	dst = cborseq.AppendBytes(dst, protected)
	dst = append(dst, unprotected...)
	dst = cborseq.AppendBytes(dst, payload)
	return cborseq.AppendBytes(dst, signature), nil
}

// signHeaders encodes the buckets of a COSE_Sign1.
func (k *TokenKey) signHeaders() (protected, unprotected []byte) {
	p, u := writeFields(nil, nil), writeFields(nil, nil)
	p.int(headerAlg, int64(k.algorithm))
	//spec:9770-3-1
	//spec:9770-3-2
	if k.form.Unprotected {
		u.bytes(headerKID, k.id)
	} else {
		p.bytes(headerKID, k.id)
	}
	return p.end(), u.end()
}

// parseSign1 decodes a COSE_Sign1 of deterministic encoding, with its tag.
func (t *token) parseSign1(b []byte) error {
	m := new(sign1)
	if err := m.UnmarshalCBOR(b); err != nil {
		return err
	}
	// Nothing that this package knows must be understood by way of crit.
	if _, ok := m.Headers.Protected[gocose.HeaderLabelCritical]; ok {
		return fmt.Errorf("critical header parameters")
	}
	t.signed = m
	t.bare = t.bare && len(m.Headers.Unprotected) == 0
	kid, ok := m.Headers.Protected[gocose.HeaderLabelKeyID]
	if !ok {
		kid = m.Headers.Unprotected[gocose.HeaderLabelKeyID]
	}
	t.kid, _ = kid.([]byte)
	return nil
}

// openSigned verifies a COSE_Sign1 under k, whose algorithm it must name.
func (k *TokenKey) openSigned(m *sign1) ([]byte, error) {
	if !k.form.Unprotected && !k.isLow(m.Signature) {
		return nil, fmt.Errorf("signature is not in its low form")
	}
	if err := m.Verify(nil, k.verifier); err != nil {
		return nil, err
	}
	return bytes.Clone(m.Payload), nil
}

// isLow reports whether an ECDSA signature (r, s) has the lower one of the two
// values of s that verify. Without that rule an attacker could give a token the
// other one, and so another token hash.
func (k *TokenKey) isLow(signature []byte) bool {
	curve := curves[k.algorithm]
	if curve == nil {
		return true
	}
	n, s := curve.Params().N, new(big.Int).SetBytes(signature[len(signature)/2:])
	return s.Lsh(s, 1).Cmp(n) <= 0
}

// setLow replaces s by n - s if that is lower; both verify.
func (k *TokenKey) setLow(signature []byte) {
	if !k.isLow(signature) {
		half := signature[len(signature)/2:]
		s := new(big.Int).SetBytes(half)
		s.Sub(curves[k.algorithm].Params().N, s).FillBytes(half)
	}
}
