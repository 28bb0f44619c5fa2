package oscore

import "encoding/binary"

// The plaintext is a CoAP message without most of its header (Section 5.3):
//
//	Code, Class E options, 0xff and Payload (if any)
//
// with the options encoded as in RFC 7252, Section 3.1.

const payloadMarker = 0xff

// appendOption encodes one option, whose number is delta more than that of the
// last.
func appendOption(dst []byte, delta uint16, value []byte) []byte {
	d, l := nibble(int(delta)), nibble(len(value))
	dst = append(dst, d<<4|l)
	dst = appendExtended(dst, d, int(delta))
	dst = appendExtended(dst, l, len(value))
	return append(dst, value...)
}

// Delta and length of an option: 0 to 12 stand in their nibble, more behind it.
const (
	nibble8  = 13 // one byte, and 13
	nibble16 = 14 // two bytes, and 269
	base8    = 13
	base16   = 269
)

func nibble(v int) byte {
	switch {
	case v < base8:
		return byte(v)
	case v < base16:
		return nibble8
	default:
		return nibble16
	}
}

func appendExtended(dst []byte, nibble byte, v int) []byte {
	switch nibble {
	case nibble8:
		return append(dst, byte(v-base8))
	case nibble16:
		return binary.BigEndian.AppendUint16(dst, uint16(v-base16))
	default:
		return dst
	}
}

// parsePlaintext decodes b, to which the message refers then, and appends its
// options to options. It accepts one encoding of each message.
func parsePlaintext(b []byte, options []Option) (m Message, ok bool) {
	if len(b) == 0 {
		return Message{}, false
	}
	m.Code, b = Code(b[0]), b[1:]
	number := 0
	for len(b) > 0 {
		if b[0] == payloadMarker {
			m.Payload = b[1:]
			m.Options = options
			return m, len(m.Payload) > 0
		}
		d, l := b[0]>>4, b[0]&0xf
		b = b[1:]
		var delta, length int
		if delta, b, ok = readExtended(b, d); !ok {
			return Message{}, false
		}
		if length, b, ok = readExtended(b, l); !ok || length > len(b) {
			return Message{}, false
		}
		if number += delta; number > 0xffff {
			return Message{}, false
		}
		options = append(options, Option{Number: uint16(number), Value: b[:length:length]})
		b = b[length:]
	}
	m.Options = options
	return m, true
}

func readExtended(b []byte, nibble byte) (v int, rest []byte, ok bool) {
	switch {
	case nibble < nibble8:
		return int(nibble), b, true
	case nibble == nibble8 && len(b) >= 1:
		return int(b[0]) + base8, b[1:], true
	case nibble == nibble16 && len(b) >= 2:
		return int(binary.BigEndian.Uint16(b)) + base16, b[2:], true
	default:
		return 0, nil, false
	}
}
