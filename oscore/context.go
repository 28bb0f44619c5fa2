package oscore

import "errors"

var errToBeWritten = errors.New("oscore: to be written")

// A Context is a security context (Section 3.1): the Common, the Sender and the
// Recipient Context. It is safe for concurrent use.
type Context struct {
}

// NewContext derives the security context of cfg (Section 3.2). B2 must be B2Off:
// the protocol of Appendix B.2 is run by an [Association].
func NewContext(cfg Config) (*Context, error) { return nil, errToBeWritten }

// SenderID returns the Sender ID. The caller must not change it.
func (c *Context) SenderID() []byte { return nil }

// RecipientID returns the Recipient ID. The caller must not change it.
func (c *Context) RecipientID() []byte { return nil }

// IDContext returns the ID Context, nil if there is none. The caller must not
// change it.
func (c *Context) IDContext() []byte { return nil }

// Usage returns what the keys have done until now.
func (c *Context) Usage() Usage { return Usage{} }

// ProtectRequest is Protecting the Request (Section 8.1).
func (c *Context) ProtectRequest(m Message) (Protected, *ClientExchange, error) {
	return Protected{}, nil, errToBeWritten
}

// VerifyRequest is Verifying the Request (Section 8.2). The error is a
// [*Challenge] or an [*Error], or one of our side; ErrorMessage has the answer.
func (c *Context) VerifyRequest(p Protected) (Message, *ServerExchange, error) {
	return Message{}, nil, errToBeWritten
}

// A ServerExchange is a verified request that waits for its responses: it keeps
// the 'kid' and 'Partial IV' of the request, to which they are bound (Section
// 7.1). It is safe for concurrent use unless it lies in a Scratch.
type ServerExchange struct{}

// ProtectResponse is Protecting the Response (Section 8.3). The first response may
// use the nonce of the request; every other carries a Partial IV of its own, as each
// notification of an observation does after the first (Section 8.3.1). A response
// must not be protected a second time to be sent again: send the same bytes. It
// returns ErrDiscarded once the context has been replaced, and for a zero
// ServerExchange.
func (x *ServerExchange) ProtectResponse(m Message) (Protected, error) {
	return Protected{}, errToBeWritten
}

// Keep moves the exchange out of its Scratch and returns it. x is spent.
func (x *ServerExchange) Keep() *ServerExchange { return nil }

// A ClientExchange is a request that waits for its responses. It is safe for
// concurrent use.
type ClientExchange struct{}

// VerifyResponse is Verifying the Response (Section 8.4). A failure changes
// nothing: go on waiting. A [*Retry] ends the exchange, as the first verified
// response does, unless the request registered an observation (Section 8.4.2).
// Notifications come out in the order of the server: one that is not newer than the
// last is an [*Error].
func (x *ClientExchange) VerifyResponse(p Protected) (Message, error) {
	return Message{}, errToBeWritten
}
