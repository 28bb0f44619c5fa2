package interop

import (
	"bytes"
	"context"
	"fmt"

	"github.com/ostiary/ostiary/coap"
)

// A Client makes the requests of the cases to a server of the peer, which has
// the resources of NewResources.
type Client struct {
	Requester Requester
	Value     string // of /value, at first InitialValue
}

// A Requester is what sends the requests: a client of package coap, or one that
// protects them.
type Requester interface {
	coap.Doer
	coap.Observer
}

// Do sends a request and compares the response; a nil payload is any.
func (c *Client) Do(ctx context.Context, method coap.Code, path string, payload []byte, code coap.Code, want []byte) error {
	r := coap.NewRequest(method, path)
	r.Payload = payload
	response, err := c.Requester.Do(ctx, r)
	if err != nil {
		return fmt.Errorf("%v %s: %w", method, path, err)
	}
	if response.Code != code || want != nil && !bytes.Equal(response.Payload, want) {
		return fmt.Errorf("%v %s: got %v %q, want %v %q", method, path, response.Code, response.Payload, code, want)
	}
	return nil
}

// Get reads /value and compares it with the value that was put.
func (c *Client) Get(ctx context.Context) error {
	return c.Do(ctx, coap.GET, "/value", nil, coap.Content, []byte(c.Value))
}

// Put writes /value.
func (c *Client) Put(ctx context.Context, value string) error {
	c.Value = value
	return c.Do(ctx, coap.PUT, "/value", []byte(value), coap.Changed, nil)
}

// Observe waits for the current value and for those it sets, and cancels.
func (c *Client) Observe(ctx context.Context, values ...string) error {
	observing, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := make(chan string, 16)
	done := make(chan error, 1)
	go func() {
		done <- c.Requester.Observe(observing, coap.NewRequest(coap.GET, "/value"), func(r *coap.Response) {
			seen <- fmt.Sprintf("%v %s", r.Code, r.Payload)
		})
	}()
	next := func() error {
		select {
		case got := <-seen:
			if want := fmt.Sprintf("%v %s", coap.Content, c.Value); got != want {
				return fmt.Errorf("notified of %q, want %q", got, want)
			}
			return nil
		case err := <-done:
			return fmt.Errorf("the observation has ended: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := next(); err != nil {
		return err
	}
	for _, value := range values {
		if err := c.Put(ctx, value); err != nil {
			return err
		}
		if err := next(); err != nil {
			return err
		}
	}
	cancel()
	return <-done
}
