package edhoc

import (
	"errors"
	"fmt"
)

// What goes wrong on our side. None of it reaches the peer.
var (
	// ErrSpent says that a state was used before: by a step that worked, by one
	// that failed, or because it is the zero value.
	ErrSpent = errors.New("edhoc: state is spent")
	// ErrConfig says that a Config, a key or a parameter cannot be used.
	ErrConfig = errors.New("edhoc: unusable configuration")
	// ErrCredential says that bytes are not a credential that can be used: malformed,
	// of an unknown key type, or not vouched for by the issuer. They may come from the
	// peer; Refuse ends the handshake then.
	ErrCredential = errors.New("edhoc: unusable credential")
	// ErrNoCommonSuite says that no cipher suite is left to try with a Responder.
	ErrNoCommonSuite = errors.New("edhoc: no cipher suite in common")
	// ErrConnID says that the C_R given to ComposeMessage2 equals C_I.
	ErrConnID = errors.New("edhoc: C_R equals C_I")
)

func misuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
}

func unusable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCredential, fmt.Sprintf(format, args...))
}

// ErrCode is an ERR_CODE (RFC 9528, Section 6).
type ErrCode int64

// The error codes of RFC 9528, Table 3.
const (
	CodeSuccess           ErrCode = 0 // never on the wire
	CodeUnspecified       ErrCode = 1
	CodeWrongCipherSuite  ErrCode = 2
	CodeUnknownCredential ErrCode = 3
)

// An Error aborts an EDHOC session. The peer learns Code and SuitesR; the other
// fields are for the local log and hold no secret. [ErrorMessage] makes the
// message to send.
type Error struct {
	Code    ErrCode   // ERR_CODE (RFC 9528, Section 6)
	SuitesR []SuiteID // ERR_INFO of CodeWrongCipherSuite
	Section string    // of RFC 9528, whose check failed
	Reason  string
	Err     error // cause, may be nil
	// CR is where to send the error message, if message_2 failed after it was decrypted;
	// nil if it is not known, or known to the caller already.
	CR *ConnID
	// CI is the same for a message_1 that could be parsed, where the Initiator is a server.
	CI *ConnID

	early bool // in message_1, which is public: the peer may read Reason
}

// Error implements error.
func (e *Error) Error() string {
	s := fmt.Sprintf("edhoc: %s (RFC 9528, Section %s)", e.Reason, e.Section)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// A PeerError is an error message that the peer sent in place of the message that
// was due. It is not protected: anybody may have sent it (RFC 9528, Section 6).
type PeerError struct {
	Code    ErrCode
	SuitesR []SuiteID // of CodeWrongCipherSuite, at least one
	Message string    // of CodeUnspecified: text of the peer, not to be trusted
	Info    []byte    // ERR_INFO as received, one CBOR item
}

// Error implements error. It quotes the text of the peer.
func (e *PeerError) Error() string {
	switch e.Code {
	case CodeUnspecified:
		return fmt.Sprintf("edhoc: peer reports: %q", e.Message)
	case CodeWrongCipherSuite:
		return fmt.Sprintf("edhoc: peer supports cipher suites %v", e.SuitesR)
	case CodeUnknownCredential:
		return "edhoc: peer does not know our credential"
	}
	return fmt.Sprintf("edhoc: peer reports error code %d", e.Code)
}

// malformed is a message that is not what its CDDL says.
//
//spec:9528-9.8-5
func malformed(section, what string) *Error {
	return &Error{Code: CodeUnspecified, Section: section, Reason: "malformed " + what, early: section == "5.2.1"}
}

func refuse(section, reason string, cause error) *Error {
	return &Error{Code: CodeUnspecified, Section: section, Reason: reason, Err: cause}
}
