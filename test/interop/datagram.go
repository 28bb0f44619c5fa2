package interop

import (
	"encoding/binary"
	"errors"

	"github.com/ostiary/ostiary/oscore"
)

// wire is a CoAP message over UDP (RFC 7252, Section 3). Its codec is not that of
// package coap, so that the recordings tell also when that changes.
type wire struct {
	token   string
	message oscore.Message
}

var errDatagram = errors.New("not a CoAP message")

func parseWire(b []byte) (*wire, error) {
	if len(b) < 4 || b[0]>>6 != 1 {
		return nil, errDatagram
	}
	w := &wire{message: oscore.Message{Code: oscore.Code(b[1])}}
	n := int(b[0] & 15)
	b = b[4:]
	if n > 8 || n > len(b) {
		return nil, errDatagram
	}
	w.token, b = string(b[:n]), b[n:]
	number := 0
	for len(b) > 0 {
		if b[0] == 0xff {
			w.message.Payload = b[1:]
			break
		}
		delta, size := int(b[0]>>4), int(b[0]&15)
		b = b[1:]
		var ok bool
		if delta, b, ok = extended(delta, b); !ok {
			return nil, errDatagram
		}
		if size, b, ok = extended(size, b); !ok || size > len(b) {
			return nil, errDatagram
		}
		number += delta
		w.message.Options = append(w.message.Options, oscore.Option{Number: uint16(number), Value: b[:size]})
		b = b[size:]
	}
	return w, nil
}

// extended reads the extended form of an option's delta or length (RFC 7252,
// Section 3.1).
func extended(nibble int, b []byte) (int, []byte, bool) {
	switch {
	case nibble == 13 && len(b) >= 1:
		return int(b[0]) + 13, b[1:], true
	case nibble == 14 && len(b) >= 2:
		return int(binary.BigEndian.Uint16(b)) + 269, b[2:], true
	}
	return nibble, b, nibble < 13
}
