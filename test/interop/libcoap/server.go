package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/test/interop"
)

// theirServer starts coap-server and returns where it serves UDP and TCP. It makes
// resources of what is put; each port is one that is free.
func theirServer(ctx context.Context) (p *interop.Process, udp, tcp netip.AddrPort, err error) {
	p, err = interop.Start(ctx, false, "coap-server-notls",
		"-A", "127.0.0.1", "-p", "0", "-d", "10", "-v", "7", "-X", fmt.Sprint(maxMessage))
	if err != nil {
		return nil, udp, tcp, err
	}
	for _, x := range []struct {
		text string
		addr *netip.AddrPort
	}{{"created UDP  endpoint ", &udp}, {"created TCP  endpoint ", &tcp}} {
		line, e := p.Find(ctx, x.text)
		if e == nil {
			_, address, _ := strings.Cut(line, x.text)
			*x.addr, e = netip.ParseAddrPort(strings.TrimSpace(address))
		}
		if e != nil {
			p.Stop()
			return nil, udp, tcp, e
		}
	}
	return p, udp, tcp, nil
}

// serverUDP runs the cases with libcoap as server over UDP.
func serverUDP(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	p, addr, _, err := theirServer(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer p.Stop()
	relay, err := interop.NewRelay(addr)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = relay.Close() }()
	client, err := coap.Dial("udp4", relay.Addr().String(), coap.Config{NStart: 2})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = client.Close() }()
	c := ourClient{Client: interop.Client{Requester: client}, ping: client.Ping}
	return r.Do(ctx, stdout, relay, func(ctx context.Context, name string) error {
		err := c.run(ctx, name)
		if err == nil && strings.HasPrefix(name, "block-wise-") {
			err = inBlocks(relay, name)
		}
		return err
	}), nil, nil
}

// serverTCP runs the cases with libcoap as server over TCP.
func serverTCP(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	p, _, addr, err := theirServer(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer p.Stop()
	conn, err := coap.DialTCP(ctx, addr.String(), nil, coap.ConnConfig{MaxMessageSize: maxMessage})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = conn.Close() }()
	c := ourClient{Client: interop.Client{Requester: conn}, ping: conn.Ping}
	return r.Do(ctx, stdout, nil, c.run), nil, nil
}

// ourClient is a client with the cases for libcoap as server.
type ourClient struct {
	interop.Client
	ping func(context.Context) error
}

func (c *ourClient) run(ctx context.Context, name string) error {
	switch name {
	case "ping":
		return c.ping(ctx)
	case "put": // makes the resource
		c.Value = interop.InitialValue
		return errors.Join(
			c.Do(ctx, coap.PUT, "/value", []byte(c.Value), coap.Created, nil),
			c.Get(ctx),
			c.Put(ctx, "changed"),
		)
	case "get":
		return c.Get(ctx)
	case "observe":
		return c.Observe(ctx, "one", "two")
	case "block-wise-put":
		return c.Do(ctx, coap.PUT, "/large", interop.Body(), coap.Created, nil)
	case "block-wise-get":
		return c.Do(ctx, coap.GET, "/large", nil, coap.Content, interop.Body())
	case "not-found":
		return c.Do(ctx, coap.GET, "/nothing", nil, coap.NotFound, nil)
	case "method-not-allowed":
		return c.Do(ctx, coap.FETCH, "/value", []byte("a question"), coap.MethodNotAllowed, nil)
	}
	return errors.New("there is no such case")
}
