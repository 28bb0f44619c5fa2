package interop

import (
	"bytes"
	"slices"

	"github.com/ostiary/ostiary/oscore"
)

// Option numbers.
const (
	optionObserve = 6
	optionOSCORE  = 9
	optionEDHOC   = 21
	optionEcho    = 252
)

// optionOf returns an option of m, which may be changed; nil if there is none.
func optionOf(m oscore.Message, number uint16) *oscore.Option {
	for i := range m.Options {
		if m.Options[i].Number == number {
			return &m.Options[i]
		}
	}
	return nil
}

// withObserve gives m the outer Observe option of the message that it was in: the
// inner one is empty, or what the client makes of it (RFC 8613, Section 4.1.3.5.2).
func withObserve(m, wire oscore.Message) oscore.Message {
	m = m.Clone()
	if inner, outer := optionOf(m, optionObserve), optionOf(wire, optionObserve); inner != nil && outer != nil {
		inner.Value = outer.Value
	}
	return m
}

// withoutEcho takes an Echo option of a value out of m.
func withoutEcho(m oscore.Message, value []byte) oscore.Message {
	if o := optionOf(m, optionEcho); o == nil || value == nil || !bytes.Equal(o.Value, value) {
		return m
	}
	return without(m, optionEcho)
}

// without takes an option out of m.
func without(m oscore.Message, number uint16) oscore.Message {
	m = m.Clone()
	m.Options = slices.DeleteFunc(m.Options, func(o oscore.Option) bool { return o.Number == number })
	return m
}

// withKIDContext gives m, a request, another kid context; nil is none. It has no
// part in the ciphertext.
func withKIDContext(m oscore.Message, kidContext []byte) oscore.Message {
	const flag = 0x10 // in the first byte of the option (RFC 8613, Section 6.1)
	m = m.Clone()
	option := optionOf(m, optionOSCORE)
	head, rest := option.Value[:1+option.Value[0]&7], option.Value[1+option.Value[0]&7:]
	if head[0]&flag != 0 {
		rest = rest[1+rest[0]:]
	}
	head[0] &^= flag
	if kidContext != nil {
		head[0] |= flag
		rest = slices.Concat([]byte{byte(len(kidContext))}, kidContext, rest)
	}
	option.Value = slices.Concat(head, rest)
	return m
}
