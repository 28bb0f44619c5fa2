package coap

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// A Client sends requests to one peer through an endpoint. It is a Doer and
// an Observer, and safe for concurrent use.
type Client struct {
	Endpoint   *Endpoint
	RemoteAddr netip.AddrPort

	// Blockwise puts bodies together and takes them apart as
	// BlockwiseClient does; Dial sets it.
	blockwise Doer
	owned     bool
}

// Dial returns a client for an address such as "[2001:db8::1]:5683", with an
// endpoint of its own and block-wise transfers. Network is "udp", "udp4" or
// "udp6". The caller closes it.
func Dial(network, address string, cfg Config) (*Client, error) {
	remote, err := net.ResolveUDPAddr(network, address)
	if err != nil {
		return nil, fmt.Errorf("resolve address: %w", err)
	}
	peer := remote.AddrPort()
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	local := "0.0.0.0:0"
	if peer.Addr().Is6() {
		local = "[::]:0"
	}
	e, err := Listen("udp", local, cfg)
	if err != nil {
		return nil, err
	}
	c := e.Client(peer)
	c.owned = true
	return c, nil
}

// Client returns a client for a peer, with block-wise transfers, on the
// endpoint's socket.
func (e *Endpoint) Client(peer netip.AddrPort) *Client {
	c := &Client{Endpoint: e, RemoteAddr: peer}
	c.blockwise = BlockwiseClient(toPeer{e, peer}, BlockwiseConfig{})
	return c
}

// toPeer sends every request to one peer.
type toPeer struct {
	e    *Endpoint
	peer netip.AddrPort
}

func (p toPeer) address(r *Request) *Request {
	c := *r
	c.reply = Response{}
	c.RemoteAddr = p.peer
	return &c
}

// Do is Endpoint.Do to the peer.
func (p toPeer) Do(ctx context.Context, r *Request) (*Response, error) {
	return p.e.Do(ctx, p.address(r))
}

// Observe is Endpoint.Observe to the peer.
func (p toPeer) Observe(ctx context.Context, r *Request, notify func(*Response)) error {
	return p.e.Observe(ctx, p.address(r), notify)
}

func (c *Client) doer() Doer {
	if c.blockwise != nil {
		return c.blockwise
	}
	return toPeer{c.Endpoint, c.RemoteAddr}
}

// Do sends a request and waits for the whole response; see Endpoint.Do.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	return c.doer().Do(ctx, r)
}

// Observe observes a resource; see Endpoint.Observe.
func (c *Client) Observe(ctx context.Context, r *Request, notify func(*Response)) error {
	return c.doer().(Observer).Observe(ctx, r, notify)
}

// Get sends a GET request.
func (c *Client) Get(ctx context.Context, path string) (*Response, error) {
	return c.Do(ctx, NewRequest(GET, path))
}

// Post sends a POST request with a payload of a Content-Format.
func (c *Client) Post(ctx context.Context, path string, contentFormat uint16, payload []byte) (*Response, error) {
	r := NewRequest(POST, path)
	r.Options.AddUint(ContentFormat, uint32(contentFormat))
	r.Payload = payload
	return c.Do(ctx, r)
}

// Ping sends an empty Confirmable message and waits for the Reset that
// answers it (RFC 7252, Section 4.3, "CoAP ping").
func (c *Client) Ping(ctx context.Context) error { return c.Endpoint.ping(ctx, c.RemoteAddr) }

// Close closes the endpoint of a client that Dial has made; it does nothing
// to another.
func (c *Client) Close() error {
	if !c.owned {
		return nil
	}
	return c.Endpoint.Close()
}
