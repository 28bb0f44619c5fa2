package oscore

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/ostiary/ostiary/internal/secret"
)

// Sizes of Echo values (RFC 9175, Section 2.2.1): ours, and the longest allowed.
const (
	echoSize = 8
	maxEcho  = 40
)

// An echoChallenge is the Echo value of a server that has lost its replay window
// (Appendix B.1.2). It is made after the loss, so that a request that carries it is
// younger: freshness by an event (RFC 9175, Section 2.3). It goes out in every
// challenge until one is answered.
type echoChallenge struct{ value [echoSize]byte }

func newEchoChallenge(rand io.Reader) (*echoChallenge, error) {
	e := new(echoChallenge)
	if _, err := io.ReadFull(rand, e.value[:]); err != nil {
		return nil, fmt.Errorf("oscore: read randomness: %w", err)
	}
	return e, nil
}

// answered reports whether the request carries the value inside.
func (e *echoChallenge) answered(m *Message) bool {
	value, ok := m.option(optionEcho)
	return ok && secret.Bytes(e.value[:]).Equal(value)
}

// challenge answers the verified request of x with a protected 4.01 that holds nothing
// but an Echo option, under a Partial IV of this endpoint: without a window, nobody
// knows whether the nonce of the request was used before.
//
//spec:8613-B.1.2-1
//spec:8613-B.1.2-2
//spec:9175-2.2.1-3
func (c *Context) challenge(x *ServerExchange) error {
	piv, err := c.sender.sequence.take()
	if err != nil {
		return err
	}
	echo := Option{Number: optionEcho, Value: c.recipient.echo.value[:]}
	p, err := x.Keep().protect(&Message{Code: codeUnauthorized, Options: []Option{echo}}, &piv)
	if err != nil {
		return err
	}
	return &Challenge{Protected: p, Section: "B.1.2"}
}

// recoverWindow makes the Partial IV of the request that answers the challenge the lower
// limit of the window, and reports false if another request did. What the peer and
// this endpoint have sent until then bounds the use of the Sender Key
// (draft-ietf-core-oscore-key-limits, Appendix B).
//
//spec:8613-7.5-2
func (c *Context) recoverWindow(number uint64) bool {
	if !c.recipient.window.recover(number) {
		return false
	}
	used := number + c.sender.sequence.position()
	for {
		old := c.sender.used.Load()
		if old >= used || c.sender.used.CompareAndSwap(old, used) {
			return true
		}
	}
}

// pendingEcho is the Echo value that a client owes the server: it goes into every
// request under the same context until a response shows that it has arrived (RFC 9175,
// Section 2.3).
//
//spec:9175-2.3-2
type pendingEcho struct{ value atomic.Pointer[[]byte] }

func (e *pendingEcho) get() []byte {
	if v := e.value.Load(); v != nil {
		return *v
	}
	return nil
}

// learn takes the Echo option of a verified response, to a request that carried sent.
// A 4.01 with Echo is a [*Retry].
func (e *pendingEcho) learn(m *Message, sent []byte) error {
	value, ok := m.option(optionEcho)
	if !ok || len(value) == 0 || len(value) > maxEcho {
		if now := e.value.Load(); now != nil && sent != nil && bytes.Equal(*now, sent) {
			e.value.CompareAndSwap(now, nil)
		}
		return nil
	}
	value = bytes.Clone(value)
	e.value.Store(&value)
	if m.Code != codeUnauthorized {
		return nil
	}
	return &Retry{Response: *m, Section: "B.1.2"}
}
