package rs

import (
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/ace"
)

// Mistakes of the caller. They never go on the wire.
var (
	// ErrSubject reports an [Entry] whose Subject is empty or in use, or an
	// Entry without Token or Binding.
	ErrSubject = errors.New("rs: entry without a new subject, token and binding")

	// ErrGrant reports a zero Grant, or one whose token is gone.
	ErrGrant = errors.New("rs: grant is not, or no longer, one of this table")

	// ErrTooManyCreated reports that a client has created more resources than
	// Config.MaxCreated while it may use what it creates.
	ErrTooManyCreated = errors.New("rs: client has created too many resources")
)

// The response codes of this package (RFC 7252, Section 12.1.2).
const (
	Created            uint8 = 2<<5 | 1
	BadRequest         uint8 = 4 << 5
	Unauthorized       uint8 = 4<<5 | 1
	Forbidden          uint8 = 4<<5 | 3
	MethodNotAllowed   uint8 = 4<<5 | 5
	InternalError      uint8 = 5 << 5
	ServiceUnavailable uint8 = 5<<5 | 3
)

// An Error refuses a token or a request. The peer learns Code and Hints; the
// other fields are for the local log and hold no secret.
type Error struct {
	Code    uint8  // response code
	Section string // whose check failed, such as "RFC 9200, Section 5.10.2"
	Reason  string
	Err     error // cause, may be nil

	// Hints are AS Request Creation Hints, encoded; nil if there are none.
	Hints []byte

	// Discarded tells that the token of the security association has ended, and
	// the association with it: the answer is not protected (RFC 9203, Section
	// 4.3).
	Discarded bool
}

// Error implements the error interface.
func (e *Error) Error() string {
	s := fmt.Sprintf("rs: %d.%02d: %s (%s)", e.Code>>5, e.Code&31, e.Reason, e.Section)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// A Response is an answer in the terms of CoAP.
type Response struct {
	Code          uint8
	ContentFormat uint16 // of Payload; no option if Payload is empty
	Payload       []byte
	Unprotected   bool // also as the answer to a protected request
}

// ErrorResponse gives the answer to a request that failed with err: a diagnostic
// is never in it. An error that is not the peer's fault gives 5.00.
func ErrorResponse(err error) Response {
	var mine *Error
	if errors.As(err, &mine) {
		return Response{Code: mine.Code, ContentFormat: ace.ContentFormat, Payload: mine.Hints, Unprotected: mine.Discarded}
	}
	var theirs *ace.Error
	if errors.As(err, &theirs) {
		return Response{Code: theirs.Code}
	}
	return Response{Code: InternalError}
}
