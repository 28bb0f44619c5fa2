package c509

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// readOID reads int / ~oid: an integer of r, or an OID that is not in r, for what has
// an integer is encoded as such (Section 3.7). A nil r has none.
func readOID(s *cborseq.String, r *registry, out *[]byte) bool {
	if m, ok := s.PeekMajor(); ok && m == cborseq.Bytes {
		if !s.ReadBytes(out) || !validOID(*out) {
			return false
		}
		if r == nil {
			return true
		}
		_, registered := r.ints[string(*out)]
		return !registered
	}
	var v int64
	if r == nil || !s.ReadInt(&v) {
		return false
	}
	oid, ok := r.oids[v]
	*out = []byte(oid)
	return ok
}

// appendOID appends what readOID reads.
func appendOID(dst []byte, r *registry, oid []byte) []byte {
	if r != nil {
		if v, ok := r.ints[string(oid)]; ok {
			return cborseq.AppendInt(dst, v)
		}
	}
	return cborseq.AppendBytes(dst, oid)
}

// oidToDER copies int / ~oid to an OBJECT IDENTIFIER.
func oidToDER(b *cryptobyte.Builder, s *cborseq.String, r *registry) {
	var oid []byte
	if need(b, readOID(s, r, &oid)) {
		addOID(b, oid)
	}
}

func addOID(b *cryptobyte.Builder, oid []byte) {
	b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(oid) })
}

// readDEROID reads an OBJECT IDENTIFIER, its contents octets.
func readDEROID(s *cryptobyte.String, out *[]byte) bool {
	var v cryptobyte.String
	if !s.ReadASN1(&v, asn1.OBJECT_IDENTIFIER) || !validOID(v) {
		return false
	}
	*out = v
	return true
}

// need makes b fail unless ok.
func need(b *cryptobyte.Builder, ok bool) bool {
	if !ok {
		b.SetError(errValue)
	}
	return ok
}

// contextTag is the tag [n], of a constructed or a primitive value.
func contextTag(n uint8) asn1.Tag            { return asn1.Tag(n).ContextSpecific() }
func contextConstructedTag(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// addUint adds an INTEGER that is not negative, in big endian without leading zeros.
func addUint(b *cryptobyte.Builder, v []byte) { addTaggedUint(b, asn1.INTEGER, v) }

func addTaggedUint(b *cryptobyte.Builder, tag asn1.Tag, v []byte) {
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		if len(v) == 0 || v[0] >= 0x80 {
			b.AddUint8(0)
		}
		b.AddBytes(v)
	})
}

// readUint reads an INTEGER that is not negative, as addUint takes it.
func readUint(s *cryptobyte.String, out *[]byte) bool { return readTaggedUint(s, asn1.INTEGER, out) }

func readTaggedUint(s *cryptobyte.String, tag asn1.Tag, out *[]byte) bool {
	var v cryptobyte.String
	if !s.ReadASN1(&v, tag) || len(v) == 0 || v[0] >= 0x80 || len(v) > 1 && v[0] == 0 && v[1] < 0x80 {
		return false
	}
	if v[0] == 0 {
		v = v[1:]
	}
	*out = v
	return true
}

// readBiguint reads ~biguint (RFC 8949, Section 3.4.3): no leading zeros.
func readBiguint(s *cborseq.String, out *[]byte) bool {
	return s.ReadBytes(out) && (len(*out) == 0 || (*out)[0] != 0)
}
