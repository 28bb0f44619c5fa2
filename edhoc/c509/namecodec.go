package c509

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// append appends Name of the CDDL (Section 3.1): the value alone for a common name that
// is a UTF8String.
func (n Name) append(dst []byte) []byte {
	if n.plain() {
		return appendText(dst, n[0].Text)
	}
	dst = cborseq.AppendArray(dst, 2*len(n))
	for i := range n {
		dst = n[i].appendType(dst)
		if n[i].OID != nil {
			dst = cborseq.AppendBytes(dst, n[i].Value)
		} else {
			dst = appendText(dst, n[i].Text)
		}
	}
	return dst
}

// plain says whether n is one common name that is a UTF8String.
func (n Name) plain() bool {
	return len(n) == 1 && n[0].OID == nil && n[0].Type == attrCommonName && !n[0].Printable
}

func (a *Attribute) appendType(dst []byte) []byte {
	switch {
	case a.OID != nil:
		return cborseq.AppendBytes(dst, a.OID)
	case a.Printable:
		return cborseq.AppendInt(dst, -a.Type)
	}
	return cborseq.AppendInt(dst, a.Type)
}

// readName reads what append writes.
func readName(s *cborseq.String, out *Name) bool {
	if m, ok := s.PeekMajor(); ok && m != cborseq.Array {
		var text string
		*out = CommonName("")
		ok := readText(s, &text)
		(*out)[0].Text = text
		return ok
	}
	var n int
	if !s.ReadArray(&n) || n%2 != 0 {
		return false
	}
	name := make(Name, n/2)
	for i := range name {
		a := &name[i]
		if !a.readType(s) {
			return false
		}
		if a.OID != nil && !s.ReadBytes(&a.Value) || a.OID == nil && !readText(s, &a.Text) || !a.valid() {
			return false
		}
	}
	*out = name
	return !name.plain()
}

func (a *Attribute) readType(s *cborseq.String) bool {
	if m, ok := s.PeekMajor(); ok && m == cborseq.Bytes {
		return s.ReadBytes(&a.OID)
	}
	if !s.ReadInt(&a.Type) {
		return false
	}
	if a.Type < 0 {
		a.Type, a.Printable = -a.Type, true
	}
	return true
}

// addDER adds the Name of X.509 (RFC 5280, Section 4.1.2.4).
func (n Name) addDER(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for i := range n {
			b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { n[i].addDER(b) })
			})
		}
	})
}

func (a *Attribute) addDER(b *cryptobyte.Builder) {
	if !need(b, a.valid()) {
		return
	}
	if a.OID != nil {
		addOID(b, a.OID)
		b.AddBytes(a.Value)
		return
	}
	addOID(b, []byte(attributeTypes.oids[a.Type]))
	a.addValue(b)
}

func (a *Attribute) addValue(b *cryptobyte.Builder) {
	tag := asn1.UTF8String
	switch {
	case a.Printable:
		tag = asn1.PrintableString
	case a.alwaysIA5():
		tag = asn1.IA5String
	}
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.Text)) })
}

// readDERName reads the Name of X.509.
func readDERName(s *cryptobyte.String, out *Name) bool {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) {
		return false
	}
	name := Name{}
	for !seq.Empty() {
		var set, pair cryptobyte.String
		var a Attribute
		if !seq.ReadASN1(&set, asn1.SET) || !set.ReadASN1(&pair, asn1.SEQUENCE) || !set.Empty() ||
			!a.readDER(&pair) || !pair.Empty() {
			return false
		}
		name = append(name, a)
	}
	*out = name
	return true
}

func (a *Attribute) readDER(s *cryptobyte.String) bool {
	var oid []byte
	if !readDEROID(s, &oid) {
		return false
	}
	v, registered := attributeTypes.ints[string(oid)]
	if !registered {
		a.OID, a.Value = oid, *s
		*s = nil
		return a.valid()
	}
	a.Type = v
	return a.readValue(s)
}

// readValue reads the value of a registered type: of the string types of X.509 that C509
// can tell apart.
func (a *Attribute) readValue(s *cryptobyte.String) bool {
	var v cryptobyte.String
	var tag asn1.Tag
	if !s.ReadAnyASN1(&v, &tag) {
		return false
	}
	a.Text, a.Printable = string(v), tag == asn1.PrintableString
	want := asn1.UTF8String
	switch {
	case a.alwaysIA5():
		want = asn1.IA5String
	case a.Printable:
		want = tag
	}
	return tag == want && a.valid()
}
