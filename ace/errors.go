package ace

import (
	"errors"
	"fmt"
	"strconv"
)

// Mistakes of the caller. They never go on the wire.
var (
	// ErrKey is returned for a TokenKey that does not fit the operation: no
	// algorithm, a key of another length, a signature key to encrypt with.
	ErrKey = errors.New("ace: key does not fit its algorithm or this use")
	// ErrSecretInClear is returned when claims with a symmetric key would be
	// signed instead of encrypted (RFC 9200, Section 6.1).
	ErrSecretInClear = errors.New("ace: claims hold a secret but would not be encrypted")
)

// An Error says why a message or token of a peer is refused. The peer learns
// Code at most; the other fields are for the local log and hold no secret.
type Error struct {
	Code    uint8  // CoAP response code: BadRequest, Unauthorized
	Section string // whose check failed, such as "RFC 9200, Section 5.8.5"
	Reason  string
	Err     error // cause, may be nil
}

// Error implements the error interface.
func (e *Error) Error() string {
	s := "ace: " + e.Reason + " (" + e.Section + ")"
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

func malformed(section, reason string) *Error {
	return &Error{Code: BadRequest, Section: section, Reason: "malformed " + reason}
}

// unprotected is for a token whose security wrapper fails (RFC 9200, Section
// 5.10.1.1).
func unprotected(section, reason string) *Error {
	return &Error{Code: Unauthorized, Section: section, Reason: reason}
}

// An ErrorCode is the value of the error parameter (RFC 9200, Table 3).
type ErrorCode int64

// The error codes of RFC 9200, Table 3.
const (
	InvalidRequest          ErrorCode = 1
	InvalidClient           ErrorCode = 2
	InvalidGrant            ErrorCode = 3
	UnauthorizedClient      ErrorCode = 4
	UnsupportedGrantType    ErrorCode = 5
	InvalidScope            ErrorCode = 6
	UnsupportedPoPKey       ErrorCode = 7
	IncompatibleACEProfiles ErrorCode = 8
)

var errorNames = map[ErrorCode]string{
	InvalidRequest:          "invalid_request",
	InvalidClient:           "invalid_client",
	InvalidGrant:            "invalid_grant",
	UnauthorizedClient:      "unauthorized_client",
	UnsupportedGrantType:    "unsupported_grant_type",
	InvalidScope:            "invalid_scope",
	UnsupportedPoPKey:       "unsupported_pop_key",
	IncompatibleACEProfiles: "incompatible_ace_profiles",
}

// String gives the name that OAuth has for the code, or its number.
func (c ErrorCode) String() string {
	if name, ok := errorNames[c]; ok {
		return name
	}
	return "error " + strconv.FormatInt(int64(c), 10)
}

// A PeerError is an error that the AS or RS told us. It is not authentic unless
// the response was protected.
type PeerError struct {
	Code uint8 // CoAP response code
	ErrorResponse
}

// Error implements the error interface.
func (e *PeerError) Error() string {
	s := fmt.Sprintf("ace: peer answers %d.%02d", e.Code>>5, e.Code&31)
	if e.ErrorResponse.Code != 0 {
		s += " " + e.ErrorResponse.Code.String()
	}
	return s
}
