package as

import (
	"errors"

	"github.com/ostiary/ostiary/ace"
)

// An Error says why a request gets no answer. The peer learns Code and Error; the
// other fields are for the local log and hold no secret.
type Error struct {
	Code    uint8         // CoAP response code (RFC 7252, Section 12.1.2)
	OAuth   ace.ErrorCode // error parameter (RFC 9200, Section 5.8.3); 0 if Code is 4.03 or a 5.xx
	Section string        // whose check failed, such as "RFC 9203, Section 3.1"
	Reason  string
	Err     error // cause, may be nil
}

// Error implements the error interface.
func (e *Error) Error() string {
	s := "as: " + e.Reason
	if e.Section != "" {
		s += " (" + e.Section + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrorResponse turns an error of this package into the CoAP code and payload, of
// Content-Format ace.ContentFormat, that answer the request. A 4.03 has no payload,
// and neither has a 5.00, which stands for any other error.
//
//spec:9200-5.8.3-2
//spec:9200-5.9.3-3
func ErrorResponse(err error) (code uint8, payload []byte) {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return ace.InternalServerError, nil
	case e.OAuth == 0:
		return e.Code, nil
	}
	return e.Code, (&ace.ErrorResponse{Code: e.OAuth}).Append(nil)
}

// refused blames the client.
func refused(code ace.ErrorCode, section, reason string) *Error {
	e := &Error{Code: ace.BadRequest, OAuth: code, Section: section, Reason: reason}
	if code == ace.InvalidClient {
		e.Code = ace.Unauthorized
	}
	return e
}

// forbidden refuses introspection to a requester that is known.
func forbidden(reason string) *Error {
	return &Error{Code: ace.Forbidden, Section: "RFC 9200, Section 5.9.3", Reason: reason}
}

// failed blames us.
func failed(what string, err error) *Error {
	return &Error{Code: ace.InternalServerError, Reason: what, Err: err}
}
