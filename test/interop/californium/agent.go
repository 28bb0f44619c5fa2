package main

import (
	"context"
	"net"
	"net/netip"
	"os"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore/oscorecoap/gocoap"
	"github.com/ostiary/ostiary/test/interop"
)

// clientOfAgent runs the cases with Californium as client of the binaries:
//
//	our ACE client --- token ---> ostiary-as
//	our ACE client --- authz-info ---> Relay ---> ostiary-rs-agent
//	Californium ------ OSCORE -------> Relay ---> ostiary-rs-agent --- plain CoAP ---> resources
func (s *suite) clientOfAgent(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	dir, err := os.MkdirTemp("", "ostiary-interop-")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	resources, stop, err := servePlain(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer stop()
	d := &deployment{bin: s.bin, dir: dir}
	defer d.stop()
	if err := d.start(ctx, resources); err != nil {
		return nil, nil, err
	}
	relay, err := interop.NewRelay(d.agent)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = relay.Close() }()
	relay.Mark("authz-info")
	p, material, err := d.establish(ctx, relay.Addr())
	if err != nil {
		return nil, nil, err
	}
	peer, _, err := s.java(ctx, "client", p, "--uri", "coap://"+relay.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	defer peer.Stop()
	c := &theirClient{peer, relay}
	results := r.Do(ctx, stdout, relay, c.run)
	t := s.transcript(c, p)
	t.About = "Californium is the client; the context comes of the exchange at authz-info."
	t.Server = "ostiary-rs-agent"
	t.Material = material.Append(nil)
	return results, t, nil
}

// servePlain serves the resources without protection, until stop is called.
func servePlain(ctx context.Context) (addr netip.AddrPort, stop func(), err error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	server := gocoap.NewServer(gocoap.Config{Handler: coap.Blockwise(interop.NewResources(), coap.BlockwiseConfig{})})
	go func() { done <- server.Serve(ctx, conn) }()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort(), func() { cancel(); <-done }, nil
}
