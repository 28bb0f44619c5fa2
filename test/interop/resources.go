package interop

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/ostiary/ostiary/coap"
)

// InitialValue is what /value has at first.
const InitialValue = "initial"

// NewResources returns the resources of our servers: /value, /large and /secret.
func NewResources() coap.Handler {
	m := new(coap.Mux)
	m.Handle("/value", NewResource(InitialValue))
	m.Handle("/large", NewResource(""))
	m.Handle("/secret", NewResource("nobody's business"))
	return m
}

// Body is a body of 4 KiB, every block of which differs.
func Body() []byte {
	b := make([]byte, 4096)
	for i := range b {
		b[i] = byte(i*7 + i/256)
	}
	return b
}

// A Resource can be read, written and observed; FETCH gives back its own payload.
// It is safe for concurrent use.
type Resource struct {
	mu        sync.Mutex // guards what follows
	content   []byte
	observers []observer
}

type observer struct {
	ctx context.Context
	w   coap.ResponseWriter
}

// NewResource returns a resource with a content.
func NewResource(content string) *Resource { return &Resource{content: []byte(content)} }

// ServeCOAP implements coap.Handler.
func (x *Resource) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
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
	case coap.FETCH:
		response = &coap.Response{Code: coap.Content, Payload: r.Payload}
	case coap.PUT:
		response.Code = coap.Changed
		defer x.set(slices.Clone(r.Payload))
	}
	_ = w.Respond(response)
}

// Set changes the content.
func (x *Resource) Set(content []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.set(content)
}

// set changes the content, tells the observers of it and forgets those that are
// gone.
func (x *Resource) set(content []byte) {
	x.content = content
	x.observers = slices.DeleteFunc(x.observers, func(o observer) bool {
		response := &coap.Response{Code: coap.Content, Payload: x.content}
		response.Options.SetUint(coap.Observe, 0)
		return o.ctx.Err() != nil || o.w.Respond(response) != nil
	})
}

// Has returns an error if the content is another.
func (x *Resource) Has(content []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !bytes.Equal(x.content, content) {
		return fmt.Errorf("the resource has %q, want %q", x.content, content)
	}
	return nil
}

// Unobserved waits until every observation has ended.
func (x *Resource) Unobserved(ctx context.Context) error {
	x.mu.Lock()
	observers := slices.Clone(x.observers)
	x.mu.Unlock()
	for _, o := range observers {
		select {
		case <-o.ctx.Done():
		case <-ctx.Done():
			return fmt.Errorf("an observation has not ended: %w", ctx.Err())
		}
	}
	return nil
}
