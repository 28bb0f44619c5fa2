package main

import (
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
	p := interop.NewParams()
	peer, port, err := s.java(ctx, "server", interop.Other(p))
	if err != nil {
		return nil, nil, err
	}
	defer peer.Stop()
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
		peer: peer, sec: sec,
		Client: interop.Client{
			Requester: oscorecoap.NewClient(conn, sec, oscorecoap.ClientConfig{Blockwise: coap.BlockwiseConfig{BlockSize: 512}}),
			Value:     interop.InitialValue,
		},
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
	interop.Client
	peer *interop.Process
	sec  *oscore.Association
}

func (c *ourClient) run(ctx context.Context, name string) error {
	switch name {
	case "get", "get-after-b2":
		return c.Get(ctx)
	case "put", "put-after-b2":
		return errors.Join(c.Put(ctx, name), c.Get(ctx))
	case "observe", "observe-after-b2":
		return c.Observe(ctx, name+" 1", name+" 2")
	case "block-wise-put":
		return c.Do(ctx, coap.PUT, "/large", interop.Body(), coap.Changed, nil)
	case "block-wise-get":
		return c.Do(ctx, coap.GET, "/large", nil, coap.Content, interop.Body())
	case "b2-by-the-client", "b2-again":
		return c.renewed(func() error { return errors.Join(c.sec.Rederive(), c.Get(ctx)) })
	case "b2-by-the-server":
		return c.renewed(func() error {
			if answer, err := c.peer.Say(ctx, "lose"); err != nil || answer != "lost" {
				return fmt.Errorf("the server says %q: %w", answer, err)
			}
			return c.Get(ctx)
		})
	}
	return errors.New("there is no such case")
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
