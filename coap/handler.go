package coap

import (
	"context"
	"errors"
)

// Errors of our own caller; none of them is sent.
var (
	// ErrResponded is the answer to a second Respond to one request that is
	// no observation.
	ErrResponded = errors.New("coap: request already answered")
	// ErrClosed is the answer to a call on an endpoint that was closed, or
	// to a notification for an observation that has ended.
	ErrClosed = errors.New("coap: closed")
	// ErrTooLarge is the answer to a message that does not fit into a
	// datagram.
	ErrTooLarge = errors.New("coap: message too large")
	// ErrTimeout is the answer to a request that nobody acknowledged or
	// answered in time (RFC 7252, Section 4.2).
	ErrTimeout = errors.New("coap: no answer in time")
	// ErrReset is the answer to a request the other endpoint rejected with a
	// Reset message.
	ErrReset = errors.New("coap: rejected with a Reset message")
	// ErrBadRequest is the answer to a request that cannot be sent: no
	// request method, no address, an option out of order.
	ErrBadRequest = errors.New("coap: request cannot be sent")
)

// A ResponseWriter answers one request. A handler calls Respond once; that
// may be after ServeCOAP has returned, from another goroutine, and then the
// endpoint acknowledges the request meanwhile and sends a separate response
// (RFC 7252, Section 5.2.2). A ResponseWriter that has answered is used for
// another request once the handler has returned, unless there is an observation:
// it is not to be called again then.
//
// To accept an observation (RFC 7641) a handler answers a request that has
// the Observe option 0 with a success response that itself has an Observe
// option, of any value. It then calls Respond again for each notification,
// until the request's context is done; the endpoint numbers the
// notifications. A notification that is no success, or has no Observe option,
// ends the observation.
type ResponseWriter interface {
	// Respond sends a response. It does not keep the response after it has
	// returned. For an observation it is safe for concurrent use.
	Respond(*Response) error
}

// A Handler answers requests. The endpoint calls it in the goroutine that
// reads the socket: a handler that may wait (for a disk, another server, a
// handshake) is wrapped by Pool.Handler. See Request for how long the request
// may be used.
type Handler interface {
	ServeCOAP(w ResponseWriter, r *Request)
}

// A HandlerFunc is a function as a Handler.
type HandlerFunc func(w ResponseWriter, r *Request)

// ServeCOAP calls f.
func (f HandlerFunc) ServeCOAP(w ResponseWriter, r *Request) { f(w, r) }

// A Doer sends a request and waits for its response. The request is not
// changed, and not used after Do has returned. It is safe for concurrent use.
type Doer interface {
	Do(ctx context.Context, r *Request) (*Response, error)
}

// An Observer observes a resource (RFC 7641). Observe sends the request with
// Observe 0 added, and calls notify with each response, the first included
// and only those that are newer than the one before, until ctx is done (it
// then cancels the observation and returns nil), the server ends it (nil; the
// last response tells why) or the request fails (an error). It is safe for
// concurrent use.
type Observer interface {
	Observe(ctx context.Context, r *Request, notify func(*Response)) error
}
