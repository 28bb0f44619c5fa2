package c509

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// sequencesToDER adds a SEQUENCE of SEQUENCEs, at least one, from an array in which
// each of them is as many items as width says. one reads those, and adds what is inside.
func sequencesToDER(b *cryptobyte.Builder, s *cborseq.String, width int, one func(*cryptobyte.Builder, *cborseq.String)) {
	var n int
	if !need(b, s.ReadArray(&n) && n > 0 && n%width == 0) {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for range n / width {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { one(b, s) })
		}
	})
}

// sequencesFromDER is the way back. one reads the whole of a SEQUENCE.
func sequencesFromDER(dst []byte, s *cryptobyte.String, width int, one func([]byte, *cryptobyte.String) ([]byte, bool)) ([]byte, bool) {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) {
		return nil, false
	}
	var items []byte
	n := 0
	for ; !seq.Empty(); n++ {
		var inside cryptobyte.String
		if !seq.ReadASN1(&inside, asn1.SEQUENCE) {
			return nil, false
		}
		var ok bool
		if items, ok = one(items, &inside); !ok || !inside.Empty() {
			return nil, false
		}
	}
	return append(cborseq.AppendArray(dst, width*n), items...), n > 0
}
