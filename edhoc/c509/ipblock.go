package c509

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// An address is an IPAddress (RFC 3779, Section 2.2.3.8): the content of a BIT STRING, the
// number of its unused bits first.
type address []byte

// number gives the integer of Section 3.3, of at most 8 octets.
func (a address) number() int64 {
	var b [8]byte
	copy(b[8-len(a):], a)
	b[8-len(a)]++
	return int64(binary.BigEndian.Uint64(b[:]))
}

// addressOf is the inverse of number.
func addressOf(v int64) (address, bool) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(v))
	for i, octet := range b {
		if octet != 0 {
			b[i]--
			return b[i:], v > 0
		}
	}
	return nil, false
}

func (a address) valid() bool {
	return len(a) > 0 && len(a) <= 17 && a[0] < 8 && (len(a) > 1 || a[0] == 0)
}

func (a address) addDER(b *cryptobyte.Builder) {
	if need(b, a.valid()) {
		b.AddASN1(asn1.BIT_STRING, func(b *cryptobyte.Builder) { b.AddBytes(a) })
	}
}

// IPAddrBlocks = [ + ( AFI: uint, SAFI: uint / null, IntIPAddressChoice / IPAddressChoice /
// null ) ].
func ipBlocksToDER(b *cryptobyte.Builder, s *cborseq.String) {
	sequencesToDER(b, s, 3, ipFamilyToDER)
}

func ipFamilyToDER(b *cryptobyte.Builder, s *cborseq.String) {
	var afi, safi uint64
	if !need(b, s.ReadUint(&afi) && afi <= 0xffff) {
		return
	}
	family := binary.BigEndian.AppendUint16(nil, uint16(afi))
	if !s.ReadNull() {
		if !need(b, s.ReadUint(&safi) && safi <= 0xff) {
			return
		}
		family = append(family, byte(safi))
	}
	b.AddASN1OctetString(family)
	if s.ReadNull() {
		b.AddASN1NULL()
		return
	}
	var n int
	if !need(b, s.ReadArray(&n) && n > 0) {
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		var last int64
		for range n {
			m, _ := s.PeekMajor()
			if m != cborseq.Array {
				addressToDER(b, s, &last)
				continue
			}
			var pair int
			if !need(b, s.ReadArray(&pair) && pair == 2) {
				return
			}
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addressToDER(b, s, &last)
				addressToDER(b, s, &last)
			})
		}
	})
}

func addressToDER(b *cryptobyte.Builder, s *cborseq.String, last *int64) {
	var raw []byte
	if s.ReadBytes(&raw) {
		address(raw).addDER(b)
		return
	}
	var v int64
	if !need(b, s.ReadInt(&v) && v > -1<<60 && v < 1<<60) {
		return
	}
	*last += v
	a, ok := addressOf(*last)
	if need(b, ok && *last < 1<<60) {
		a.addDER(b)
	}
}

func ipBlocksFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	return sequencesFromDER(dst, s, 3, ipFamilyFromDER)
}

func ipFamilyFromDER(dst []byte, s *cryptobyte.String) ([]byte, bool) {
	var family, list cryptobyte.String
	if !s.ReadASN1(&family, asn1.OCTET_STRING) || len(family) != 2 && len(family) != 3 {
		return nil, false
	}
	dst = cborseq.AppendUint(dst, uint64(binary.BigEndian.Uint16(family)))
	if len(family) == 3 {
		dst = cborseq.AppendUint(dst, uint64(family[2]))
	} else {
		dst = cborseq.AppendNull(dst)
	}
	if s.PeekASN1Tag(asn1.NULL) {
		return nullFromDER(dst, s)
	}
	if !s.ReadASN1(&list, asn1.SEQUENCE) {
		return nil, false
	}
	var ranges [][]address
	short := true
	for !list.Empty() {
		from, n := &list, 1
		var pair cryptobyte.String
		if list.PeekASN1Tag(asn1.SEQUENCE) {
			if !list.ReadASN1(&pair, asn1.SEQUENCE) {
				return nil, false
			}
			from, n = &pair, 2
		}
		r := make([]address, n)
		for i := range r {
			var v cryptobyte.String
			if !from.ReadASN1(&v, asn1.BIT_STRING) || !address(v).valid() {
				return nil, false
			}
			r[i] = address(v)
			short = short && len(v) <= 8
		}
		if !pair.Empty() {
			return nil, false
		}
		ranges = append(ranges, r)
	}
	return appendAddresses(dst, ranges, short), len(ranges) > 0
}

// appendAddresses appends the integers, or the byte strings if one of them is too long
// for an integer.
func appendAddresses(dst []byte, ranges [][]address, short bool) []byte {
	dst = cborseq.AppendArray(dst, len(ranges))
	var last int64
	for _, r := range ranges {
		if len(r) == 2 {
			dst = cborseq.AppendArray(dst, 2)
		}
		for _, a := range r {
			if !short {
				dst = cborseq.AppendBytes(dst, a)
				continue
			}
			dst = cborseq.AppendInt(dst, a.number()-last)
			last = a.number()
		}
	}
	return dst
}
