package gocoap

import (
	"context"
	"net"

	"github.com/ostiary/ostiary/coap"
)

// A Server answers requests on one socket, and sends requests from it: it is
// a coap.Doer and a coap.Observer for requests that carry a RemoteAddr. It is
// safe for concurrent use.
type Server struct{ endpoint *endpoint }

// NewServer returns a Server. It holds no resource until Serve is called.
func NewServer(cfg Config) *Server { return &Server{newEndpoint(cfg)} }

// Serve reads conn until ctx is done or the socket fails; it returns nil in
// the first case. When ctx is done it takes no new request, ends the
// observations, waits for the handlers that run (but no longer than the
// DrainTimeout, then it cancels their contexts), and closes conn. Serve is
// called once; the Server and its socket cannot be used again.
func (s *Server) Serve(ctx context.Context, conn *net.UDPConn) error {
	return s.endpoint.serve(ctx, conn)
}

// Do sends a request to its RemoteAddr and waits for the response
// (coap.Doer). It fails with coap.ErrTimeout, coap.ErrReset, coap.ErrClosed or
// the error of ctx. It waits until Serve has begun.
func (s *Server) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	return s.endpoint.do(ctx, r)
}

// Observe observes a resource at the request's RemoteAddr (coap.Observer).
func (s *Server) Observe(ctx context.Context, r *coap.Request, notify func(*coap.Response)) error {
	return s.endpoint.observe(ctx, r, notify, nil)
}

// ObserveCancel is Observe with a request of the caller's own for the end:
// when ctx is done, cancel returns the request that is sent with the token of
// the observation. An observation inside OSCORE needs it, since only a request
// protected anew can cancel it (RFC 8613, Section 4.1.3.5.1). If cancel
// returns nil nothing is sent.
func (s *Server) ObserveCancel(ctx context.Context, r *coap.Request, notify func(*coap.Response), cancel func() *coap.Request) error {
	return s.endpoint.observe(ctx, r, notify, cancel)
}
