package c509

import (
	"bytes"
	"crypto/x509"
	"math/big"
	"slices"
	"time"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// A Certificate is a C509 certificate that was parsed, converted or created. That says
// nothing about trust: see Verify. It is immutable, and what its methods give must not be
// changed.
type Certificate struct {
	parts
	raw  []byte // ~C509Certificate
	tbs  int    // how much of raw is signed, in a native certificate
	der  []byte // of the X.509 certificate; of a native one, of its likeness
	view *x509.Certificate
	err  error // why there is no view
}

// Parse decodes ~C509Certificate, the CBOR sequence of a certificate, of any type, as c5c
// has it. It is strict: there is one encoding of each certificate, with the exceptions
// that the package comment names.
func Parse(sequence []byte) (*Certificate, error) {
	c := &Certificate{raw: bytes.Clone(sequence)}
	s := cborseq.String(c.raw)
	if err := c.read(&s); err != nil {
		return nil, err
	}
	if err := c.finish(); err != nil {
		return nil, err
	}
	var again parts
	if err := again.readDER(c.der, c.form()); err != nil {
		return nil, malformed("%v", err)
	}
	if !bytes.Equal(again.append(nil), c.raw) {
		return nil, malformed("not the one encoding of the certificate")
	}
	return c, nil
}

// ParseItem decodes C509Certificate, the CBOR array, as Parse does.
func ParseItem(item []byte) (*Certificate, error) {
	s := cborseq.String(item)
	var n int
	if !s.ReadArray(&n) || n != elements {
		return nil, malformed("not an array of %d elements", elements)
	}
	return Parse(s)
}

// finish fills in what follows from parts and raw.
func (c *Certificate) finish() error {
	var err error
	if c.der, err = c.parts.der(); err != nil {
		return err
	}
	c.tbs = len(c.appendTBS(nil))
	if c.view, c.err = x509.ParseCertificate(c.der); c.err != nil {
		c.view = nil
	}
	return nil
}

// append appends ~C509Certificate.
func (p *parts) append(b []byte) []byte { return cborseq.AppendBytes(p.appendTBS(b), p.signature) }

// FromX509 re-encodes an X.509 certificate, DER, as a certificate of type FromX509DER. Its
// error is ErrInexpressible if there is no encoding from which ToX509 gives the same
// bytes: of distinguished names with several attributes in one relative name or of old
// string types, negative serial numbers, unique identifiers, times before 1970.
func FromX509(der []byte) (*Certificate, error) {
	c := new(Certificate)
	if err := c.readDER(bytes.Clone(der), form{typ: FromX509DER}); err != nil {
		return nil, err
	}
	c.widen()
	c.raw = c.append(nil)
	if err := c.finish(); err != nil {
		return nil, inexpressible("%v", err)
	}
	if !bytes.Equal(c.der, der) {
		return nil, inexpressible("the X.509 certificate is not the DER of its content")
	}
	return c, nil
}

// widen pads the signature to the order of the issuer's curve, where that is known:
// the issuer is the subject. That matters for 64 and 66 bytes only.
func (p *parts) widen() {
	if p.sigAlg.ecdsa() && p.keyAlg.is(keyP521) && p.issuer.same(p.subject) && len(p.signature) == 2*64 {
		p.signature = slices.Concat([]byte{0, 0}, p.signature[:64], []byte{0, 0}, p.signature[64:])
	}
}

// ToX509 gives the X.509 certificate, DER, of a certificate of type FromX509DER: the bytes
// that its issuer signed.
func (c *Certificate) ToX509() ([]byte, error) {
	if c.typ != FromX509DER {
		return nil, inexpressible("a natively signed certificate is no X.509 certificate")
	}
	return bytes.Clone(c.der), nil
}

// Type tells who signed what.
func (c *Certificate) Type() Type { return c.typ }

// Sequence gives ~C509Certificate: what c5c holds and c5t is the hash of.
func (c *Certificate) Sequence() []byte { return bytes.Clone(c.raw) }

// Item gives C509Certificate, one CBOR item: CRED_x of EDHOC.
//
//spec:9528-3.5.2-2
func (c *Certificate) Item() []byte {
	return append(cborseq.AppendArray(make([]byte, 0, len(c.raw)+1), elements), c.raw...)
}

// SerialNumber gives the serial number, never negative.
func (c *Certificate) SerialNumber() *big.Int { return new(big.Int).SetBytes(c.serial) }

// Issuer gives the name of the issuer.
func (c *Certificate) Issuer() Name { return slices.Clone(c.issuer) }

// Subject gives the name of the subject.
func (c *Certificate) Subject() Name { return slices.Clone(c.subject) }

// Validity gives the first and the last moment of validity, both included.
func (c *Certificate) Validity() (notBefore, notAfter time.Time) {
	return time.Unix(int64(c.notBefore), 0).UTC(), time.Unix(int64(c.notAfter), 0).UTC()
}

// Extensions gives the extensions in order.
func (c *Certificate) Extensions() []Extension { return slices.Clone(c.extensions) }
