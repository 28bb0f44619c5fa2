package c509

import (
	"errors"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// der writes the X.509 certificate (RFC 5280, Section 4.1). That of a native certificate
// says the same, but its signature is over something else.
func (p *parts) der() ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, p.addTBS)
		p.sigAlg.addDER(b, signatureAlgorithms)
		field(b, "issuerSignatureValue", func(b *cryptobyte.Builder) {
			addBitString(b, func(b *cryptobyte.Builder) { signatureToDER(b, &p.sigAlg, p.signature) })
		})
	})
	der, err := b.Bytes()
	if err != nil && !errors.Is(err, ErrMalformed) {
		err = malformed("%v", err)
	}
	return der, err
}

// field names what add fails on.
func field(b *cryptobyte.Builder, name string, add func(b *cryptobyte.Builder)) {
	var part cryptobyte.Builder
	add(&part)
	der, err := part.Bytes()
	if errors.Is(err, errValue) {
		err = malformed("%s", name)
	}
	if err != nil {
		b.SetError(err)
	}
	b.AddBytes(der)
}

// addBitString adds a BIT STRING without unused bits.
func addBitString(b *cryptobyte.Builder, add func(b *cryptobyte.Builder)) {
	b.AddASN1(asn1.BIT_STRING, func(b *cryptobyte.Builder) {
		b.AddUint8(0)
		add(b)
	})
}

func (p *parts) addTBS(b *cryptobyte.Builder) {
	b.AddASN1(contextConstructedTag(0), func(b *cryptobyte.Builder) { b.AddASN1Uint64(2) })
	addUint(b, p.serial)
	p.sigAlg.addDER(b, signatureAlgorithms)
	field(b, "issuer", p.issuer.addDER)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addTime(b, p.notBefore)
		addTime(b, p.notAfter)
	})
	field(b, "subject", p.subject.addDER)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		p.keyAlg.addDER(b, keyAlgorithms)
		field(b, "subjectPublicKey", func(b *cryptobyte.Builder) {
			addBitString(b, func(b *cryptobyte.Builder) { keyToDER(b, &p.keyAlg, p.key, p.typ) })
		})
	})
	field(b, "extensions", func(b *cryptobyte.Builder) { addExtensionsDER(b, p.extensions) })
}

// addTime adds a UTCTime through 2049, then a GeneralizedTime.
func addTime(b *cryptobyte.Builder, seconds uint64) {
	t := time.Unix(int64(seconds), 0).UTC()
	if t.Year() < 2050 {
		b.AddASN1UTCTime(t)
	} else {
		b.AddASN1GeneralizedTime(t)
	}
}

// A form is what CBOR of the same certificate may choose (Sections 3.2 and 3.7).
type form struct {
	typ          Type
	uncompressed bool            // the point of the public key
	half         int             // length of r and s in the signature; 0 if not known
	generic      map[string]bool // extensions, by OID, that keep it though their value has a form in CBOR
}

// form gives the choices that p made.
func (p *parts) form() form {
	f := form{typ: p.typ, generic: map[string]bool{}}
	if _, weierstrass := fieldSize[p.keyAlg.id]; p.keyAlg.oid == nil && weierstrass {
		f.uncompressed = len(p.key) > 2 && p.key[2] == pointUncompressed
	}
	if p.sigAlg.ecdsa() {
		f.half = len(p.signature) / 2
	}
	if p.typ == FromX509DER {
		for _, e := range p.extensions {
			if e.OID != nil {
				f.generic[string(e.OID)] = true
			}
		}
	}
	return f
}

// readDER is the inverse of der, in the form f. That what it reads is the one DER
// encoding, the caller finds out by encoding it again.
func (p *parts) readDER(der []byte, f form) error {
	s := cryptobyte.String(der)
	var cert, tbs cryptobyte.String
	var again algorithm
	var sig []byte
	switch {
	case !s.ReadASN1(&cert, asn1.SEQUENCE) || !s.Empty() || !cert.ReadASN1(&tbs, asn1.SEQUENCE):
		return malformed("X.509 certificate is not DER")
	case !again.readDER(&cert, signatureAlgorithms) || !cert.ReadASN1BitStringAsBytes(&sig) || !cert.Empty():
		return malformed("signature of the X.509 certificate")
	}
	if err := p.readTBS(&tbs, f); err != nil {
		return err
	}
	value, ok := signatureFromDER(&p.sigAlg, sig, f.half)
	if !ok {
		return inexpressible("signature value")
	}
	p.typ, p.signature = f.typ, value
	return nil
}

func (p *parts) readTBS(s *cryptobyte.String, f form) error {
	var version, validity, spki cryptobyte.String
	var key []byte
	var ok bool
	switch {
	case !s.ReadASN1(&version, contextConstructedTag(0)) || string(version) != "\x02\x01\x02":
		return inexpressible("X.509 certificate is not of version 3")
	case !readUint(s, &p.serial) || !p.serialFits(f.typ):
		return inexpressible("serial number is negative or longer than %d octets", maxSerial)
	case !p.sigAlg.readDER(s, signatureAlgorithms):
		return inexpressible("signature algorithm")
	case !readDERName(s, &p.issuer):
		return inexpressible("issuer: string type, rules of an attribute, or more than one in a relative name")
	case !s.ReadASN1(&validity, asn1.SEQUENCE) || !readDERTime(&validity, &p.notBefore) || !readDERTime(&validity, &p.notAfter):
		return inexpressible("validity")
	case !readDERName(s, &p.subject):
		return inexpressible("subject: string type, rules of an attribute, or more than one in a relative name")
	case !s.ReadASN1(&spki, asn1.SEQUENCE) || !p.keyAlg.readDER(&spki, keyAlgorithms) || !spki.ReadASN1BitStringAsBytes(&key) || !spki.Empty():
		return inexpressible("subjectPublicKeyInfo")
	}
	if f.typ == Native {
		plain(p.issuer)
		plain(p.subject)
	}
	if p.key, ok = keyFromDER(&p.keyAlg, key, f.typ, f.uncompressed); !ok {
		return inexpressible("public key")
	}
	if !readDERExtensions(s, f.generic, &p.extensions) || !s.Empty() {
		return inexpressible("unique identifiers or extensions")
	}
	for _, e := range p.extensions {
		if _, registered := extensionTypes.ints[string(e.OID)]; f.typ == Native && registered {
			return inexpressible("extension whose value has no form in CBOR")
		}
	}
	return nil
}

// plain makes the attributes UTF8Strings.
func plain(n Name) {
	for i := range n {
		n[i].Printable = false
	}
}

func readDERTime(s *cryptobyte.String, out *uint64) bool {
	var t time.Time
	if !s.PeekASN1Tag(asn1.UTCTime) || !s.ReadASN1UTCTime(&t) {
		if !s.ReadASN1GeneralizedTime(&t) {
			return false
		}
	}
	*out = uint64(t.Unix())
	return t.Unix() >= 0
}
