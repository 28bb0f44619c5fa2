package coap

import (
	"encoding/binary"
	"errors"
)

// messageType is the T field (RFC 7252, Section 3).
type messageType uint8

const (
	confirmable     messageType = 0
	nonConfirmable  messageType = 1
	acknowledgement messageType = 2
	reset           messageType = 3
)

const (
	headerSize = 4
	// maxToken is the longest token the wire format can carry (RFC 8974,
	// Section 2.1).
	maxToken = 65804
	// maxDatagram is the longest UDP payload.
	maxDatagram = 65507
)

// A message is one datagram (RFC 7252, Section 3). Token, options and payload
// are parts of the datagram.
type message struct {
	typ     messageType
	code    Code
	mid     uint16
	token   []byte
	options Options
	payload []byte
}

var (
	// errSilence: not even the header can be trusted; no answer.
	errSilence = errors.New("coap: no message of this version")
	// errFormat: a message format error; the header fields are set.
	errFormat = errors.New("coap: message format error")
)

// parse decodes a datagram into m. It reuses the memory of m.options and
// allocates nothing once that is large enough. A message it accepts encodes
// to the same bytes: the format has one encoding for each length and delta.
func (m *message) parse(b []byte) error {
	m.token, m.options, m.payload = nil, m.options[:0], nil
	//spec:7252-3-2
	if len(b) < headerSize || b[0]>>6 != 1 {
		return errSilence
	}
	m.typ = messageType(b[0] >> 4 & 3)
	m.code = Code(b[1])
	m.mid = binary.BigEndian.Uint16(b[2:])
	tkl := int(b[0] & 15)
	b = b[headerSize:]
	if m.code == Empty {
		//spec:7252-4.1-1
		//spec:7252-4.1-2
		//spec:7252-4.1-3
		if tkl != 0 || len(b) != 0 {
			return errFormat
		}
		return nil
	}
	n, b, ok := readLength(tkl, b)
	//spec:7252-3-4
	//spec:8974-2.1-2
	if !ok || n > len(b) {
		return errFormat
	}
	if n > 0 {
		m.token = b[:n:n]
	}
	return m.parseOptions(b[n:])
}

// readLength decodes a nibble and the bytes that extend it: the token length
// (RFC 8974, Section 2.1), an option delta or an option length (RFC 7252,
// Section 3.1). The value 15 is none.
func readLength(nibble int, b []byte) (int, []byte, bool) {
	switch {
	case nibble < 13:
		return nibble, b, true
	case nibble == 13 && len(b) >= 1:
		return int(b[0]) + 13, b[1:], true
	case nibble == 14 && len(b) >= 2:
		return int(binary.BigEndian.Uint16(b)) + 269, b[2:], true
	}
	return 0, nil, false
}

// parseOptions decodes what follows the token.
func (m *message) parseOptions(b []byte) error {
	id := 0
	for len(b) > 0 {
		if b[0] == 0xff {
			//spec:7252-3-5
			if len(b) == 1 {
				return errFormat
			}
			m.payload = b[1:]
			return nil
		}
		first := b[0]
		//spec:7252-3.1-2
		delta, rest, ok := readLength(int(first>>4), b[1:])
		if !ok {
			return errFormat
		}
		//spec:7252-3.1-3
		n, rest, ok := readLength(int(first&15), rest)
		if id += delta; !ok || n > len(rest) || id > 0xffff {
			return errFormat
		}
		m.options = append(m.options, Option{ID: OptionID(id), Value: rest[:n:n]})
		b = rest[n:]
	}
	return nil
}

// appendMessage encodes a message. It fails only for a token, an option or a
// message that the wire format cannot carry, or options out of order.
func appendMessage(dst []byte, typ messageType, code Code, mid uint16, token []byte, options Options, payload []byte) ([]byte, error) {
	if len(token) > maxToken {
		return dst, ErrTooLarge
	}
	start := len(dst)
	//spec:7252-3-1
	//spec:7252-3-3
	//spec:8974-2.1-1
	dst = append(dst, 1<<6|byte(typ)<<4, byte(code), byte(mid>>8), byte(mid))
	nibble, dst := appendLength(dst, len(token))
	dst[start] |= nibble
	dst = append(dst, token...)
	last := OptionID(0)
	for i := range options {
		o := &options[i]
		//spec:7252-3.1-1
		if o.ID < last || len(o.Value) > 0xffff {
			return dst[:start], ErrBadRequest
		}
		at := len(dst)
		dst = append(dst, 0)
		hi, d := appendLength(dst, int(o.ID-last))
		lo, d := appendLength(d, len(o.Value))
		dst = append(d, o.Value...)
		dst[at] = hi<<4 | lo
		last = o.ID
	}
	if len(payload) > 0 {
		dst = append(dst, 0xff)
		dst = append(dst, payload...)
	}
	if len(dst)-start > maxDatagram {
		return dst[:start], ErrTooLarge
	}
	return dst, nil
}

// appendLength appends the extension bytes of a length and returns its
// nibble.
func appendLength(dst []byte, n int) (byte, []byte) {
	switch {
	case n < 13:
		return byte(n), dst
	case n < 269:
		return 13, append(dst, byte(n-13))
	}
	n -= 269
	return 14, append(dst, byte(n>>8), byte(n))
}

// emptyMessage encodes an Empty message: an acknowledgement, a Reset or, of
// type confirmable, a ping (RFC 7252, Section 4.1).
//
//spec:7252-4.3-1
func emptyMessage(typ messageType, mid uint16) [headerSize]byte {
	return [headerSize]byte{1<<6 | byte(typ)<<4, 0, byte(mid >> 8), byte(mid)}
}
