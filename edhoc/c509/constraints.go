package c509

import (
	"math/bits"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// NameConstraints = [ permittedSubtrees: GeneralSubtrees / null, excludedSubtrees:
// GeneralSubtrees / null ].
func nameConstraintsToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var n int
	if !need(b, s.ReadArray(&n) && n == 2) {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for i := range uint8(2) {
			if !s.ReadNull() {
				b.AddASN1(contextConstructedTag(i), func(b *cryptobyte.Builder) { subtreesToDER(b, s) })
			}
		}
	})
}

func subtreesToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var n int
	if !need(b, s.ReadArray(&n) && n > 0 && n%2 == 0) {
		return
	}
	for range n / 2 {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			t := *s
			var kind int64
			var ip []byte
			if !t.ReadInt(&kind) || kind != nameIP {
				generalNameToDER(b, s)
				return
			}
			if need(b, t.ReadBytes(&ip)) {
				block, ok := maskOf(ip)
				need(b, ok)
				b.AddASN1(contextTag(nameIP), func(b *cryptobyte.Builder) { b.AddBytes(block) })
			}
			*s = t
		})
	}
}

func nameConstraintsFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || seq.Empty() {
		return nil, false
	}
	dst = cborseq.AppendArray(dst, 2)
	for i := range uint8(2) {
		var subtrees cryptobyte.String
		if !seq.PeekASN1Tag(contextConstructedTag(i)) {
			dst = cborseq.AppendNull(dst)
			continue
		}
		if !seq.ReadASN1(&subtrees, contextConstructedTag(i)) {
			return nil, false
		}
		var ok bool
		if dst, ok = subtreesFromDER(dst, &subtrees); !ok {
			return nil, false
		}
	}
	return dst, seq.Empty()
}

func subtreesFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var items []byte
	n := 0
	for ; !s.Empty(); n++ {
		var one, block cryptobyte.String
		if !s.ReadASN1(&one, asn1.SEQUENCE) {
			return nil, false
		}
		var ok bool
		if one.PeekASN1Tag(contextTag(nameIP)) {
			var ip []byte
			if !one.ReadASN1(&block, contextTag(nameIP)) {
				return nil, false
			}
			ip, ok = prefixOf(block)
			items = cborseq.AppendBytes(cborseq.AppendInt(items, nameIP), ip)
		} else {
			items, ok = generalNameFromDER(items, &one)
		}
		if !ok || !one.Empty() { // minimum and maximum are not used
			return nil, false
		}
	}
	return append(cborseq.AppendArray(dst, 2*n), items...), n > 0
}

// maskOf turns an address and the length of its prefix into address and mask.
func maskOf(ip []byte) ([]byte, bool) {
	n := len(ip) - 1
	if n != 4 && n != 16 || int(ip[n]) > 8*n {
		return nil, false
	}
	block := append(make([]byte, 0, 2*n), ip[:n]...)
	for i := range n {
		left := min(max(int(ip[n])-8*i, 0), 8)
		block = append(block, byte(uint16(0xff00)>>left))
	}
	return block, true
}

func prefixOf(block []byte) ([]byte, bool) {
	n := len(block) / 2
	if len(block) != 8 && len(block) != 32 {
		return nil, false
	}
	length := 0
	for _, octet := range block[n:] {
		length += bits.OnesCount8(octet)
	}
	ip := append(append(make([]byte, 0, n+1), block[:n]...), byte(length))
	again, ok := maskOf(ip)
	return ip, ok && string(again) == string(block)
}

// SubjectDirectoryAttributes = [ + RDNAttributes ], of one or more values each.
func directoryAttributesToDER(b *cryptobyte.Builder, s *cborseq.String) {
	sequencesToDER(b, s, 2, directoryAttributeToDER)
}

func directoryAttributeToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var a Attribute
	var n int
	if !need(b, a.readType(s) && s.ReadArray(&n) && n > 0) {
		return
	}
	oid := a.OID
	if oid == nil {
		oid = []byte(attributeTypes.oids[a.Type])
	}
	addOID(b, oid)
	b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
		for range n {
			if a.OID != nil {
				if need(b, s.ReadBytes(&a.Value) && a.valid()) {
					b.AddBytes(a.Value)
				}
			} else if need(b, readText(s, &a.Text) && a.valid()) {
				a.addValue(b)
			}
		}
	})
}

func directoryAttributesFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	return sequencesFromDER(dst, s, 2, directoryAttributeFromDER)
}

func directoryAttributeFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var oid []byte
	var set cryptobyte.String
	if !readDEROID(s, &oid) || !s.ReadASN1(&set, asn1.SET) {
		return nil, false
	}
	var first Attribute
	var items []byte
	n := 0
	for ; !set.Empty(); n++ {
		var a Attribute
		var element cryptobyte.String
		var tag asn1.Tag
		if id, registered := attributeTypes.ints[string(oid)]; registered {
			a.Type = id
			if !a.readValue(&set) {
				return nil, false
			}
			items = appendText(items, a.Text)
		} else {
			if !set.ReadAnyASN1Element(&element, &tag) {
				return nil, false
			}
			a.OID = oid
			items = cborseq.AppendBytes(items, element)
		}
		if n == 0 {
			first = a
		}
		if a.Printable != first.Printable {
			return nil, false
		}
	}
	dst = cborseq.AppendArray(first.appendType(dst), n)
	return append(dst, items...), n > 0
}
