package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
	"github.com/ostiary/ostiary/test/interop"
)

func port(addr netip.AddrPort) string { return strconv.Itoa(int(addr.Port())) }

// server runs the cases with aiocoap as server.
func (s *suite) server(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	return s.theirServer(ctx, r, "aiocoap is the server; the context was provisioned.")
}

// serverRestarted runs the cases in which the server is killed and starts anew.
func (s *suite) serverRestarted(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	return s.theirServer(ctx, r, "aiocoap is the server; the context was provisioned, and the server killed and started anew.")
}

func (s *suite) theirServer(ctx context.Context, r *interop.Run, about string) (map[string]string, *interop.Transcript, error) {
	p := interop.NewParams()
	dir, err := provision(interop.Other(p))
	defer func() { _ = os.RemoveAll(dir) }()
	if err != nil {
		return nil, nil, err
	}
	server := &pythonWithContext{suite: s, dir: dir}
	if err := server.start(ctx, "0"); err != nil {
		return nil, nil, err
	}
	defer server.stop()
	relay, err := interop.NewRelay(server.addr)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = relay.Close() }()
	conn, err := coap.Dial("udp4", relay.Addr().String(), coap.Config{})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = conn.Close() }()
	sec, err := oscore.NewAssociation(oscore.Config{Params: *p})
	if err != nil {
		return nil, nil, err
	}
	sent := new(counter)
	c := &ourClient{
		server: server, sent: sent,
		Client: interop.Client{
			Requester: oscorecoap.NewClient(countingClient{conn, sent}, sec, oscorecoap.ClientConfig{}),
			Value:     interop.InitialValue,
		},
	}
	results := r.Do(ctx, os.Stdout, relay, func(caseCtx context.Context, name string) error { return c.run(ctx, caseCtx, name) })
	return results, &interop.Transcript{
		About:   about,
		Client:  "oscorecoap.Client on coap.Client",
		Server:  s.version,
		Context: interop.NewContext(p), Datagrams: relay.Datagrams(),
	}, nil
}

// pythonWithContext is aiocoap as server, which can be killed and started anew
// at its address.
type pythonWithContext struct {
	suite *suite
	dir   string // of its context
	peer  *interop.Process
	kill  context.CancelFunc
	addr  netip.AddrPort
}

func (p *pythonWithContext) start(ctx context.Context, port string) (err error) {
	ctx, p.kill = context.WithCancel(ctx)
	p.peer, p.addr, err = p.suite.pythonServer(ctx, port, "--context", p.dir)
	if err != nil {
		p.kill()
	}
	return err
}

func (p *pythonWithContext) stop() {
	if p.peer != nil {
		p.peer.Stop()
	}
	p.kill()
}

// restart has aiocoap lose its replay window.
func (p *pythonWithContext) restart(ctx context.Context) error {
	p.kill()
	p.peer.Stop()
	return p.start(ctx, port(p.addr))
}

// ourClient is a client with the cases for aiocoap as server.
type ourClient struct {
	interop.Client
	server *pythonWithContext
	sent   *counter
}

// run runs a case; ctx is that of the run.
func (c *ourClient) run(ctx, caseCtx context.Context, name string) error {
	switch name {
	case "get":
		return c.Get(caseCtx)
	case "put":
		return errors.Join(c.Put(caseCtx, name), c.Get(caseCtx))
	case "observe":
		return c.Observe(caseCtx, name+" 1", name+" 2")
	case "block-wise-put":
		return c.Do(caseCtx, coap.PUT, "/large", interop.Body(), coap.Changed, nil)
	case "block-wise-get":
		return c.Do(caseCtx, coap.GET, "/large", nil, coap.Content, interop.Body())
	case "get-after-restart":
		return c.restarted(ctx, func() error { return c.Get(caseCtx) })
	case "put-after-restart":
		return c.restarted(ctx, func() error { return c.Put(caseCtx, name) })
	}
	return errors.New("there is no such case")
}

// restarted makes sure that the request of do was repeated after a restart of the
// server, and only once.
func (c *ourClient) restarted(ctx context.Context, do func() error) error {
	if err := c.server.restart(ctx); err != nil {
		return err
	}
	c.Value = interop.InitialValue
	before := c.sent.n.Load()
	if err := do(); err != nil {
		return err
	}
	if n := c.sent.n.Load() - before; n != 2 {
		return fmt.Errorf("%d requests were sent, want one and its repetition with Echo", n)
	}
	return nil
}
