package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
	"github.com/ostiary/ostiary/test/interop"
)

// edhocClient runs the cases with aiocoap as Initiator and client.
func (s *suite) edhocClient(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	peer, _, err := s.python(ctx, "client", "0")
	if err != nil {
		return nil, nil, err
	}
	defer peer.Stop()
	var transcripts []*interop.Transcript
	results := r.Do(ctx, os.Stdout, nil, func(ctx context.Context, name string) error {
		c, err := newCase(r, name)
		if err != nil {
			return err
		}
		recorded, err := s.respond(ctx, peer, c)
		if c.plain() {
			transcripts = append(transcripts, recorded...)
		}
		return err
	})
	return results, nil, s.keep(r, results, transcripts)
}

// respond serves EDHOC and OSCORE to aiocoap.
func (s *suite) respond(ctx context.Context, peer *interop.Process, c edhocCase) ([]*interop.Transcript, error) {
	server, err := s.newEDHOCServer(c)
	if err != nil {
		return nil, err
	}
	defer server.resource.Close()
	pool := coap.NewPool(coap.PoolConfig{})
	defer pool.Close()
	plain := new(coap.Mux)
	plain.Handle(edhoccoap.Path, pool.Handler(server.resource))
	protected := oscorecoap.Handler(server.contexts, interop.NewResources(), plain, oscorecoap.Config{})
	combined := &counter{counts: isCombined}
	cfg := coap.Config{
		Handler:     combined.handler(server.resource.Combined(protected, coap.BlockwiseConfig{})),
		Understands: []coap.OptionID{coap.OSCORE, coap.EDHOC},
	}
	if c.responderByValue {
		// aiocoap does not return an Echo option outside OSCORE, and message_2 is
		// longer than what a stranger gets without.
		cfg.UnvalidatedLimit = 256
	}
	endpoint, err := coap.Listen("udp4", "127.0.0.1:0", cfg)
	if err != nil {
		return nil, err
	}
	defer func() { _ = endpoint.Close() }()
	relay, err := interop.NewRelay(endpoint.LocalAddr())
	if err != nil {
		return nil, err
	}
	defer func() { _ = relay.Close() }()
	relay.Mark(c.name)
	err = say(ctx, peer, "edhoc", port(relay.Addr()), style(c.initiatorByValue), c.flow())
	if err := server.want(c, err, combined); err != nil || !c.plain() {
		return nil, err
	}
	parts := interop.SplitHandshakes(relay.Datagrams())
	if len(parts) != len(server.recorded) {
		return nil, fmt.Errorf("%d handshakes were recorded of %d", len(parts), len(server.recorded))
	}
	var transcripts []*interop.Transcript
	for _, part := range parts {
		t := <-server.recorded
		t.Client, t.Datagrams = s.version, part
		transcripts = append(transcripts, t)
	}
	return transcripts, nil
}

// edhocServer is a server with EDHOC, and how the handshakes have ended there.
type edhocServer struct {
	resource  *edhoccoap.Server
	contexts  *oscore.Contexts
	completed chan *edhoc.Session
	failed    chan error

	recorded chan *interop.Transcript // of what was established, without the datagrams
}

func (s *suite) newEDHOCServer(c edhocCase) (*edhocServer, error) {
	parties, err := s.identities(c)
	if err != nil {
		return nil, err
	}
	random := new(interop.Random)
	responder, err := edhoc.NewResponder(config(parties.responder, random))
	if err != nil {
		return nil, err
	}
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		return nil, err
	}
	x := &edhocServer{contexts: new(oscore.Contexts), completed: make(chan *edhoc.Session, 16), failed: make(chan error, 16), recorded: make(chan *interop.Transcript, 16)}
	install := edhoccoap.Install(x.contexts, oscorekeys.Lengths{}, nil)
	cfg := edhoccoap.Config{
		Responder: responder, Find: find(parties.initiator), IDs: ids,
		Message4Optional: true, // aiocoap waits for it, where message_3 goes alone
		Establish: func(session *edhoc.Session, id *idalloc.Live) error {
			p, err := oscorekeys.Params(session, oscorekeys.Lengths{})
			if err != nil {
				return err
			}
			x.recorded <- &interop.Transcript{
				About: "aiocoap is Initiator and client.", Server: "oscorecoap.Handler on edhoccoap.Server", Ours: true,
				EDHOC: c.handshake(false, random, session.CR), Context: interop.NewContext(interop.Other(&p)),
			}
			return install(session, id)
		},
		Observer: edhoccoap.Observer{
			Completed: func(_ netip.AddrPort, s *edhoc.Session) { x.completed <- s },
			Failed:    func(_ netip.AddrPort, err error) { x.failed <- err },
		},
	}
	propose := func(items []edhoc.EADItem) func(context.Context, *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) {
		return func(context.Context, *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) { return items, nil }
	}
	switch c.name {
	case eadUnknown:
		cfg.Propose = propose(grease())
		cfg.Accept = func(context.Context, *edhoc.VerifiedMessage3, []edhoc.EADItem) ([]edhoc.EADItem, error) {
			return grease(), nil
		}
	case eadCritical:
		cfg.Propose = propose(critical())
	case unknownCredential:
		cfg.Find = func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) { return nil, nil }
	}
	x.resource, err = edhoccoap.NewServer(cfg)
	return x, err
}

// want compares how the case has ended, for aiocoap with err, with how it should.
func (x *edhocServer) want(c edhocCase, err error, combined *counter) error {
	completed := len(x.completed)
	var failures error
	for len(x.failed) > 0 {
		failures = errors.Join(failures, <-x.failed)
	}
	switch c.name {
	case eadCritical:
		if err == nil || completed > 0 || failures != nil {
			return fmt.Errorf("aiocoap ends with %w, we with %w and %d sessions, want it alone to fail", err, failures, completed)
		}
		return nil
	case unknownCredential:
		var e *edhoc.Error
		if err == nil || completed > 0 || !errors.As(failures, &e) || e.Code != edhoc.CodeUnknownCredential {
			return fmt.Errorf("aiocoap ends with %w, we with %w and %d sessions, want code %d", err, failures, completed, edhoc.CodeUnknownCredential)
		}
		return nil
	}
	return errors.Join(err, failures, wantCombined(combined, c.combined))
}
