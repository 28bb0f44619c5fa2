package edhoc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// ParseX509 decodes an X.509 certificate, DER. Its signature is not checked: the
// certificate is trusted because the caller has it, as with a pinned one.
func ParseX509(der []byte) (*Credential, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, unusable("certificate: %v", err)
	}
	return fromX509(cert)
}

// maxRSA is the size of a key in a chain, in bits: to try a longer one takes seconds.
const maxRSA = 8192

// VerifyX509 validates a chain of X.509 certificates, DER, the end entity's first
// (RFC 9528, Appendix D.3), as in IDCred.X5Chain. opts.Roots and opts.CurrentTime
// must be set; opts.Intermediates gains the rest of the chain; without
// opts.KeyUsages, any extended key usage will do. The caller decides whether it
// wants to talk to the subject, and whether the certificate was revoked.
func VerifyX509(chain [][]byte, opts x509.VerifyOptions) (*Credential, error) {
	if len(chain) == 0 || opts.Roots == nil || opts.CurrentTime.IsZero() {
		return nil, unusable("no chain, roots or time")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, unusable("certificate: %v", err)
	}
	more := x509.NewCertPool()
	if opts.Intermediates != nil {
		more = opts.Intermediates.Clone()
	}
	for _, der := range chain[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, unusable("certificate of the chain: %v", err)
		}
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
			return nil, unusable("certificate of the chain: RSA key of %d bits", key.N.BitLen())
		}
		more.AddCert(cert)
	}
	opts.Intermediates = more
	if opts.KeyUsages == nil {
		opts.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
	if _, err := leaf.Verify(opts); err != nil {
		return nil, unusable("certificate: %v", err)
	}
	return fromX509(leaf)
}

//spec:9528-3.5.2-1
func fromX509(cert *x509.Certificate) (*Credential, error) {
	key, err := keyX509(cert)
	if err != nil {
		return nil, unusable("certificate: %v", err)
	}
	// Not cert.Subject: of several attributes of one type it keeps the last.
	var subject pkix.RDNSequence
	if _, err := asn1.Unmarshal(cert.RawSubject, &subject); err != nil {
		return nil, unusable("certificate: subject: %v", err)
	}
	return &Credential{
		cred:      cborseq.AppendBytes(nil, cert.Raw),
		cert:      bytes.Clone(cert.Raw),
		key:       key.restrict(useX509(cert.KeyUsage)),
		subject:   subject.String(),
		notBefore: cert.NotBefore,
		notAfter:  cert.NotAfter.Add(1), // the last moment is in it (RFC 5280, Section 4.1.2.5)
		value:     X5Chain(cert.Raw),
	}, nil
}

// useX509 is what the key usage of a certificate allows (RFC 9528, Appendix D.1).
func useX509(u x509.KeyUsage) keyUse {
	if u == 0 { // no such extension
		return anyUse
	}
	use := noUse
	if u&x509.KeyUsageDigitalSignature != 0 {
		use |= signOnly
	}
	if u&x509.KeyUsageKeyAgreement != 0 {
		use |= agreeOnly
	}
	return use
}

// oids are of the keys that crypto/x509 leaves undecoded (RFC 8410, Section 3).
var oids = []struct {
	id    asn1.ObjectIdentifier
	curve Curve
}{
	{asn1.ObjectIdentifier{1, 3, 101, 110}, X25519},
	{asn1.ObjectIdentifier{1, 3, 101, 111}, X448},
	{asn1.ObjectIdentifier{1, 3, 101, 113}, Ed448},
}

func keyX509(cert *x509.Certificate) (*PublicKey, error) {
	switch pub := cert.PublicKey.(type) {
	case ed25519.PublicKey:
		return NewPublicKey(Ed25519, pub, nil)
	case *ecdsa.PublicKey:
		return publicECDSA(pub)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &info); err == nil && len(rest) == 0 {
		for _, o := range oids {
			if info.Algorithm.Algorithm.Equal(o.id) {
				return NewPublicKey(o.curve, info.Key.RightAlign(), nil)
			}
		}
	}
	return nil, misuse("key of type %T", cert.PublicKey)
}
