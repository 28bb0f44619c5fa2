package c509

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// AuthorityInfoAccessSyntax = [ + ( accessMethod: int / ~oid, uri: text ) ].
func accessToDER(b *cryptobyte.Builder, s *cborseq.String) {
	sequencesToDER(b, s, 2, func(b *cryptobyte.Builder, s *cborseq.String) {
		oidToDER(b, s, accessMethods)
		ia5ToDER(b, s, contextTag(nameURI))
	})
}

func accessFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	return sequencesFromDER(dst, s, 2, func(dst []byte, s *cryptobyte.String) ([]byte, bool) {
		var oid []byte
		if !readDEROID(s, &oid) {
			return nil, false
		}
		return ia5FromDER(appendOID(dst, accessMethods, oid), s, contextTag(nameURI))
	})
}

// CRLDistributionPoints = [ + DistributionPointName ] / text, which is a single one of a
// single URI.
func crlPointsToDER(b *cryptobyte.Builder, s *cborseq.String) {
	n := 1
	m, _ := s.PeekMajor()
	single := m == cborseq.Text
	if !single && !need(b, s.ReadArray(&n) && n > 0) {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for range n {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				var parts int
				if !single && !need(b, s.ReadArray(&parts) && parts == 3) {
					return
				}
				fullNameToDER(b, s)
				if !single {
					crlRestToDER(b, s)
				}
			})
		}
	})
}

// fullNameToDER adds [ 2* text ] / text.
func fullNameToDER(b *cryptobyte.Builder, s *cborseq.String) {
	n := 1
	if m, ok := s.PeekMajor(); ok && m == cborseq.Array && !need(b, s.ReadArray(&n) && n >= 2) {
		return
	}
	b.AddASN1(contextConstructedTag(0), func(b *cryptobyte.Builder) {
		b.AddASN1(contextConstructedTag(0), func(b *cryptobyte.Builder) {
			for range n {
				ia5ToDER(b, s, contextTag(nameURI))
			}
		})
	})
}

// crlRestToDER adds reasons and cRLIssuer.
func crlRestToDER(b *cryptobyte.Builder, s *cborseq.String) {
	if !s.ReadNull() {
		var reasons uint64
		if need(b, s.ReadUint(&reasons)) {
			addBits(b, contextTag(1), reasons)
		}
	}
	if !s.ReadNull() {
		var issuer Name
		if need(b, readName(s, &issuer)) {
			b.AddASN1(contextConstructedTag(2), func(b *cryptobyte.Builder) {
				b.AddASN1(contextConstructedTag(nameDirectory), issuer.addDER)
			})
		}
	}
}

func crlPointsFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) {
		return nil, false
	}
	var items, last []byte
	n := 0
	plain := false
	for ; !seq.Empty(); n++ {
		var one cryptobyte.String
		if !seq.ReadASN1(&one, asn1.SEQUENCE) {
			return nil, false
		}
		var ok bool
		items = cborseq.AppendArray(items, 3)
		if last, ok = fullNameFromDER(nil, &one); !ok {
			return nil, false
		}
		items = append(items, last...)
		plain = one.Empty()
		if items, ok = crlRestFromDER(items, &one); !ok {
			return nil, false
		}
	}
	if m, _ := (*cborseq.String)(&last).PeekMajor(); n == 1 && plain && m == cborseq.Text {
		return append(dst, last...), true
	}
	return append(cborseq.AppendArray(dst, n), items...), n > 0
}

func fullNameFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var point, names cryptobyte.String
	if !s.ReadASN1(&point, contextConstructedTag(0)) || !point.ReadASN1(&names, contextConstructedTag(0)) || !point.Empty() {
		return nil, false
	}
	var items []byte
	n := 0
	for ; !names.Empty(); n++ {
		var ok bool
		if items, ok = ia5FromDER(items, &names, contextTag(nameURI)); !ok {
			return nil, false
		}
	}
	if n != 1 {
		dst = cborseq.AppendArray(dst, n)
	}
	return append(dst, items...), n > 0
}

func crlRestFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	ok := true
	if s.PeekASN1Tag(contextTag(1)) {
		dst, ok = bitsTaggedFromDER(dst, s, contextTag(1))
	} else {
		dst = cborseq.AppendNull(dst)
	}
	if s.Empty() {
		return cborseq.AppendNull(dst), ok
	}
	var names, name cryptobyte.String
	var issuer Name
	ok = ok && s.ReadASN1(&names, contextConstructedTag(2)) && s.Empty() &&
		names.ReadASN1(&name, contextConstructedTag(nameDirectory)) && names.Empty() && readDERName(&name, &issuer) && name.Empty()
	return issuer.append(dst), ok
}
