package c509

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// ASIdentifiers = [ + ASIdOrRange ] / null (RFC 3779, Section 3): each number but the
// first is the difference to the one before.
func asNumbersToDER(b *cryptobyte.Builder, s *cborseq.String) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(contextConstructedTag(0), func(b *cryptobyte.Builder) {
			if s.ReadNull() {
				b.AddASN1NULL()
				return
			}
			var n int
			if !need(b, s.ReadArray(&n) && n > 0) {
				return
			}
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				var last uint64
				for range n {
					asNumberToDER(b, s, &last)
				}
			})
		})
	})
}

func asNumberToDER(b *cryptobyte.Builder, s *cborseq.String, last *uint64) {
	number := func(b *cryptobyte.Builder) {
		var v uint64
		if need(b, s.ReadUint(&v) && v <= 1<<32 && *last+v <= 1<<32-1) {
			*last += v
			b.AddASN1Uint64(*last)
		}
	}
	if m, _ := s.PeekMajor(); m != cborseq.Array {
		number(b)
		return
	}
	var n int
	if need(b, s.ReadArray(&n) && n == 2) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			number(b)
			number(b)
		})
	}
}

func asNumbersFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var seq, choice, list cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !seq.ReadASN1(&choice, contextConstructedTag(0)) || !seq.Empty() {
		return nil, false
	}
	if choice.PeekASN1Tag(asn1.NULL) {
		return nullFromDER(dst, &choice)
	}
	if !choice.ReadASN1(&list, asn1.SEQUENCE) || !choice.Empty() {
		return nil, false
	}
	var items []byte
	var last uint64
	n := 0
	number := func(s *cryptobyte.String) bool {
		var v uint64
		if !s.ReadASN1Integer(&v) || v < last {
			return false
		}
		items, last = cborseq.AppendUint(items, v-last), v
		return true
	}
	for ; !list.Empty(); n++ {
		if !list.PeekASN1Tag(asn1.SEQUENCE) {
			if !number(&list) {
				return nil, false
			}
			continue
		}
		var pair cryptobyte.String
		items = cborseq.AppendArray(items, 2)
		if !list.ReadASN1(&pair, asn1.SEQUENCE) || !number(&pair) || !number(&pair) || !pair.Empty() {
			return nil, false
		}
	}
	return append(cborseq.AppendArray(dst, n), items...), n > 0
}
