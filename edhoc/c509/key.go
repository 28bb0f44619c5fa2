package c509

import (
	"crypto"
	"crypto/x509"

	"github.com/cloudflare/circl/sign/ed448"
	"golang.org/x/crypto/cryptobyte"

	"github.com/ostiary/ostiary/edhoc"
)

// PublicKey gives the key of the subject as EDHOC takes it: on P-256, P-384, Curve25519 or
// Curve448.
func (c *Certificate) PublicKey() (*edhoc.PublicKey, error) {
	key, err := c.keyBits()
	if err != nil {
		return nil, err
	}
	var pub *edhoc.PublicKey
	switch {
	case c.keyAlg.is(keyP256):
		pub, err = newPoint(edhoc.P256, keyP256, key)
	case c.keyAlg.is(keyP384):
		pub, err = newPoint(edhoc.P384, keyP384, key)
	case c.keyAlg.is(keyX25519):
		pub, err = edhoc.NewPublicKey(edhoc.X25519, key, nil)
	case c.keyAlg.is(keyX448):
		pub, err = edhoc.NewPublicKey(edhoc.X448, key, nil)
	case c.keyAlg.is(keyEd25519):
		pub, err = edhoc.NewPublicKey(edhoc.Ed25519, key, nil)
	case c.keyAlg.is(keyEd448):
		pub, err = edhoc.NewPublicKey(edhoc.Ed448, key, nil)
	default:
		return nil, invalid("public key algorithm %d is not one of EDHOC", c.keyAlg.id)
	}
	if err != nil {
		return nil, invalid("public key: %v", err)
	}
	return pub, nil
}

func newPoint(curve edhoc.Curve, id int64, point []byte) (*edhoc.PublicKey, error) {
	full, _, ok := calculate(id, point)
	if !ok {
		return nil, errValue
	}
	n := fieldSize[id]
	return edhoc.NewPublicKey(curve, full[1:1+n], full[1+n:])
}

// keyBits gives the content of subjectPublicKey as X.509 has it.
func (c *Certificate) keyBits() ([]byte, error) {
	var b cryptobyte.Builder
	keyToDER(&b, &c.keyAlg, c.key, c.typ)
	return b.Bytes()
}

// signer gives the key with which the subject signs certificates.
func (c *Certificate) signer() crypto.PublicKey {
	if c.keyAlg.is(keyEd448) {
		if key, err := c.keyBits(); err == nil && len(key) == ed448.PublicKeySize {
			return ed448.PublicKey(key)
		}
	}
	return c.view.PublicKey
}

// CheckSignature checks the signature of the certificate with a key of its issuer, ECDSA,
// Ed25519, Ed448 (circl) or RSA, and nothing else.
func (c *Certificate) CheckSignature(issuer crypto.PublicKey) error {
	if c.view == nil {
		return invalid("certificate: %v", c.err)
	}
	signed := c.view.RawTBSCertificate
	if c.typ == Native {
		signed = c.raw[:c.tbs]
	}
	// Not by sigAlg: there are several ways to write it.
	if alg := c.view.SignatureAlgorithm; alg == x509.SHA1WithRSA || alg == x509.ECDSAWithSHA1 {
		return invalid("signed with SHA-1")
	}
	if c.typ == Native && c.sigAlg.ecdsa() && orderSize(issuer) != len(c.signature)/2 {
		return invalid("signature is not of the curve of the issuer")
	}
	if key, ok := issuer.(ed448.PublicKey); ok {
		if !c.sigAlg.is(sigEd448) || len(key) != ed448.PublicKeySize || !ed448.Verify(key, signed, c.signature, "") {
			return invalid("signature does not verify")
		}
		return nil
	}
	by := &x509.Certificate{PublicKey: issuer}
	if err := by.CheckSignature(c.view.SignatureAlgorithm, signed, c.view.Signature); err != nil {
		return invalid("signature does not verify: %v", err)
	}
	return nil
}
