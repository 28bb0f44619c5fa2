package oscore

// The first byte of the OSCORE option (Section 6.1).
const (
	flagLength     = 0x07 // n, the length of the Partial IV
	flagKID        = 0x08
	flagKIDContext = 0x10
	flagReserved   = 0xe0
)

const maxOption = 255 // of the OSCORE option (Section 2)

// header is the header of the COSE object, as the OSCORE option carries it (Section
// 6.1):
//
//	flags, Partial IV (n bytes), s, kid context (s bytes), kid (the rest)
type header struct {
	piv           partialIV // piv.n is 0: not present
	kid           []byte
	kidContext    []byte
	hasKID        bool
	hasKIDContext bool
}

// parse decodes the value of an OSCORE option into h, which is zero and refers to
// the value then. It accepts one encoding of each header, so that what it accepts
// re-encodes to itself.
func (h *header) parse(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if len(b) > maxOption {
		return false
	}
	flags, b := b[0], b[1:]
	//spec:8613-6.1-2
	//spec:8613-2-1
	if flags == 0 || flags&flagReserved != 0 {
		return false
	}
	n := int(flags & flagLength)
	if n > len(b) || !h.piv.parse(b[:n]) {
		return false
	}
	b = b[n:]
	if flags&flagKIDContext != 0 {
		if len(b) == 0 || int(b[0]) > len(b)-1 {
			return false
		}
		s := int(b[0])
		h.kidContext, h.hasKIDContext = b[1:1+s:1+s], true
		b = b[1+s:]
	}
	//spec:8613-6.1-3
	if flags&flagKID != 0 {
		h.kid, h.hasKID = b, true
		return true
	}
	return len(b) == 0
}

// size is the length of the option value.
func (h *header) size() int {
	if h.piv.n == 0 && !h.hasKID && !h.hasKIDContext {
		return 0
	}
	n := 1 + int(h.piv.n) + len(h.kid)
	if h.hasKIDContext {
		n += 1 + len(h.kidContext)
	}
	return n
}

// append encodes h. The caller has seen to it that it fits: kid and kid context are
// bounded where they come from.
//
//spec:8613-6.1-1
func (h *header) append(dst []byte) []byte {
	flags := h.piv.n
	if h.hasKID {
		flags |= flagKID
	}
	if h.hasKIDContext {
		flags |= flagKIDContext
	}
	//spec:8613-2-1
	if flags == 0 {
		return dst
	}
	dst = append(dst, flags)
	dst = append(dst, h.piv.bytes()...)
	if h.hasKIDContext {
		dst = append(dst, byte(len(h.kidContext)))
		dst = append(dst, h.kidContext...)
	}
	return append(dst, h.kid...)
}

// partialIV is a Partial IV as the COSE object carries it: 1 to 5 bytes, big-endian
// (Section 5).
type partialIV struct {
	n uint8
	b [5]byte
}

// newPartialIV encodes a Sender Sequence Number, which is below 2^40.
//
//spec:8613-5-2
func newPartialIV(number uint64) partialIV {
	p := partialIV{n: 1}
	for v := number >> 8; v != 0; v >>= 8 {
		p.n++
	}
	for i := int(p.n) - 1; i >= 0; i-- {
		p.b[i] = byte(number)
		number >>= 8
	}
	return p
}

// parse takes a Partial IV of n bytes, where none is a valid one too: n of 6 and 7 is
// reserved, and leading zeros are not sent.
func (p *partialIV) parse(b []byte) bool {
	if len(b) > len(p.b) || len(b) > 1 && b[0] == 0 {
		return false
	}
	p.n = uint8(copy(p.b[:], b))
	return true
}

func (p *partialIV) bytes() []byte { return p.b[:p.n] }

func (p *partialIV) number() uint64 {
	var v uint64
	for _, c := range p.b[:p.n] {
		v = v<<8 | uint64(c)
	}
	return v
}
