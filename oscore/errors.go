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
// the server asked for is in it then. Give up after a few in a row.
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
// unprotected 5.03 for everything else. err must not be nil.
func ErrorMessage(err error) Message {
	return errorMessage(err)
}
