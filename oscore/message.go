package oscore

import (
	"fmt"
	"slices"
)

// A Code is a request method or a response code of CoAP: three bits of class, five
// of detail (RFC 7252, Section 3).
type Code uint8

// String returns c in the dotted form, such as "4.01".
func (c Code) String() string { return fmt.Sprintf("%d.%02d", c>>5, c&0x1f) }

// An Option is one instance of a CoAP option (RFC 7252, Section 3.1). The Value is
// at most 65535 bytes long.
type Option struct {
	Number uint16
	Value  []byte
}

// A Message is what OSCORE sees of a CoAP message: its request/response layer
// (Section 1). Token, Message ID and Type stay with the caller, who copies them from
// the one side to the other (Section 4.2). Options are in ascending order of their
// Numbers.
type Message struct {
	Code    Code
	Options []Option
	Payload []byte
}

// Clone returns a copy of m that shares no memory with it.
func (m Message) Clone() Message {
	size := len(m.Payload)
	for _, o := range m.Options {
		size += len(o.Value)
	}
	block := make([]byte, 0, size)
	keep := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		at := len(block)
		block = append(block, b...)
		return block[at:len(block):len(block)]
	}
	c := Message{Code: m.Code, Options: slices.Clone(m.Options), Payload: keep(m.Payload)}
	for i := range c.Options {
		c.Options[i].Value = keep(c.Options[i].Value)
	}
	return c
}
