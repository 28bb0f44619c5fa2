package main

import (
	"context"
	"sync/atomic"

	"github.com/ostiary/ostiary/coap"
)

// A counter counts the requests that counts wants; nil wants all.
type counter struct {
	n      atomic.Int64
	counts func(r *coap.Request) bool
}

func (c *counter) count(r *coap.Request) {
	if c.counts == nil || c.counts(r) {
		c.n.Add(1)
	}
}

// handler returns a handler that counts what it passes on.
func (c *counter) handler(next coap.Handler) coap.Handler {
	return coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		c.count(r)
		next.ServeCOAP(w, r)
	})
}

// countingClient counts the requests that it sends.
type countingClient struct {
	*coap.Client
	sent *counter
}

// Do implements coap.Doer.
func (c countingClient) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	c.sent.count(r)
	return c.Client.Do(ctx, r)
}
