package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/test/interop"
)

// plainClient runs the cases with Californium as client in plain CoAP.
func (s *suite) plainClient(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	server, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{Handler: interop.NewResources()})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = server.Close() }()
	c, err := s.newTheirClient(ctx, nil, server.LocalAddr())
	if err != nil {
		return nil, nil, err
	}
	defer c.close()
	return r.Do(ctx, stdout, c.relay, c.run), nil, nil
}

// plainServer runs the cases with Californium as server in plain CoAP.
func (s *suite) plainServer(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	peer, port, err := s.java(ctx, "server", nil)
	if err != nil {
		return nil, nil, err
	}
	defer peer.Stop()
	addr, err := netip.ParseAddrPort("127.0.0.1:" + port)
	if err != nil {
		return nil, nil, err
	}
	client, err := coap.Dial("udp4", addr.String(), coap.Config{NStart: 2})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = client.Close() }()
	c := plain{Client: interop.Client{Requester: client, Value: interop.InitialValue}, ping: client.Ping}
	return r.Do(ctx, stdout, nil, c.run), nil, nil
}

// nothing runs cases that are skipped.
func nothing(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	return r.Do(ctx, stdout, nil, func(context.Context, string) error {
		return fmt.Errorf("there is no %s", r.Name)
	}), nil, nil
}

// plain is a client in plain CoAP with the cases for Californium as server.
type plain struct {
	interop.Client
	ping func(context.Context) error
}

func (c *plain) run(ctx context.Context, name string) error {
	question := []byte("a question")
	switch name {
	case "ping":
		return c.ping(ctx)
	case "get":
		return c.Get(ctx)
	case "put":
		return errors.Join(c.Put(ctx, name), c.Get(ctx))
	case "fetch":
		return c.Do(ctx, coap.FETCH, "/value", question, coap.Content, question)
	case "observe":
		return c.Observe(ctx, "one", "two")
	case "block-wise-put":
		return c.Do(ctx, coap.PUT, "/large", interop.Body(), coap.Changed, nil)
	case "block-wise-get":
		return c.Do(ctx, coap.GET, "/large", nil, coap.Content, interop.Body())
	case "block-wise-fetch":
		return c.Do(ctx, coap.FETCH, "/value", interop.Body(), coap.Content, interop.Body())
	case "not-found":
		return c.Do(ctx, coap.GET, "/nothing", nil, coap.NotFound, nil)
	case "method-not-allowed":
		return c.Do(ctx, coap.DELETE, "/value", nil, coap.MethodNotAllowed, nil)
	}
	return fmt.Errorf("there is no case %s", name)
}
