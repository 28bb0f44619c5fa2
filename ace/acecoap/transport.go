package acecoap

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"

	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// A Transport carries the messages of package client over a coap.Doer. It is
// safe for concurrent use.
type Transport struct {
	doer coap.Doer // reads Request.RemoteAddr
	// whole sends what is in clear, such as a long token, in blocks.
	whole coap.Doer
}

var _ client.Transport = (*Transport)(nil)

// NewTransport returns the Transport over d, which must send a request to its
// RemoteAddr.
func NewTransport(d coap.Doer) *Transport {
	return &Transport{doer: d, whole: coap.BlockwiseClient(d, coap.BlockwiseConfig{})}
}

// Do implements client.Transport. address is "coap://host:port", with the
// default port 5683, or "host:port".
func (t *Transport) Do(ctx context.Context, address string, m oscore.Message) (oscore.Message, error) {
	remote, err := Resolve(ctx, address)
	if err != nil {
		return oscore.Message{}, err
	}
	r := requestOf(m)
	r.RemoteAddr = remote
	doer := t.whole
	if r.Options.Has(coap.OSCORE) {
		doer = t.doer // block-wise transfer is inside
	}
	response, err := doer.Do(ctx, r)
	if err == nil && response.Code == coap.Unauthorized {
		// The server wants to see that the client has its address (RFC 9175,
		// Section 2.3).
		if v, ok := response.Options.Get(coap.Echo); ok && !r.Options.Has(coap.Echo) && !r.Options.Has(coap.OSCORE) {
			r.Options.Set(coap.Echo, v)
			response, err = doer.Do(ctx, r)
		}
	}
	if err != nil {
		return oscore.Message{}, err
	}
	return messageOf(response.Code, response.Options, response.Payload), nil
}

// Resolve returns the UDP address of "coap://host:port", with the default port
// 5683 (RFC 7252, Section 6.1), or of "host:port".
func Resolve(ctx context.Context, address string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(address); err == nil {
		return a, nil
	}
	host, port := "", ""
	if u, err := url.Parse(address); err == nil && u.Scheme == "coap" && u.Host != "" {
		host, port = u.Hostname(), u.Port()
	} else if h, p, err := net.SplitHostPort(address); err == nil {
		host, port = h, p
	} else {
		return netip.AddrPort{}, fmt.Errorf("acecoap: address %q: want coap://host:port or host:port", address)
	}
	if port == "" {
		port = "5683"
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("acecoap: address %q: %w", address, err)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("acecoap: address %q: %w", address, err)
	}
	return netip.AddrPortFrom(addrs[0].Unmap(), uint16(number)), nil
}
