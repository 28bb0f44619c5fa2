package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
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

// edhocCase is what a case says in its columns.
type edhocCase struct {
	byValue  bool // the credentials, of both
	combined bool // message_3 goes with the first request (RFC 9668)
}

func newCase(r *interop.Run, name string) edhocCase {
	return edhocCase{byValue: r.Column(name, "credentials") == "value", combined: r.Column(name, "message_3") == "combined"}
}

// style is the form of the credentials as aiocoap calls it.
func (c edhocCase) style() string {
	if c.byValue {
		return "by-value"
	}
	return "by-key-id"
}

// flow is the message flow as peer.py calls it.
func (c edhocCase) flow() string {
	if c.combined {
		return "combined"
	}
	return "sequential"
}

// identities are the two parties of a case.
type identities struct{ initiator, responder edhoc.Identity }

func (s *suite) identities(c edhocCase) (*identities, error) {
	parties, err := interop.LoadJSON[interop.Parties](filepath.Join(s.dir, "..", "credentials.json"))
	if err != nil {
		return nil, err
	}
	initiator, err1 := parties.Initiator.Identity(c.byValue)
	responder, err2 := parties.Responder.Identity(c.byValue)
	return &identities{initiator, responder}, errors.Join(err1, err2)
}

// config is that of a party: method 3, suite 2.
func config(own edhoc.Identity) edhoc.Config {
	return edhoc.Config{Methods: []edhoc.Method{3}, Suites: []edhoc.SuiteID{2}, Identities: []edhoc.Identity{own}}
}

// find finds the credential of the other party, if it comes in the form that the
// case wants.
func find(other edhoc.Identity) func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) {
	return func(_ context.Context, id edhoc.IDCred, _ []edhoc.EADItem) ([]*edhoc.Credential, error) {
		if !bytes.Equal(id.Header(), other.ID.Header()) {
			return nil, fmt.Errorf("ID_CRED is %x, want %x", id.Header(), other.ID.Header())
		}
		return []*edhoc.Credential{other.Credential}, nil
	}
}

// edhocServer runs the cases with aiocoap as Responder and server.
func (s *suite) edhocServer(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	peer, addr, err := s.pythonServer(ctx, "0")
	if err != nil {
		return nil, nil, err
	}
	defer peer.Stop()
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		return nil, nil, err
	}
	results := r.Do(ctx, os.Stdout, nil, func(ctx context.Context, name string) error {
		c := newCase(r, name)
		if err := say(ctx, peer, "edhoc", c.style()); err != nil {
			return err
		}
		return s.initiate(ctx, addr, c, ids)
	})
	return results, nil, nil
}

// initiate runs EDHOC with the server at addr, and two requests.
func (s *suite) initiate(ctx context.Context, addr netip.AddrPort, c edhocCase, ids *idalloc.Allocator) error {
	parties, err := s.identities(c)
	if err != nil {
		return err
	}
	initiator, err := edhoc.NewInitiator(config(parties.initiator))
	if err != nil {
		return err
	}
	conn, err := coap.Dial("udp4", addr.String(), coap.Config{})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	combined := &counter{counts: isCombined}
	var next coap.Doer = countingClient{conn, combined}
	// aiocoap answers message_3 with message_4, where that is an answer of its own.
	client := &edhoccoap.Client{Doer: next, Initiator: initiator, Find: find(parties.responder), IDs: ids, Message4: !c.combined}
	var session *edhoc.Session
	var id *idalloc.Live
	if c.combined {
		handshake, err := client.Begin(ctx)
		if err != nil {
			return fmt.Errorf("EDHOC: %w", err)
		}
		var d *edhoccoap.CombinedDoer
		if session, id, d, err = handshake.Combine(next); err != nil {
			return fmt.Errorf("EDHOC: %w", err)
		}
		next = d
	} else if session, id, err = client.Establish(ctx); err != nil {
		return fmt.Errorf("EDHOC: %w", err)
	}
	defer func() { _ = id.Release() }()
	params, err := oscorekeys.Params(session, oscorekeys.Lengths{})
	if err != nil {
		return err
	}
	sec, err := oscore.NewAssociation(oscore.Config{Params: params})
	if err != nil {
		return err
	}
	defer sec.Discard()
	protected := &interop.Client{Requester: oscorecoap.NewClient(next, sec, oscorecoap.ClientConfig{}), Value: interop.InitialValue}
	return errors.Join(protected.Get(ctx), protected.Get(ctx), wantCombined(combined, c.combined))
}

// edhocClient runs the cases with aiocoap as Initiator and client.
func (s *suite) edhocClient(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	peer, _, err := s.python(ctx, "client", "0")
	if err != nil {
		return nil, nil, err
	}
	defer peer.Stop()
	results := r.Do(ctx, os.Stdout, nil, func(ctx context.Context, name string) error {
		return s.respond(ctx, peer, newCase(r, name))
	})
	return results, nil, nil
}

// respond serves EDHOC and OSCORE to aiocoap.
func (s *suite) respond(ctx context.Context, peer *interop.Process, c edhocCase) error {
	parties, err := s.identities(c)
	if err != nil {
		return err
	}
	responder, err := edhoc.NewResponder(config(parties.responder))
	if err != nil {
		return err
	}
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		return err
	}
	contexts := new(oscore.Contexts)
	failures := make(chan error, 16)
	server, err := edhoccoap.NewServer(edhoccoap.Config{
		Responder: responder, Find: find(parties.initiator), IDs: ids,
		Message4:  !c.combined, // aiocoap waits for it, where message_3 goes alone
		Establish: edhoccoap.Install(contexts, oscorekeys.Lengths{}, nil),
		Observer:  edhoccoap.Observer{Failed: func(_ netip.AddrPort, err error) { failures <- err }},
	})
	if err != nil {
		return err
	}
	defer server.Close()
	pool := coap.NewPool(coap.PoolConfig{})
	defer pool.Close()
	plain := new(coap.Mux)
	plain.Handle(edhoccoap.Path, pool.Handler(server))
	protected := oscorecoap.Handler(contexts, interop.NewResources(), plain, oscorecoap.Config{})
	combined := &counter{counts: isCombined}
	cfg := coap.Config{
		Handler:     combined.handler(server.Combined(protected, coap.BlockwiseConfig{})),
		Understands: []coap.OptionID{coap.OSCORE, coap.EDHOC},
	}
	if c.byValue {
		// aiocoap does not return an Echo option outside OSCORE, and message_2 is
		// longer than what a stranger gets without.
		cfg.UnvalidatedLimit = 256
	}
	endpoint, err := coap.Listen("udp4", "127.0.0.1:0", cfg)
	if err != nil {
		return err
	}
	defer func() { _ = endpoint.Close() }()
	err = say(ctx, peer, "edhoc", port(endpoint.LocalAddr()), c.style(), c.flow())
	for len(failures) > 0 {
		err = errors.Join(err, <-failures)
	}
	return errors.Join(err, wantCombined(combined, c.combined))
}

func isCombined(r *coap.Request) bool { return r.Options.Has(coap.EDHOC) }

// wantCombined returns an error unless there were combined requests where they
// should be and nowhere else.
func wantCombined(c *counter, some bool) error {
	if n := c.n.Load(); (n > 0) != some {
		return fmt.Errorf("%d combined requests, want some: %t", n, some)
	}
	return nil
}
