package c509

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"io"

	"github.com/cloudflare/circl/sign/ed448"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// keyItem gives subjectPublicKey of a key that signs, or nil.
func keyItem(pub crypto.PublicKey) []byte {
	switch pub := pub.(type) {
	case ed25519.PublicKey:
		return cborseq.AppendBytes(nil, pub)
	case ed448.PublicKey:
		return cborseq.AppendBytes(nil, pub)
	case *ecdsa.PublicKey:
		if point, err := pub.Bytes(); err == nil {
			item, _ := keyFromDER(&algorithm{id: curveID(pub.Curve)}, point, Native, false)
			return item
		}
	}
	return nil
}

func curveID(c elliptic.Curve) int64 {
	switch c {
	case elliptic.P256():
		return keyP256
	case elliptic.P384():
		return keyP384
	case elliptic.P521():
		return keyP521
	}
	return 0
}

// orderSize is the length of r and s of a key of ECDSA, else 0.
func orderSize(pub crypto.PublicKey) int {
	if key, ok := pub.(*ecdsa.PublicKey); ok {
		return (key.Curve.Params().N.BitLen() + 7) / 8
	}
	return 0
}

// signedBy sets the signature algorithm and gives the hash for a crypto.Signer.
func (p *parts) signedBy(pub crypto.PublicKey) (crypto.SignerOpts, bool) {
	switch pub := pub.(type) {
	case ed25519.PublicKey:
		p.sigAlg.id = sigEd25519
		return crypto.Hash(0), true
	case ed448.PublicKey:
		p.sigAlg.id = sigEd448
		return ed448.SignerOptions{Scheme: ed448.ED448}, true
	case *ecdsa.PublicKey:
		switch curveID(pub.Curve) {
		case keyP256:
			p.sigAlg.id = sigECDSASHA256
			return crypto.SHA256, true
		case keyP384:
			p.sigAlg.id = sigECDSASHA384
			return crypto.SHA384, true
		case keyP521:
			p.sigAlg.id = sigECDSASHA512
			return crypto.SHA512, true
		}
	}
	return nil, false
}

// sign signs the CBOR sequence TBSCertificate (Section 3.1.12).
func (p *parts) sign(random io.Reader, key crypto.Signer, opts crypto.SignerOpts) ([]byte, error) {
	msg := p.appendTBS(nil)
	if h := opts.HashFunc(); h != 0 {
		d := h.New()
		d.Write(msg)
		msg = d.Sum(nil)
	}
	sig, err := key.Sign(random, msg, opts)
	if err != nil {
		return nil, inexpressible("sign: %v", err)
	}
	value, ok := signatureFromDER(&p.sigAlg, sig, orderSize(key.Public()))
	if !ok {
		return nil, inexpressible("signer gives no ECDSA signature")
	}
	return value, nil
}
