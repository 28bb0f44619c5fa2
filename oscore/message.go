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

func (c Code) request() bool  { return c != 0 && c>>5 == 0 }
func (c Code) response() bool { return c>>5 == 2 || c>>5 == 4 || c>>5 == 5 }

// The codes that OSCORE itself writes: outer ones (Section 4.2) and those of errors
// (Section 8.2).
const (
	codePOST               Code = 0<<5 | 2
	codeFETCH              Code = 0<<5 | 5
	codeChanged            Code = 2<<5 | 4
	codeContent            Code = 2<<5 | 5
	codeBadRequest         Code = 4<<5 | 0
	codeUnauthorized       Code = 4<<5 | 1
	codeBadOption          Code = 4<<5 | 2
	codeServiceUnavailable Code = 5<<5 | 3
)

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

func (m *Message) option(number uint16) ([]byte, bool) {
	for _, o := range m.Options {
		if o.Number == number {
			return o.Value, true
		}
	}
	return nil, false
}

// Option numbers that are not simply Class E. RFC 7252, RFC 7641 (Observe), RFC
// 7959 (Block, Size2), RFC 7967 (No-Response), RFC 8768 (Hop-Limit), RFC 9175 (Echo,
// Request-Tag), RFC 9177 (Q-Block), RFC 9668 (EDHOC).
const (
	optionURIHost     = 3
	optionObserve     = 6
	optionURIPort     = 7
	optionOSCORE      = 9
	optionURIPath     = 11
	optionMaxAge      = 14
	optionURIQuery    = 15
	optionHopLimit    = 16
	optionQBlock1     = 19
	optionEDHOC       = 21
	optionBlock2      = 23
	optionBlock1      = 27
	optionSize2       = 28
	optionQBlock2     = 31
	optionProxyURI    = 35
	optionProxyScheme = 39
	optionSize1       = 60
	optionEcho        = 252
	optionNoResponse  = 258
	optionRequestTag  = 292
)

// A class says how a message field is protected (Section 4). There is no option of
// Class I.
type class uint8

const (
	classE  class             = 1 << iota // encrypted: an inner option
	classU                                // unprotected: an outer option
	classEU = classE | classU             // both exist, and are independent of each other
)

// classOf is Figure 5, and what later RFCs add to it. An option that is in none of
// them is of Class E. Hop-Limit is of Class U by draft-ietf-core-oscore-capable-proxies,
// Section 3: its own RFC does not say, and no proxy could count down an encrypted one.
//
//spec:8613-4.1-1
func classOf(number uint16) class {
	switch number {
	case optionURIHost, optionURIPort, optionOSCORE, optionHopLimit, optionEDHOC, optionProxyURI, optionProxyScheme:
		return classU
	case optionObserve, optionMaxAge, optionBlock2, optionBlock1, optionSize2, optionSize1, optionNoResponse,
		optionQBlock1, optionQBlock2, optionEcho, optionRequestTag:
		return classEU
	default:
		return classE
	}
}

// inner reports whether the option of a message to be protected goes into the
// ciphertext. Of the options of Class E and U the application's are inner; outer
// ones are made by proxies and transports, but for the copy of Observe.
//
//spec:8613-4.1.1-1
//spec:8613-4.1.3.1-1
//spec:8613-4.1.3.4.1-1
//spec:8613-4.1.3.6-1
//spec:8613-4.1.3.6-2
func inner(number uint16) bool { return classOf(number)&classE != 0 }

// trusted reports whether an outer option of a received message is passed on: it is,
// if no inner one could be meant.
//
//spec:8613-8.2-2
//spec:8613-8.4-2
//spec:8613-4.1.3.6-3
func trusted(number uint16) bool { return classOf(number) == classU && number != optionOSCORE }
