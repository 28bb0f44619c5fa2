package c509

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// The C509 General Names registry (Section 9.12).
const (
	nameMAC       = -3 // otherName of three types of its own
	nameMailbox   = -2
	nameHardware  = -1
	nameOther     = 0
	nameEmail     = 1
	nameDNS       = 2
	nameDirectory = 4
	nameURI       = 6
	nameIP        = 7
	nameID        = 8
)

// otherNames are the otherNames that have an integer.
var otherNames = newRegistry(map[int64]string{
	nameMAC: "1.3.6.1.5.5.7.8.12", nameMailbox: "1.3.6.1.5.5.7.8.9", nameHardware: "1.3.6.1.5.5.7.8.4",
})

// SubjectAltName = GeneralNames / text, which is a single dNSName.
func altNamesToDER(b *cryptobyte.Builder, s *cborseq.String) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if m, ok := s.PeekMajor(); ok && m == cborseq.Text {
			ia5ToDER(b, s, contextTag(nameDNS))
			return
		}
		generalNamesToDER(b, s)
	})
}

func altNamesFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) {
		return nil, false
	}
	single, again := seq, seq
	var name cryptobyte.String
	if single.ReadASN1(&name, contextTag(nameDNS)) && single.Empty() {
		return ia5FromDER(dst, &again, contextTag(nameDNS))
	}
	return generalNamesFromDER(dst, &seq)
}

// generalNamesToDER adds GeneralNames = [ + GeneralName ] without the SEQUENCE around.
func generalNamesToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var n int
	if !need(b, s.ReadArray(&n) && n > 0 && n%2 == 0) {
		return
	}
	for range n / 2 {
		generalNameToDER(b, s)
	}
}

func generalNamesFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var items []byte
	n := 0
	for ; !s.Empty(); n++ {
		var ok bool
		if items, ok = generalNameFromDER(items, s); !ok {
			return nil, false
		}
	}
	return append(cborseq.AppendArray(dst, 2*n), items...), n > 0
}

func generalNameToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var kind int64
	if !need(b, s.ReadInt(&kind)) {
		return
	}
	switch kind {
	case nameMAC, nameMailbox, nameHardware, nameOther:
		otherNameToDER(b, s, kind)
	case nameEmail, nameDNS, nameURI:
		ia5ToDER(b, s, contextTag(uint8(kind)))
	case nameDirectory:
		var name Name
		if need(b, readName(s, &name)) {
			b.AddASN1(contextConstructedTag(nameDirectory), name.addDER)
		}
	case nameIP:
		var ip []byte
		if need(b, s.ReadBytes(&ip)) {
			b.AddASN1(contextTag(nameIP), func(b *cryptobyte.Builder) { b.AddBytes(ip) })
		}
	case nameID:
		var oid []byte
		if need(b, readOID(s, nil, &oid)) {
			b.AddASN1(contextTag(nameID), func(b *cryptobyte.Builder) { b.AddBytes(oid) })
		}
	default:
		b.SetError(errValue)
	}
}

func generalNameFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var v cryptobyte.String
	var tag asn1.Tag
	in := *s
	if !s.ReadAnyASN1(&v, &tag) {
		return nil, false
	}
	switch tag {
	case contextConstructedTag(nameOther):
		return otherNameFromDER(dst, &v)
	case contextTag(nameEmail), contextTag(nameDNS), contextTag(nameURI):
		return ia5FromDER(cborseq.AppendInt(dst, int64(tag&0x1f)), &in, tag)
	case contextConstructedTag(nameDirectory):
		var name Name
		ok := readDERName(&v, &name) && v.Empty()
		return name.append(cborseq.AppendInt(dst, nameDirectory)), ok
	case contextTag(nameIP):
		return cborseq.AppendBytes(cborseq.AppendInt(dst, nameIP), v), true
	case contextTag(nameID):
		return cborseq.AppendBytes(cborseq.AppendInt(dst, nameID), v), validOID(v)
	default: // x400Address and ediPartyName are not registered
		return nil, false
	}
}

// ia5ToDER copies text to an IA5String under another tag.
func ia5ToDER(b *cryptobyte.Builder, s *cborseq.String, tag asn1.Tag) {
	var text string
	if need(b, s.ReadText(&text) && ascii(text)) {
		b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
	}
}

func ia5FromDER(dst []byte, s *cryptobyte.String, tag asn1.Tag) ([]byte, bool) {
	var v cryptobyte.String
	if !s.ReadASN1(&v, tag) || !ascii(string(v)) {
		return nil, false
	}
	return cborseq.AppendText(dst, string(v)), true
}

// otherNameToDER adds an otherName: [ ~oid, bytes ] with the DER of any value, or one of
// three values in CBOR.
func otherNameToDER(b *cryptobyte.Builder, s *cborseq.String, kind int64) {
	b.AddASN1(contextConstructedTag(nameOther), func(b *cryptobyte.Builder) {
		oid := []byte(otherNames.oids[kind])
		var n int
		if kind == nameOther {
			if !need(b, s.ReadArray(&n) && n == 2 && readOID(s, nil, &oid)) {
				return
			}
		}
		addOID(b, oid)
		b.AddASN1(contextConstructedTag(0), func(b *cryptobyte.Builder) { otherValueToDER(b, s, kind) })
	})
}

func otherValueToDER(b *cryptobyte.Builder, s *cborseq.String, kind int64) {
	var v, oid []byte
	var text string
	var n int
	switch kind {
	case nameMAC:
		if need(b, s.ReadBytes(&v) && (len(v) == 6 || len(v) == 8)) {
			b.AddASN1OctetString(v)
		}
	case nameMailbox:
		if need(b, s.ReadText(&text)) {
			b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
		}
	case nameHardware:
		if need(b, s.ReadArray(&n) && n == 2 && readOID(s, nil, &oid) && s.ReadBytes(&v)) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addOID(b, oid)
				b.AddASN1OctetString(v)
			})
		}
	default:
		need(b, s.ReadBytes(&v) && oneElement(v))
		b.AddBytes(v)
	}
}

func otherNameFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var oid []byte
	var v cryptobyte.String
	if !readDEROID(s, &oid) || !s.ReadASN1(&v, contextConstructedTag(0)) || !s.Empty() {
		return nil, false
	}
	kind := otherNames.ints[string(oid)]
	dst = cborseq.AppendInt(dst, kind)
	var inner cryptobyte.String
	switch kind {
	case nameMAC:
		ok := v.ReadASN1(&inner, asn1.OCTET_STRING) && v.Empty()
		return cborseq.AppendBytes(dst, inner), ok
	case nameMailbox:
		ok := v.ReadASN1(&inner, asn1.UTF8String) && v.Empty()
		return cborseq.AppendText(dst, string(inner)), ok
	case nameHardware:
		var serial cryptobyte.String
		ok := v.ReadASN1(&inner, asn1.SEQUENCE) && v.Empty() && readDEROID(&inner, &oid) &&
			inner.ReadASN1(&serial, asn1.OCTET_STRING) && inner.Empty()
		dst = cborseq.AppendBytes(cborseq.AppendArray(dst, 2), oid)
		return cborseq.AppendBytes(dst, serial), ok
	}
	dst = cborseq.AppendBytes(cborseq.AppendArray(dst, 2), oid)
	return cborseq.AppendBytes(dst, v), oneElement(v)
}
