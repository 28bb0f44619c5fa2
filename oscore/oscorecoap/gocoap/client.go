package gocoap

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/ostiary/ostiary/coap"
)

// A Client sends requests to one address from a socket of its own. It is a
// coap.Doer and a coap.Observer, and safe for concurrent use. Its socket is
// not connected, so that a server that restarts does not end the client.
type Client struct {
	endpoint *endpoint
	remote   netip.AddrPort
	stop     context.CancelFunc
	stopped  chan struct{}
}

// Dial opens a socket for requests to addr, "host:port". It sends nothing;
// ctx ends the look-up of the host's address. Close the Client when done.
func Dial(ctx context.Context, addr string, cfg Config) (*Client, error) {
	remote, err := resolve(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	network := "udp4"
	if remote.Addr().Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, nil)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	c := &Client{endpoint: newEndpoint(cfg), remote: remote, stopped: make(chan struct{})}
	// The client lives until Close, not until Dial's ctx ends.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	go func() {
		defer close(c.stopped)
		c.endpoint.cfg.Observer.failed(netip.AddrPort{}, c.endpoint.serve(serving, conn))
	}()
	return c, nil
}

func resolve(ctx context.Context, addr string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(n)), nil // LookupPort returns 0 to 65535
}

// Close ends the client: requests under way fail with coap.ErrClosed. It
// returns when the socket is closed and every goroutine has ended.
func (c *Client) Close() error {
	c.stop()
	<-c.stopped
	return nil
}

// LocalAddr is the address of the client's socket.
func (c *Client) LocalAddr() netip.AddrPort { return c.endpoint.localAddr() }

// Do sends a request and waits for its response (coap.Doer). A request with a
// RemoteAddr goes there instead. See Server.Do.
func (c *Client) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	return c.endpoint.do(ctx, c.address(r))
}

// Observe observes a resource (coap.Observer).
func (c *Client) Observe(ctx context.Context, r *coap.Request, notify func(*coap.Response)) error {
	return c.endpoint.observe(ctx, c.address(r), notify, nil)
}

// ObserveCancel is Observe with the request that ends the observation; see
// Server.ObserveCancel.
func (c *Client) ObserveCancel(ctx context.Context, r *coap.Request, notify func(*coap.Response), cancel func() *coap.Request) error {
	return c.endpoint.observe(ctx, c.address(r), notify, cancel)
}

func (c *Client) address(r *coap.Request) *coap.Request {
	if r.RemoteAddr.IsValid() {
		return r
	}
	addressed := *r
	addressed.RemoteAddr = c.remote
	return &addressed
}
