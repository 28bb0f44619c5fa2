package c509

import (
	"time"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// Type is a C509 certificate type (Section 9.1).
type Type int64

// The certificate types.
const (
	Native      Type = 2 // signed over its CBOR encoding
	FromX509DER Type = 3 // an X.509 certificate, signed over its DER encoding
)

// parts are the elements of a C509Certificate (Section 3.1):
//
//	C509Certificate = [
//	   c509CertificateType: int, certificateSerialNumber: ~biguint,
//	   issuerSignatureAlgorithm: AlgorithmIdentifier, issuer: Name / null,
//	   validityNotBefore: ~time, validityNotAfter: ~time / null,
//	   subject: Name, subjectPublicKeyAlgorithm: AlgorithmIdentifier,
//	   subjectPublicKey: Defined, extensions: Extensions,
//	   issuerSignatureValue: any,
//	]
type parts struct {
	typ        Type
	serial     []byte
	sigAlg     algorithm
	issuer     Name
	selfIssued bool // issuer is that of subject: null
	notBefore  uint64
	notAfter   uint64 // noExpiry: null
	subject    Name
	keyAlg     algorithm
	key        []byte // subjectPublicKey, one item
	extensions []Extension
	signature  []byte
}

// elements is the number of elements in a C509Certificate.
const elements = 11

// noExpiry is 99991231235959Z (Section 3.1.5).
var noExpiry = uint64(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix())

// maxSerial is the greatest length of an INTEGER serialNumber (RFC 5280, Section 4.1.2.2).
const maxSerial = 20

// read decodes ~C509Certificate. That it is the one encoding of what it says, the
// caller finds out by encoding it again.
func (p *parts) read(s *cborseq.String) error {
	var typ int64
	switch {
	case !s.ReadInt(&typ):
		return malformed("c509CertificateType")
	case typ != int64(Native) && typ != int64(FromX509DER):
		return malformed("unknown c509CertificateType %d", typ)
	case !readBiguint(s, &p.serial) || !p.serialFits(Type(typ)):
		return malformed("certificateSerialNumber")
	case !p.sigAlg.read(s, signatureAlgorithms):
		return malformed("issuerSignatureAlgorithm")
	case !p.readIssuer(s):
		return malformed("issuer")
	case !s.ReadUint(&p.notBefore) || p.notBefore > noExpiry:
		return malformed("validityNotBefore")
	case !p.readNotAfter(s):
		return malformed("validityNotAfter")
	case !readName(s, &p.subject):
		return malformed("subject")
	case !p.keyAlg.read(s, keyAlgorithms):
		return malformed("subjectPublicKeyAlgorithm")
	case !s.ReadRaw(&p.key):
		return malformed("subjectPublicKey")
	case !readExtensions(s, &p.extensions):
		return malformed("extensions")
	case !s.ReadBytes(&p.signature):
		return malformed("issuerSignatureValue")
	case !s.Empty():
		return malformed("%d bytes behind the certificate", len(*s))
	}
	p.typ = Type(typ)
	if p.selfIssued {
		p.issuer = p.subject
	} else if p.issuer.same(p.subject) {
		return malformed("issuer is that of the subject, but not null")
	}
	return nil
}

// serialFits says whether the number is as RFC 5280 wants it; zero is in some X.509
// certificates.
func (p *parts) serialFits(typ Type) bool {
	n := len(p.serial)
	if n > 0 && p.serial[0] >= 0x80 {
		n++
	}
	return n <= maxSerial && (n > 0 || typ == FromX509DER)
}

func (p *parts) readIssuer(s *cborseq.String) bool {
	if p.selfIssued = s.ReadNull(); p.selfIssued {
		return true
	}
	return readName(s, &p.issuer)
}

func (p *parts) readNotAfter(s *cborseq.String) bool {
	if s.ReadNull() {
		p.notAfter = noExpiry
		return true
	}
	return s.ReadUint(&p.notAfter) && p.notAfter < noExpiry
}

// same says whether both names have the same encoding, other than equal.
func (n Name) same(other Name) bool { return string(n.append(nil)) == string(other.append(nil)) }

// appendTBS appends the CBOR sequence TBSCertificate.
func (p *parts) appendTBS(b []byte) []byte {
	b = cborseq.AppendInt(b, int64(p.typ))
	b = cborseq.AppendBytes(b, p.serial)
	b = p.sigAlg.append(b)
	if p.issuer.same(p.subject) {
		b = cborseq.AppendNull(b)
	} else {
		b = p.issuer.append(b)
	}
	b = cborseq.AppendUint(b, p.notBefore)
	if p.notAfter == noExpiry {
		b = cborseq.AppendNull(b)
	} else {
		b = cborseq.AppendUint(b, p.notAfter)
	}
	b = p.subject.append(b)
	b = p.keyAlg.append(b)
	b = append(b, p.key...)
	return appendExtensions(b, p.extensions)
}
