package client

import (
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/oscore"
)

var (
	// ErrServer reports that no authorization server of the Config is authorised for
	// the audience, or not the one that the hints name.
	ErrServer = errors.New("client: no authorised AS for the audience")

	// ErrExpired reports a token, or a session whose token, is over.
	ErrExpired = errors.New("client: access token has expired")

	// ErrNoExpiry reports a token of which nobody says how long it is valid.
	ErrNoExpiry = errors.New("client: validity of the access token is unknown")

	// ErrDiscarded reports a session whose security context has been discarded.
	// Session.Repost makes a new one.
	ErrDiscarded = errors.New("client: security context was discarded")

	// ErrProfile reports an answer of the AS with which the OSCORE profile cannot be
	// used: another profile, no input material, or new material for an update.
	ErrProfile = errors.New("client: answer of the AS does not suit the OSCORE profile")

	// ErrRetries reports a peer that asks again and again to repeat a request.
	ErrRetries = errors.New("client: too many challenges in a row")
)

// An UnprotectedError is a response in clear to a protected request. Anybody may
// have sent it: it says nothing but that the exchange is over.
type UnprotectedError struct{ Code oscore.Code }

// Error implements the error interface.
func (e *UnprotectedError) Error() string {
	return fmt.Sprintf("client: response %v is not protected", e.Code)
}

// An UnauthorizedError is a 4.01. If it was not Protected anybody may have sent it.
type UnauthorizedError struct {
	Protected bool
	Hints     *ace.CreationHints // nil if there were none; never trusted, see Request.Hints
	Discarded bool               // the session has discarded its context because of it
}

// Error implements the error interface.
func (e *UnauthorizedError) Error() string {
	s := "client: 4.01 Unauthorized"
	if !e.Protected {
		s += ", not protected"
	}
	if e.Discarded {
		s += ": security context discarded"
	}
	return s
}

// peerError is what a response says that is not the expected one.
func peerError(m oscore.Message) *ace.PeerError {
	e := &ace.PeerError{Code: uint8(m.Code)}
	if r, err := ace.ParseErrorResponse(m.Payload); err == nil {
		e.ErrorResponse = *r
	}
	return e
}
