// Package coaptest helps to test what is built on package coap: a Doer that
// calls a Handler without a network, an in-memory network for endpoints, and
// a seeded proxy that loses, doubles, reorders and corrupts datagrams.
package coaptest

import (
	"context"
	"net/netip"
	"sync"

	"github.com/ostiary/ostiary/coap"
)

// Direct is a coap.Doer and coap.Observer that calls a Handler in the
// caller's goroutine. It is safe for concurrent use if the Handler is.
type Direct struct {
	Handler    coap.Handler
	RemoteAddr netip.AddrPort // who asks; default 192.0.2.1:5683
	Identity   coap.Identity  // who asks, authenticated; may be nil

	mu       sync.Mutex // guards requests
	requests []*coap.Request
}

// Requests returns copies of the requests the Handler was given.
func (d *Direct) Requests() []*coap.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*coap.Request(nil), d.requests...)
}

func (d *Direct) receive(ctx context.Context, r *coap.Request) *coap.Request {
	in := r.Clone().WithContext(ctx)
	in.RemoteAddr, in.Identity = d.RemoteAddr, d.Identity
	if !in.RemoteAddr.IsValid() {
		in.RemoteAddr = netip.MustParseAddrPort("192.0.2.1:5683")
	}
	d.mu.Lock()
	d.requests = append(d.requests, in.Clone())
	d.mu.Unlock()
	return in
}

// Do calls the Handler and waits for its response.
func (d *Direct) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	w := make(writer, 1)
	d.Handler.ServeCOAP(w, d.receive(ctx, r))
	select {
	case resp := <-w:
		return resp, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Observe calls the Handler with Observe 0 and passes on its responses, each
// as it comes, until ctx is done or a response has no Observe option.
func (d *Direct) Observe(ctx context.Context, r *coap.Request, notify func(*coap.Response)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := make(writer, 64)
	in := d.receive(ctx, r)
	in.Options.SetUint(coap.Observe, 0)
	d.Handler.ServeCOAP(w, in)
	for {
		select {
		case resp := <-w:
			notify(resp)
			if !resp.Options.Has(coap.Observe) {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// writer is a coap.ResponseWriter that hands its responses over a channel.
type writer chan *coap.Response

func (w writer) Respond(r *coap.Response) error {
	select {
	case w <- r.Clone():
		return nil
	default:
		return coap.ErrResponded
	}
}
