package coap

import (
	"context"
	"net/netip"
	"time"
)

// An Identity is who the channel has authenticated: an OSCORE association, a
// DTLS or TLS session. Values are compared with ==, so that two requests are
// from the same party if their identities are equal.
type Identity interface {
	// Subject names the party, the same for every channel it may use. It is
	// safe for concurrent use.
	Subject() string
}

// A Request is a CoAP request (RFC 7252, Section 5.1), received by a server
// or to be sent by a client.
//
// A handler may use the request, its options and payload until its ServeCOAP
// returns; what it needs longer it keeps with Clone. A Request is not safe
// for concurrent change.
type Request struct {
	Code    Code
	Options Options
	Payload []byte

	// RemoteAddr is the other endpoint: where a received request came from,
	// or where to send one. LocalAddr is the address a received request was
	// sent to, and is zero if the transport does not know it.
	RemoteAddr netip.AddrPort
	LocalAddr  netip.AddrPort

	// Identity is the party the channel authenticated, nil for nobody.
	Identity Identity

	// NonConfirmable says that the request came, or shall go, in a
	// Non-confirmable message (RFC 7252, Section 4.3).
	NonConfirmable bool

	// Multicast says that a received request was addressed to a group
	// (RFC 7252, Section 8).
	Multicast bool

	ctx      context.Context // set by the server, as in net/http
	received time.Time       // see Received
	token    *[8]byte        // of a block-wise operation, see BlockwiseClient
	whole    wholeness
	room     room     // for the response
	reply    Response // see NewResponse
}

// wholeness says that Blockwise has put a request of an identity together, and
// takes the answer apart. A request from within OSCORE has another identity.
type wholeness struct {
	set      bool
	identity Identity
}

// NewRequest returns a request for a method and a path, "/a/b?x=1&y" with
// optional query arguments.
func NewRequest(method Code, path string) *Request {
	r := &Request{Code: method}
	path, query, ok := cut(path, '?')
	r.Options.SetPath(path)
	for ok {
		var arg string
		arg, query, ok = cut(query, '&')
		r.Options.Add(URIQuery, unescape(arg))
	}
	return r
}

func cut(s string, sep byte) (before, after string, found bool) {
	for i := range len(s) {
		if s[i] == sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// Context returns the request's context. On a server it ends when the
// endpoint closes and, for an observation, when the observation ends. It is
// never nil.
func (r *Request) Context() context.Context {
	if r.ctx == nil {
		return context.Background()
	}
	return r.ctx
}

// Received returns when the request was received, by the clock of the endpoint,
// or the zero Time if the transport does not say. It spares a handler a look at
// the clock.
func (r *Request) Received() time.Time { return r.received }

// WithContext returns a shallow copy of r with another context.
func (r *Request) WithContext(ctx context.Context) *Request {
	c := *r
	c.reply = Response{}
	c.ctx = ctx
	return &c
}

// Reuse empties r for another request, with a context, and keeps the memory of its
// options and of NewResponse. It is for a layer that takes a request out of
// another.
func (r *Request) Reuse(ctx context.Context) {
	options, reply := r.Options[:0], r.reply.Options[:0]
	*r = Request{Options: options, ctx: ctx}
	r.reply.Options = reply
}

// Clone returns a deep copy of r with the same context and identity, which
// may be kept after ServeCOAP has returned.
func (r *Request) Clone() *Request {
	c := *r
	c.reply, c.token = Response{}, nil
	c.Options = r.Options.Clone()
	c.Payload = append([]byte(nil), r.Payload...)
	return &c
}

// Path returns the request's Uri-Path; see Options.Path.
func (r *Request) Path() string { return r.Options.Path() }

// NewResponse returns the request's own Response, emptied and with the given
// code. It saves a handler an allocation; it lives as long as the request and
// a second call takes the first response back.
func (r *Request) NewResponse(code Code) *Response {
	r.reply.Code = code
	r.reply.Options = r.reply.Options[:0]
	r.reply.Payload = nil
	r.reply.Confirmable = false
	r.reply.AddressShown = false
	return &r.reply
}

// A Response is a CoAP response (RFC 7252, Section 5.2).
type Response struct {
	Code    Code
	Options Options
	Payload []byte

	// Confirmable asks that a notification, or a response that can no longer
	// travel in an acknowledgement, is sent in a Confirmable message. The
	// endpoint itself sends every separate response to a Confirmable request
	// and every twentieth notification so.
	Confirmable bool

	// AddressShown says that the peer has shown to the handler that it receives at its
	// address, by an Echo option of the handler's own: Config.UnvalidatedLimit is not
	// for it.
	AddressShown bool

	// RemoteAddr is who answered, on the client side only; with a multicast
	// request it differs from the address of the request.
	RemoteAddr netip.AddrPort
}

// Clone returns a deep copy of r.
func (r *Response) Clone() *Response {
	c := *r
	c.Options = r.Options.Clone()
	c.Payload = append([]byte(nil), r.Payload...)
	return &c
}

// textResponse is an error response with a diagnostic payload (RFC 7252,
// Section 5.5.2).
func textResponse(code Code, diagnostic string) *Response {
	return &Response{Code: code, Payload: []byte(diagnostic)}
}
