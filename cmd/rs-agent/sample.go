package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/coap"
)

type sampleCommand struct {
	Listen string `help:"UDP address and port; default ${default}." default:"127.0.0.1:5684" placeholder:"ADDR"`
}

// Run serves a device to try the agent with: plain CoAP, no protection.
func (c *sampleCommand) Run(ctx context.Context, s cli.Streams) error {
	conn, err := cli.ListenUDP(c.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Err, "a thermostat without protection on coap://%v: /value (GET, PUT, observable), /large (GET, PUT), /secret (GET)\n", conn.LocalAddr())
	server := coap.Server{Handler: newSample()}
	return server.Serve(ctx, conn)
}

// newSample returns the resources of the sample device.
func newSample() coap.Handler {
	m := new(coap.Mux)
	m.Handle("/value", &resource{content: []byte("21 C")})
	m.Handle("/large", &resource{content: []byte("nothing yet")})
	m.Handle("/secret", &resource{content: []byte("the owner's diary")})
	return coap.Blockwise(m, coap.BlockwiseConfig{})
}

// A resource can be read, written and observed.
type resource struct {
	mu        sync.Mutex // guards what follows
	content   []byte
	observers []observer
}

type observer struct {
	ctx context.Context //nolint:containedctx // ends the observation
	w   coap.ResponseWriter
}

// ServeCOAP implements coap.Handler.
func (x *resource) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	response := &coap.Response{Code: coap.MethodNotAllowed}
	switch r.Code {
	case coap.GET:
		response = x.state()
		if observe, ok := r.Options.Uint(coap.Observe); ok && observe == 0 {
			response.Options.SetUint(coap.Observe, 0)
			x.observers = append(x.observers, observer{r.Context(), w})
		}
	case coap.PUT:
		x.content = slices.Clone(r.Payload)
		response.Code = coap.Changed
		defer x.notify()
	}
	_ = w.Respond(response)
}

func (x *resource) state() *coap.Response {
	return &coap.Response{Code: coap.Content, Payload: x.content}
}

// notify tells the observers of the new state and forgets those that are gone.
func (x *resource) notify() {
	x.observers = slices.DeleteFunc(x.observers, func(o observer) bool {
		response := x.state()
		response.Options.SetUint(coap.Observe, 0)
		return o.ctx.Err() != nil || o.w.Respond(response) != nil
	})
}
