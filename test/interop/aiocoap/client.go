package main

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"sync"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
	"github.com/ostiary/ostiary/test/interop"
)

// client runs the cases with aiocoap as client of a server in this process.
func (s *suite) client(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	results, t, err := s.theirClient(ctx, r, false)
	if t != nil {
		t.About = "aiocoap is the client; the context was provisioned."
		t.Ours = true
	}
	return results, t, err
}

// clientRestarted runs the cases in which the server starts anew, with nothing
// left of its context but the parameters and the sequence numbers.
func (s *suite) clientRestarted(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	results, t, err := s.theirClient(ctx, r, true)
	if t != nil {
		t.About = "aiocoap is the client; the context was provisioned, and the server started anew."
	}
	return results, t, err
}

func (s *suite) theirClient(ctx context.Context, r *interop.Run, restarts bool) (results map[string]string, _ *interop.Transcript, err error) {
	p := interop.NewParams()
	server := &ourServer{params: interop.Other(p), handler: interop.NewResources(), address: "127.0.0.1:0", sequence: new(sequence)}
	if err := server.start(false); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, server.endpoint.Close()) }()
	relay, err := interop.NewRelay(server.endpoint.LocalAddr())
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = relay.Close() }()
	dir, err := provision(p)
	defer func() { _ = os.RemoveAll(dir) }()
	if err != nil {
		return nil, nil, err
	}
	peer, _, err := s.python(ctx, "client", port(relay.Addr()), "--context", dir)
	if err != nil {
		return nil, nil, err
	}
	defer peer.Stop()
	results = r.Do(ctx, os.Stdout, relay, func(ctx context.Context, name string) error {
		if restarts {
			return server.runRestarted(ctx, peer, name)
		}
		return say(ctx, peer, name)
	})
	return results, &interop.Transcript{
		Client: s.version, Server: "oscorecoap.Handler on coap.Endpoint",
		Context: interop.NewContext(p), Datagrams: relay.Datagrams(),
	}, nil
}

// ourServer is a server that can be started anew at its address.
type ourServer struct {
	params   *oscore.Params
	handler  coap.Handler
	sequence *sequence
	address  string
	endpoint *coap.Endpoint

	mu         sync.Mutex // guards what follows
	challenged int        // requests answered as in Appendix B.1.2
}

// start starts the server; again says that the context was in use before.
func (s *ourServer) start(again bool) error {
	sec, err := oscore.NewAssociation(oscore.Config{Params: *s.params, Sequence: s.sequence, RecoverWindow: again})
	if err != nil {
		return err
	}
	contexts := new(oscore.Contexts)
	if err := contexts.Add(sec); err != nil {
		return err
	}
	s.endpoint, err = coap.Listen("udp4", s.address, coap.Config{
		Handler: oscorecoap.Handler(contexts, s.handler, nil, oscorecoap.Config{
			Observer: oscorecoap.Observer{Refused: s.refused},
		}),
		Understands: []coap.OptionID{coap.OSCORE},
	})
	if err == nil {
		s.address = s.endpoint.LocalAddr().String()
	}
	return err
}

func (s *ourServer) refused(_ netip.AddrPort, err error) {
	var challenge *oscore.Challenge
	if errors.As(err, &challenge) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.challenged++
	}
}

func (s *ourServer) challenges() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.challenged
}

// runRestarted runs a case of clientRestarted.
func (s *ourServer) runRestarted(ctx context.Context, peer *interop.Process, name string) error {
	what, want := name, s.challenges()
	switch name {
	case "get-after-restart", "put-after-restart":
		if err := errors.Join(s.endpoint.Close(), s.start(true)); err != nil {
			return err
		}
		what, want = name[:3], want+1
	}
	if err := say(ctx, peer, what); err != nil {
		return err
	}
	if got := s.challenges(); got != want {
		return errors.New("the server has asked for Echo not just once after its start")
	}
	return nil
}

// sequence keeps numbers in memory, longer than the server.
type sequence struct{ next uint64 }

// Reserve implements oscore.SequenceStore.
func (s *sequence) Reserve(n uint64) (uint64, error) {
	first := s.next
	s.next += n
	return first, nil
}
