package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
	"github.com/ostiary/ostiary/test/interop"
)

var stdout = os.Stdout

// clientOfLibrary runs the cases with Californium as client of a server in this
// process, whose randomness is recorded.
func (s *suite) clientOfLibrary(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	p, random := interop.NewParams(), new(recorder)
	sec, err := oscore.NewAssociation(oscore.Config{Params: *interop.Other(p), B2: oscore.B2Allowed, Rand: random})
	if err != nil {
		return nil, nil, err
	}
	contexts := new(oscore.Contexts)
	if err := contexts.Add(sec); err != nil {
		return nil, nil, err
	}
	server, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{
		Handler:     oscorecoap.Handler(contexts, interop.NewResources(), nil, oscorecoap.Config{Authorize: authorize}),
		Understands: []coap.OptionID{coap.OSCORE},
	})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = server.Close() }()
	c, err := s.newTheirClient(ctx, p, server.LocalAddr())
	if err != nil {
		return nil, nil, err
	}
	defer c.close()
	results := r.Do(ctx, stdout, c.relay, func(ctx context.Context, name string) error {
		if name == "b2-by-the-server" {
			c.relay.MarkRederive()
			if err := sec.Rederive(); err != nil {
				return err
			}
		}
		return c.run(ctx, name)
	})
	t := s.transcript(c, p)
	t.About = "Californium is the client; the context was provisioned."
	t.Server = "oscorecoap.Handler on coap.Endpoint"
	t.ServerRandom = random.all()
	return results, t, nil
}

// authorize allows GET and PUT of /value and /large.
func authorize(_ *oscore.Association, r *coap.Request) (any, error) {
	switch path := r.Options.Path(); {
	case path != "/value" && path != "/large":
		return nil, &oscorecoap.Refusal{Code: coap.Forbidden}
	case r.Code != coap.GET && r.Code != coap.PUT:
		return nil, &oscorecoap.Refusal{Code: coap.MethodNotAllowed}
	}
	return nil, nil
}

// theirClient is Californium as client.
type theirClient struct {
	peer  *interop.Process
	relay *interop.Relay
}

// newTheirClient starts Californium as client of the server at addr.
func (s *suite) newTheirClient(ctx context.Context, p *oscore.Params, addr netip.AddrPort) (*theirClient, error) {
	relay, err := interop.NewRelay(addr)
	if err != nil {
		return nil, err
	}
	peer, _, err := s.java(ctx, "client", p, "--uri", "coap://"+relay.Addr().String())
	if err != nil {
		return nil, errors.Join(err, relay.Close())
	}
	return &theirClient{peer, relay}, nil
}

func (c *theirClient) close() {
	c.peer.Stop()
	_ = c.relay.Close()
}

// run has Californium run a case.
func (c *theirClient) run(ctx context.Context, name string) error {
	answer, err := c.peer.Say(ctx, name)
	if err == nil && answer != "passed" {
		err = fmt.Errorf("californium: %s", answer)
	}
	return err
}

func (s *suite) transcript(c *theirClient, p *oscore.Params) *interop.Transcript {
	t := &interop.Transcript{Client: s.version, Ours: true, Context: interop.NewContext(p), Datagrams: c.relay.Datagrams()}
	t.Context.OmitKIDContext = true
	return t
}
