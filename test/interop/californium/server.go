package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
	"github.com/ostiary/ostiary/oscore/oscorecoap/gocoap"
	"github.com/ostiary/ostiary/test/interop"
)

// server runs the cases with Californium as server.
func (s *suite) server(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	p := newParams()
	peer, port, err := s.java(ctx, "server", other(p))
	if err != nil {
		return nil, nil, err
	}
	defer peer.stop()
	addr, err := netip.ParseAddrPort("127.0.0.1:" + port)
	if err != nil {
		return nil, nil, err
	}
	relay, err := interop.NewRelay(addr)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = relay.Close() }()
	conn, err := gocoap.Dial(ctx, relay.Addr().String(), gocoap.Config{})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = conn.Close() }()
	sec, err := oscore.NewAssociation(oscore.Config{Params: *p, B2: oscore.B2Allowed})
	if err != nil {
		return nil, nil, err
	}
	c := &ourClient{
		peer: peer, sec: sec, value: "initial",
		client: oscorecoap.NewClient(conn, sec, oscorecoap.ClientConfig{Blockwise: coap.BlockwiseConfig{BlockSize: 512}}),
	}
	results := r.Do(ctx, stdout, relay, c.run)
	return results, &interop.Transcript{
		About:   "Californium is the server; the context was provisioned.",
		Client:  "oscorecoap.Client on gocoap.Client",
		Server:  s.version,
		Context: interop.NewContext(p), Datagrams: relay.Datagrams(),
	}, nil
}

// ourClient is a client with the cases for Californium as server.
type ourClient struct {
	peer   *process
	sec    *oscore.Association
	client *oscorecoap.Client
	value  string // of /value
}

func (c *ourClient) run(ctx context.Context, name string) error {
	switch name {
	case "get", "get-after-b2":
		return c.get(ctx)
	case "put", "put-after-b2":
		return errors.Join(c.put(ctx, name), c.get(ctx))
	case "observe", "observe-after-b2":
		return c.observe(ctx, name+" 1", name+" 2")
	case "block-wise-put":
		return c.do(ctx, coap.PUT, "/large", body(), coap.Changed, nil)
	case "block-wise-get":
		return c.do(ctx, coap.GET, "/large", nil, coap.Content, body())
	case "b2-by-the-client", "b2-again":
		return c.renewed(func() error { return errors.Join(c.sec.Rederive(), c.get(ctx)) })
	case "b2-by-the-server":
		return c.renewed(func() error {
			if answer, err := c.peer.say(ctx, "lose"); err != nil || answer != "lost" {
				return fmt.Errorf("the server says %q: %w", answer, err)
			}
			return c.get(ctx)
		})
	}
	return errors.New("there is no such case")
}

// body is a body of 4 KiB, every block of which differs.
func body() []byte {
	b := make([]byte, 4096)
	for i := range b {
		b[i] = byte(i*7 + i/256)
	}
	return b
}

// do sends a request and compares the response; a nil payload is any.
func (c *ourClient) do(ctx context.Context, method coap.Code, path string, payload []byte, code coap.Code, want []byte) error {
	r := coap.NewRequest(method, path)
	r.Payload = payload
	response, err := c.client.Do(ctx, r)
	if err != nil {
		return fmt.Errorf("%v %s: %w", method, path, err)
	}
	if response.Code != code || want != nil && !bytes.Equal(response.Payload, want) {
		return fmt.Errorf("%v %s: got %v %q, want %v %q", method, path, response.Code, response.Payload, code, want)
	}
	return nil
}

func (c *ourClient) get(ctx context.Context) error {
	return c.do(ctx, coap.GET, "/value", nil, coap.Content, []byte(c.value))
}

func (c *ourClient) put(ctx context.Context, value string) error {
	c.value = value
	return c.do(ctx, coap.PUT, "/value", []byte(value), coap.Changed, nil)
}

// observe waits for the current value and for those it sets, and cancels.
func (c *ourClient) observe(ctx context.Context, values ...string) error {
	observing, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := make(chan string, 16)
	done := make(chan error, 1)
	go func() {
		done <- c.client.Observe(observing, coap.NewRequest(coap.GET, "/value"), func(r *coap.Response) {
			seen <- fmt.Sprintf("%v %s", r.Code, r.Payload)
		})
	}()
	next := func() error {
		select {
		case got := <-seen:
			if want := fmt.Sprintf("%v %s", coap.Content, c.value); got != want {
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
		if err := c.put(ctx, value); err != nil {
			return err
		}
		if err := next(); err != nil {
			return err
		}
	}
	cancel()
	return <-done
}

// renewed makes sure that do has replaced the context by one of Appendix B.2.
func (c *ourClient) renewed(do func() error) error {
	before := c.sec.Current()
	if err := do(); err != nil {
		return err
	}
	if now := c.sec.Current(); now == before || len(now.IDContext()) != 24 {
		return fmt.Errorf("the context has ID Context %x, want R2 || R3", now.IDContext())
	}
	return nil
}
