// Package edhoccoap carries EDHOC over CoAP (RFC 9528, Appendix A.2), in both message
// flows, and combined with the first OSCORE request (RFC 9668).
//
//	Client (Initiator)                                   Server (Responder)
//	Begin       POST true, message_1 ------------------>  [Server]
//	            <----------------- 2.04 message_2
//	Finish      POST C_R, message_3 ------------------->
//	            <----------------- 2.04 [message_4]
//	or
//	Combine     EDHOC option, message_3 | OSCORE request ->  [Server.Combined]
//	            <----------------- OSCORE response
//
//	ReverseClient (Responder)                            ReverseServer (Initiator)
//	Establish   POST ---------------------------------->  [ReverseServer]
//	            <----------------- 2.04 message_1
//	            POST C_I, message_2 ------------------->
//	            <----------------- 2.04 message_3
//	            [POST C_I, message_4 ------------------>]
//	            [<---------------- 2.04]
//
// The forward message flow hides the identity of the client from active attackers, and
// that of the server from passive ones; the reverse one does the opposite. So the flow is
// chosen by whose identity is the more sensitive (RFC 9528, Appendix A.2).
//
// [Both] serves the two flows at one resource. The combined request is of the forward
// message flow only (RFC 9668, Section 3): in the other, the client has the keys after
// message_3 and has nothing left to send along.
//
// A server is a coap.Handler. It keeps the handshakes that wait for a message, bounded
// in number and time; a peer that cannot show its address costs it no curve operation
// when many wait. A message that comes again gets the stored answer. Connection
// identifiers come from the allocator of the endpoint, as they become OSCORE Recipient
// IDs. Handshakes take long: put the handlers into a coap.Pool, and make the ephemeral
// keys ahead of time with an edhoc.EphemeralPool that [Refill] keeps full.
package edhoccoap

import (
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/internal/cborseq"
)

// Path is the well-known resource for EDHOC (RFC 9528, Section 10.7).
const Path = "/.well-known/edhoc"

// The Content-Formats of RFC 9528, Section 10.9.
const (
	formatEDHOC    = 64 // application/edhoc+cbor-seq
	formatCIDEDHOC = 65 // application/cid-edhoc+cbor-seq
)

// newSession stands in front of message_1.
//
//spec:9528-A.2-2
const newSession = 0xf5 // true

// ErrResponse says that an answer of the server is neither an EDHOC message nor an
// EDHOC error message.
var ErrResponse = errors.New("edhoccoap: unexpected response")

// An AnswerError is a response that refuses a request without an EDHOC error message.
type AnswerError struct{ Code coap.Code }

// Error implements error.
func (e *AnswerError) Error() string { return fmt.Sprintf("edhoccoap: answered with %v", e.Code) }

// Unwrap gives ErrResponse.
func (e *AnswerError) Unwrap() error { return ErrResponse }

// respond answers with an EDHOC message, or with nothing in it.
func respond(w coap.ResponseWriter, code coap.Code, msg []byte) {
	_ = w.Respond(response(code, msg)) // the peer asks again if it does not come
}

func response(code coap.Code, msg []byte) *coap.Response {
	resp := &coap.Response{Code: code, Payload: msg}
	//spec:9528-A.2.3-2
	if msg != nil {
		resp.Options.AddUint(coap.ContentFormat, formatEDHOC)
	}
	return resp
}

// refusal is the response to a handshake that failed with err: 4.00 if the peer did
// it, 5.00 if we did.
//
//spec:9528-A.2.3-1
func refusal(err error) (coap.Code, []byte) {
	var mine *edhoc.Error
	var peers *edhoc.PeerError
	switch {
	case errors.As(err, &mine):
		return coap.BadRequest, edhoc.ErrorMessage(err)
	case errors.As(err, &peers): // taken notice of
		return coap.Changed, nil
	case errors.Is(err, edhoc.ErrSpent):
		return coap.BadRequest, nil
	}
	return coap.InternalServerError, edhoc.ErrorMessage(err)
}

// splitMessage3 takes message_3, one byte string, from the front of the payload of a
// combined request.
func splitMessage3(payload []byte) (msg3, rest []byte, ok bool) {
	s := cborseq.String(payload)
	var ciphertext []byte
	if !s.ReadBytes(&ciphertext) || s.Empty() {
		return nil, nil, false
	}
	return payload[:len(payload)-len(s)], s, true
}
