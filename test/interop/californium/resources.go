package main

import (
	"context"
	"slices"
	"sync"

	"github.com/ostiary/ostiary/coap"
)

// newResources returns the resources of the server: /value, /large and /secret.
func newResources() coap.Handler {
	m := new(coap.Mux)
	m.Handle("/value", &resource{content: []byte("initial")})
	m.Handle("/large", &resource{})
	m.Handle("/secret", &resource{content: []byte("nobody's business")})
	return m
}

// A resource can be read, written and observed.
type resource struct {
	mu        sync.Mutex // guards what follows
	content   []byte
	observers []observer
}

type observer struct {
	ctx context.Context
	w   coap.ResponseWriter
}

// ServeCOAP implements coap.Handler.
func (x *resource) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	response := &coap.Response{Code: coap.MethodNotAllowed}
	switch r.Code {
	case coap.GET:
		response = &coap.Response{Code: coap.Content, Payload: x.content}
		if v, ok := r.Options.Uint(coap.Observe); ok && v == 0 {
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

// notify tells the observers of the content and forgets those that are gone.
func (x *resource) notify() {
	x.observers = slices.DeleteFunc(x.observers, func(o observer) bool {
		response := &coap.Response{Code: coap.Content, Payload: x.content}
		response.Options.SetUint(coap.Observe, 0)
		return o.ctx.Err() != nil || o.w.Respond(response) != nil
	})
}
