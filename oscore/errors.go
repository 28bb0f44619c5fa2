package oscore

import "errors"

// Mistakes and limits of our side. They are never on the wire.
var (
	// ErrUnprotected is about a message without the OSCORE option, or a zero
	// Protected.
	ErrUnprotected = errors.New("oscore: message is not protected")
	// ErrDiscarded: the context or association is no longer in use; what was protected with it can
	// not be verified any more.
	ErrDiscarded = errors.New("oscore: security context discarded")
	// ErrSpent: the exchange has had its response, or was moved by Keep.
	ErrSpent = errors.New("oscore: exchange is over")
	// ErrSequence: no Sender Sequence Number is left below 2^40, or the
	// SequenceStore gave none (Sections 7.2.1 and B.1.1).
	ErrSequence = errors.New("oscore: no sender sequence number")
	// ErrKeyLimit: a key has done as much as its Limits allow.
	ErrKeyLimit = errors.New("oscore: key usage limit reached")
	// ErrThrottled: a Gate has not admitted the request, so that it was not decrypted.
	ErrThrottled = errors.New("oscore: request not admitted to decryption")
	// ErrTooLarge: the message is longer than Limits.Size; block-wise transfer inside
	// OSCORE makes it smaller (Section 4.1.3.4.1).
	ErrTooLarge = errors.New("oscore: message too large for one protected message")
	// ErrRecipientIDInUse: another association of the table has the Recipient ID
	// and the same ID Context, or both have none (Section 3.3).
	ErrRecipientIDInUse = errors.New("oscore: recipient ID in use")
	// ErrKeyInUse: another association of the table derives the same key: equal
	// Master Secret, Master Salt and ID Context, and a Sender ID in common (Section
	// 3.3).
	ErrKeyInUse = errors.New("oscore: input parameters in use")
)

// An Error says why a message of the peer was refused. To the peer goes what
// ErrorMessage makes of it: Code and Diagnostic. The rest is for the local log and
// holds no secret.
type Error struct {
	Code       Code   // of the unprotected answer to a request; a client sends nothing
	Diagnostic string // its diagnostic payload (Section 8.2), one fixed text for each check
	Section    string // of RFC 8613, whose check failed
	Reason     string
	Err        error // cause, may be nil
}

// Error implements error.
func (e *Error) Error() string {
	s := "oscore: " + e.Reason + " (RFC 8613, Section " + e.Section + ")"
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// A Challenge is the error for a request that was verified but must not be
// processed: the server answers it with Protected, and the client will repeat it.
// It is the 4.01 with Echo of Appendix B.1.2, or response #1 of Appendix B.2.
type Challenge struct {
	Protected Protected
	Section   string // "B.1.2" or "B.2"
}

// Error implements error.
func (c *Challenge) Error() string {
	return "oscore: request answered with a challenge (RFC 8613, Appendix " + c.Section + ")"
}

// A Retry is the error for a verified response that is a challenge: the server has
// not processed the request. Protect the original request again and send it; what
// the server asked for is in it then. An honest server is content after four of them
// in a row.
type Retry struct {
	Response Message // the 4.01
	Section  string  // "B.1.2" or "B.2"
}

// Error implements error.
func (r *Retry) Error() string {
	return "oscore: the request is to be protected and sent again (RFC 8613, Appendix " + r.Section + ")"
}

// ErrorMessage returns the one message that answers a request for which
// VerifyRequest or ParseProtected returned err: the protected message of a
// [*Challenge], the unprotected error of Section 8.2 for an [*Error], and an
// unprotected 5.03 for everything else. err must not be nil. The Outer Max-Age of 0
// keeps proxies from storing the unprotected ones (Section 4.1.3.1).
func ErrorMessage(err error) Message {
	var challenge *Challenge
	if errors.As(err, &challenge) {
		if m, err := challenge.Protected.Message(); err == nil {
			return m
		}
	}
	m := Message{Code: codeServiceUnavailable, Options: []Option{{Number: optionMaxAge}}}
	var refused *Error
	if errors.As(err, &refused) {
		m.Code = refused.Code
		if refused.Diagnostic != "" {
			m.Payload = []byte(refused.Diagnostic)
		}
	}
	return m
}

// The refusals of Section 8.2 and 7.4, with their diagnostic payloads. They are made
// once, so that a flood of bad messages costs no memory.
var (
	errDecode = &Error{
		Code: codeBadOption, Diagnostic: "Failed to decode COSE", Section: "8.2",
		Reason: "malformed OSCORE option or message",
	}
	errNoContext = &Error{
		Code: codeUnauthorized, Diagnostic: "Security context not found", Section: "8.2",
		Reason: "no security context for the kid and kid context",
	}
	errReplay = &Error{
		Code: codeUnauthorized, Diagnostic: "Replay detected", Section: "7.4",
		Reason: "Partial IV received before, or older than the replay window",
	}
	errDecrypt = &Error{
		Code: codeBadRequest, Diagnostic: "Decryption failed", Section: "8.2",
		Reason: "message does not verify",
	}
	errThrottled = &Error{
		Code: codeBadRequest, Diagnostic: "Decryption failed", Section: "8.2",
		Reason: "too many messages from there did not verify", Err: ErrThrottled,
	}
	errThrottledB2 = &Error{
		Code: codeUnauthorized, Diagnostic: "Security context not found", Section: "B.2",
		Reason: "too many messages from there did not verify", Err: ErrThrottled,
	}
	errPlaintext = &Error{
		Code: codeBadRequest, Diagnostic: "Decryption failed", Section: "5.3",
		Reason: "verified plaintext is not a CoAP message of this kind",
	}
	errWorn = &Error{
		Code: codeUnauthorized, Diagnostic: "Security context not found", Section: "7.2.1",
		Reason: "the recipient key must not be used any more", Err: ErrKeyLimit,
	}
)

// What a client refuses, and answers nothing to.
var (
	errNotification  = &Error{Section: "7.4.1", Reason: "notification is not newer than the last"}
	errNotRegistered = &Error{Section: "4.1.3.5.2", Reason: "notification for a request that was no registration"}
	errNotResponse1  = &Error{Section: "B.2", Reason: "not the response #1 that request #1 waits for"}
)

// uniform is the refusal that tells a peer nothing (Appendix D.5.3).
func (e *Error) uniform() *Error {
	return &Error{Code: codeUnauthorized, Section: e.Section, Reason: e.Reason, Err: e.Err}
}
