package c509

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"io"
	"math/big"
	"time"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/internal/cborseq"
)

// A Template is what a natively signed certificate is to say.
type Template struct {
	SerialNumber *big.Int // positive, at most 20 octets; nil: 8 random octets
	Subject      Name     // Printable is ignored
	NotBefore    time.Time
	NotAfter     time.Time        // the last second, included; zero: no expiration
	PublicKey    *edhoc.PublicKey // of the subject; on P-256 and P-384 with y
	// KeyUsage is not stated if zero. Devices that sign have DigitalSignature, devices with a
	// key for static Diffie-Hellman have KeyAgreement, authorities need CertSign.
	KeyUsage x509.KeyUsage
	CA       bool
	PathLen  int // how many authorities may stand below this one; -1: no limit
	DNSNames []string
	// Extensions follow those that the fields above make.
	Extensions []Extension
}

// Create makes a natively signed certificate: signed by key, the key of parent, or by the
// subject's own if parent is nil. key is of ECDSA on P-256 (ES256), P-384 (ES384) or P-521
// (ES512), of Ed25519, or of Ed448 (circl). random is crypto/rand.Reader if nil.
func Create(random io.Reader, t *Template, parent *Certificate, key crypto.Signer) (*Certificate, error) {
	if random == nil {
		random = rand.Reader
	}
	p, err := t.parts(random)
	if err != nil {
		return nil, err
	}
	p.issuer = p.subject
	if parent != nil {
		if !parent.mayCertify(key.Public()) {
			return nil, inexpressible("parent is no certification authority, or the key is not its key")
		}
		p.issuer = append(Name{}, parent.subject...)
		plain(p.issuer)
	}
	hash, ok := p.signedBy(key.Public())
	if !ok {
		return nil, inexpressible("signature with a key of type %T", key.Public())
	}
	if p.signature, err = p.sign(random, key, hash); err != nil {
		return nil, err
	}
	c, err := Parse(p.append(nil))
	if err != nil {
		return nil, inexpressible("%v", err)
	}
	if parent == nil && !bytes.Equal(c.key, keyItem(key.Public())) {
		return nil, inexpressible("key is not that of the subject")
	}
	return c, c.CheckSignature(key.Public())
}

// mayCertify says whether c is an authority with the key pub.
func (c *Certificate) mayCertify(pub crypto.PublicKey) bool {
	own, ok := pub.(interface{ Equal(crypto.PublicKey) bool })
	return ok && c.view != nil && c.view.BasicConstraintsValid && c.view.IsCA && own.Equal(c.signer()) &&
		(c.extension(extKeyUsage) == nil || c.view.KeyUsage&x509.KeyUsageCertSign != 0)
}

func (t *Template) parts(random io.Reader) (*parts, error) {
	p := &parts{typ: Native, subject: append(Name{}, t.Subject...)}
	plain(p.subject)
	for i := range p.subject {
		if !p.subject[i].valid() {
			return nil, inexpressible("attribute %d of the subject", i)
		}
	}
	var err error
	if p.serial, err = t.serial(random); err != nil {
		return nil, err
	}
	notAfter := noExpiry
	if !t.NotAfter.IsZero() {
		notAfter = uint64(t.NotAfter.Unix())
	}
	if t.NotBefore.Unix() < 0 || uint64(t.NotBefore.Unix()) > notAfter || notAfter > noExpiry {
		return nil, inexpressible("validity")
	}
	p.notBefore, p.notAfter = uint64(t.NotBefore.Unix()), notAfter
	if p.keyAlg.id, p.key, err = encodeKey(t.PublicKey); err != nil {
		return nil, err
	}
	p.extensions, err = t.extensions()
	return p, err
}

func (t *Template) serial(random io.Reader) ([]byte, error) {
	if t.SerialNumber == nil {
		b := make([]byte, 8)
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, inexpressible("serial number: %v", err)
		}
		b[0] |= 1 // not zero
		return b, nil
	}
	p := parts{serial: t.SerialNumber.Bytes()}
	if t.SerialNumber.Sign() <= 0 || !p.serialFits(Native) {
		return nil, inexpressible("serial number is not positive or longer than %d octets", maxSerial)
	}
	return p.serial, nil
}

func (t *Template) extensions() ([]Extension, error) {
	var all []Extension
	if t.CA {
		if t.PathLen < -1 || t.KeyUsage&x509.KeyUsageCertSign == 0 {
			return nil, inexpressible("authority without the key usage CertSign, or with a negative path length")
		}
		all = append(all, Extension{ID: extBasicConstraints, Critical: true, Value: cborseq.AppendInt(nil, int64(t.PathLen))})
	}
	if t.KeyUsage != 0 {
		all = append(all, Extension{ID: extKeyUsage, Critical: true, Value: cborseq.AppendInt(nil, int64(t.KeyUsage))})
	}
	if n := len(t.DNSNames); n > 0 {
		var names []byte
		if n > 1 {
			names = cborseq.AppendArray(nil, 2*n)
		}
		for _, name := range t.DNSNames {
			if n > 1 {
				names = cborseq.AppendInt(names, nameDNS)
			}
			names = cborseq.AppendText(names, name)
		}
		all = append(all, Extension{ID: extSubjectAltName, Critical: len(t.Subject) == 0, Value: names})
	}
	return append(all, t.Extensions...), nil
}

// encodeKey gives algorithm and subjectPublicKey; points are compressed.
func encodeKey(key *edhoc.PublicKey) (int64, []byte, error) {
	if key == nil {
		return 0, nil, inexpressible("no public key")
	}
	id := map[edhoc.Curve]int64{
		edhoc.P256: keyP256, edhoc.P384: keyP384, edhoc.X25519: keyX25519, edhoc.X448: keyX448, edhoc.Ed25519: keyEd25519, edhoc.Ed448: keyEd448,
	}[key.Curve()]
	bits := key.X()
	if id == keyP256 || id == keyP384 {
		if key.Y() == nil {
			return 0, nil, inexpressible("public key without y-coordinate")
		}
		bits = append(append([]byte{pointUncompressed}, bits...), key.Y()...)
	}
	item, ok := keyFromDER(&algorithm{id: id}, bits, Native, false)
	if !ok {
		return 0, nil, inexpressible("public key")
	}
	return id, item, nil
}
