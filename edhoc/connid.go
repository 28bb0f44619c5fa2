package edhoc

import (
	"encoding/hex"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// ConnID is a connection identifier, C_I or C_R: a byte string of any length,
// also of none (RFC 9528, Section 3.3). It is the raw bytes, not an encoding of
// them, and becomes an OSCORE Recipient ID as it is (Section 3.3.3).
type ConnID string

// String gives the bytes in hexadecimal.
func (c ConnID) String() string { return hex.EncodeToString([]byte(c)) }

// AppendCBOR appends the representation of c in messages: the one-byte integer
// whose encoding is c, or else a byte string (RFC 9528, Section 3.3.2).
func (c ConnID) AppendCBOR(dst []byte) []byte { return appendIdentifier(dst, []byte(c)) }

// ReadConnID reads a connection identifier from the front of b, in the one
// representation that it may have, and returns what follows. Transports that put
// one in front of a message use it (RFC 9528, Appendix A.2).
func ReadConnID(b []byte) (c ConnID, rest []byte, ok bool) {
	s := cborseq.String(b)
	if !readConnID(&s, &c) {
		return "", nil, false
	}
	return c, s, true
}

// oneByteInt says whether b is the encoding of an integer of -24..23.
func oneByteInt(b []byte) bool {
	return len(b) == 1 && (b[0] <= 0x17 || b[0] >= 0x20 && b[0] <= 0x37)
}

// appendIdentifier appends the representation of a byte string identifier (RFC
// 9528, Section 3.3.2).
func appendIdentifier(dst, id []byte) []byte {
	//spec:9528-3.3.2-1
	if oneByteInt(id) {
		return append(dst, id[0])
	}
	return cborseq.AppendBytes(dst, id)
}

// readIdentifier reads a byte string identifier. A byte string that has an
// integer representation is refused: there is one encoding of each identifier.
func readIdentifier(s *cborseq.String, out *[]byte) bool {
	if t := *s; len(t) > 0 && oneByteInt(t[:1]) {
		*out, *s = t[:1:1], t[1:]
		return true
	}
	//spec:9528-3.3.2-1
	t := *s
	var b []byte
	if !t.ReadBytes(&b) || oneByteInt(b) {
		return false
	}
	*out, *s = b, t
	return true
}

func readConnID(s *cborseq.String, out *ConnID) bool {
	var b []byte
	if !readIdentifier(s, &b) {
		return false
	}
	*out = ConnID(b)
	return true
}
