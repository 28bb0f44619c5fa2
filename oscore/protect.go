package oscore

import (
	"errors"
	"fmt"
)

// Mistakes of the caller in a message to be protected.
var (
	errCode    = errors.New("oscore: not a code for this kind of message")
	errOptions = errors.New("oscore: options out of order or too long")
	errNested  = errors.New("oscore: the message has an OSCORE option already")
	errObserve = errors.New("oscore: Observe value not allowed here")
)

// A cover is how one message is protected.
type cover struct {
	header     header     // of the COSE object
	noncePIV   uint64     // Partial IV of the nonce,
	nonceBase  *nonceBase // and of which endpoint
	requestPIV partialIV  // for the AAD
	requestKID []byte
	echo       []byte // Echo option to be added inside, if not nil
}

// protect makes the OSCORE message for m: the plaintext and the AAD, the ciphertext,
// and the message around it (Sections 8.1 and 8.3, steps 2, 4 and 5). It writes into
// b, and uses w for the AEAD.
//
//spec:8613-5-1
//spec:8613-6.2-1
func (c *Context) protect(w *work, b *buffer, m *Message, v *cover) (Protected, error) {
	keys, err := c.keys.use(c.common.settings)
	if err != nil {
		return Protected{}, err
	}
	head := v.header.size()
	block, options := b.take(head + plaintextSize(m, v.echo) + int(c.common.tagSize))
	block = v.header.append(block)
	block, options, err = split(block, options, m, v.echo)
	if err != nil {
		return Protected{}, err
	}
	if len(block)-head+int(c.common.tagSize) > c.common.limits.Size {
		return Protected{}, ErrTooLarge
	}
	if c.sender.used.Add(1) > c.common.limits.Protected {
		c.sender.used.Store(c.common.limits.Protected)
		return Protected{}, ErrKeyLimit
	}
	aad := appendAAD(w.aad[:0], c.common.alg, v.requestKID, v.requestPIV.bytes())
	nonce := v.nonceBase.nonce(&w.nonce, int(c.common.nonceSize), v.noncePIV)
	sealed := keys.sender.Seal(block[head:head], nonce, block[head:], aad)
	b.block, b.options = block, options

	for i := range options {
		if options[i].Number == optionOSCORE {
			options[i].Value = block[:head:head]
		}
	}
	p := Protected{code: outerCode(m), options: options, payload: sealed, header: v.header}
	return p, nil
}

// outerCode is the Code that proxies see (Section 4.2).
//
//spec:8613-4.1.3.5-5
//spec:8613-4.2-3
func outerCode(m *Message) Code {
	_, observe := m.option(optionObserve)
	switch {
	case m.Code.request() && observe:
		return codeFETCH
	case m.Code.request():
		return codePOST
	case observe:
		return codeContent
	default:
		return codeChanged
	}
}

// split writes the Code, the Class E options and the payload of m to the plaintext, and
// appends the Class U options and an OSCORE option, whose value is to come, to the
// outer options (Sections 4 and 5.3).
//
//spec:8613-4-1
//spec:8613-4-3
//spec:8613-4.1.1-1
//spec:8613-4.1.2-1
//spec:8613-4.1.2-2
//spec:8613-4.2-1
//spec:8613-4.2-2
//spec:8613-4.2-7
func split(plaintext []byte, outer []Option, m *Message, echo []byte) ([]byte, []Option, error) {
	plaintext = append(plaintext, byte(m.Code))
	var last, lastInner uint16 // the numbers before, of all and of the Class E options
	marked := false            // the OSCORE option is in its place
	for _, o := range m.Options {
		if o.Number < last || len(o.Value) > 0xffff {
			return nil, nil, errOptions
		}
		last = o.Number
		if echo != nil && o.Number > optionEcho {
			plaintext = appendOption(plaintext, optionEcho-lastInner, echo)
			lastInner, echo = optionEcho, nil
		}
		if !marked && o.Number > optionOSCORE {
			outer, marked = append(outer, Option{Number: optionOSCORE}), true
		}
		switch value := o.Value; o.Number {
		case optionOSCORE:
			return nil, nil, errNested //spec:8613-4.1.3.7-1
		case optionObserve:
			//spec:8613-4.1.3.5-1
			//spec:8613-4.1.3.5-2
			//spec:8613-4.1.3.5.1-1
			//spec:8613-4.1.3.5.2-3
			outer = append(outer, o)
			if m.Code.response() {
				value = nil
			}
			plaintext, lastInner = appendOption(plaintext, o.Number-lastInner, value), o.Number
		default:
			if inner(o.Number) {
				plaintext, lastInner = appendOption(plaintext, o.Number-lastInner, value), o.Number
			} else {
				outer = append(outer, o)
			}
		}
	}
	if echo != nil {
		plaintext = appendOption(plaintext, optionEcho-lastInner, echo)
	}
	if !marked {
		outer = append(outer, Option{Number: optionOSCORE})
	}
	if len(m.Payload) > 0 {
		plaintext = append(plaintext, payloadMarker)
		plaintext = append(plaintext, m.Payload...)
	}
	return plaintext, outer, nil
}

// plaintextSize is at least the size of the plaintext of m.
func plaintextSize(m *Message, echo []byte) int {
	n := 1 + 1 + len(m.Payload) + 5 + len(echo)
	for _, o := range m.Options {
		n += 5 + len(o.Value)
	}
	return n
}

// observeValue returns the value of the Observe option, and whether there is one.
func observeValue(m *Message) (value uint32, ok bool, err error) {
	b, ok := m.option(optionObserve)
	if len(b) > 3 {
		return 0, false, fmt.Errorf("%w: %d bytes", errObserve, len(b))
	}
	for _, c := range b {
		value = value<<8 | uint32(c)
	}
	return value, ok, nil
}
