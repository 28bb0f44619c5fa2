package coap

import (
	"context"
	"fmt"
	"net"
	"time"
)

// A Server serves a Handler over UDP; it is an Endpoint in the manner of
// http.Server, for those who need no client on the socket. Its fields are
// not changed once it serves.
type Server struct {
	Handler Handler
	// Config is the endpoint's configuration; its Handler is not used.
	Config Config
	// DrainTimeout is how long Serve lets the requests taken finish when its
	// context ends; default 10 s.
	DrainTimeout time.Duration
}

// Serve serves on a socket, and takes it over, until ctx is done; it then
// refuses new requests, lets those taken finish and returns nil. When the socket
// is closed under it, it returns an error that is net.ErrClosed.
func (s *Server) Serve(ctx context.Context, conn net.PacketConn) error {
	cfg := s.Config
	cfg.Handler = s.Handler
	e, err := NewEndpoint(conn, cfg)
	if err != nil {
		return err
	}
	return s.serve(ctx, e)
}

// ListenAndServe serves on a local UDP address such as ":5683"; see Serve.
func (s *Server) ListenAndServe(ctx context.Context, address string) error {
	cfg := s.Config
	cfg.Handler = s.Handler
	e, err := Listen("udp", address, cfg)
	if err != nil {
		return err
	}
	return s.serve(ctx, e)
}

func (s *Server) serve(ctx context.Context, e *Endpoint) error {
	select {
	case <-ctx.Done():
	case <-e.Done():
		_ = e.Close() // waits for its goroutines; the socket is closed already
		return fmt.Errorf("serve: %w", net.ErrClosed)
	}
	timeout := s.DrainTimeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	return e.Shutdown(drain)
}
