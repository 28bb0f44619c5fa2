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
	relay, err := interop.NewRelay(addr)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = relay.Close() }()
	var transcripts []*interop.Transcript
	results := r.Do(ctx, os.Stdout, relay, func(ctx context.Context, name string) error {
		c, err := newCase(r, name)
		if err != nil {
			return err
		}
		if err := say(ctx, peer, "edhoc", style(c.responderByValue)); err != nil {
			return err
		}
		before := len(relay.Datagrams())
		t := &interop.Transcript{About: "aiocoap is Responder and server.", Client: "oscorecoap.Client on edhoccoap.Client", Server: s.version}
		if err := s.initiate(ctx, relay.Addr(), c, ids, t); err != nil || !c.plain() {
			return err
		}
		t.Datagrams = relay.Datagrams()[before:]
		transcripts = append(transcripts, t)
		return nil
	})
	return results, nil, s.keep(r, results, transcripts)
}

// initiate runs EDHOC with the server at addr, and two requests. It notes the keys in t.
func (s *suite) initiate(ctx context.Context, addr netip.AddrPort, c edhocCase, ids *idalloc.Allocator, t *interop.Transcript) error {
	parties, err := s.identities(c)
	if err != nil {
		return err
	}
	if c.name == unknownCredential {
		if parties.initiator, err = stranger(parties.initiator); err != nil {
			return err
		}
	}
	random := new(interop.Random)
	initiator, err := edhoc.NewInitiator(config(parties.initiator, random))
	if err != nil {
		return err
	}
	conn, err := coap.Dial("udp4", addr.String(), coap.Config{})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	client := &edhoccoap.Client{
		Doer: conn, Initiator: initiator, Find: find(parties.responder), IDs: ids,
		Message4Optional: true, // aiocoap answers message_3 with it, where that goes alone
	}
	switch c.name {
	case eadUnknown:
		client.EAD1, client.Accept = grease(), ead3(grease())
	case eadCritical:
		client.EAD1 = critical()
		err := wantBadRequest(client.Establish(ctx))
		client.EAD1, client.Accept = nil, ead3(critical())
		return errors.Join(err, wantBadRequest(client.Establish(ctx)))
	case unknownCredential:
		return wantBadRequest(client.Establish(ctx))
	}
	return exchange(ctx, client, conn, c, func(session *edhoc.Session, p oscore.Params) {
		t.EDHOC, t.Context = c.handshake(true, random, session.CI), interop.NewContext(&p)
	})
}

// stranger returns a party that the other one does not know.
func stranger(known edhoc.Identity) (edhoc.Identity, error) {
	ccs, err := edhoc.NewCCS(known.Key.Public(), "a stranger", []byte{0x05})
	if err != nil {
		return edhoc.Identity{}, err
	}
	return edhoc.Identity{Credential: ccs, ID: edhoc.KID(ccs.KID()), Key: known.Key}, nil
}

func ead3(items []edhoc.EADItem) func(context.Context, *edhoc.VerifiedMessage2, []edhoc.EADItem) ([]edhoc.EADItem, error) {
	return func(context.Context, *edhoc.VerifiedMessage2, []edhoc.EADItem) ([]edhoc.EADItem, error) {
		return items, nil
	}
}

// wantBadRequest returns an error unless aiocoap has refused the handshake.
func wantBadRequest(s *edhoc.Session, id *idalloc.Live, err error) error {
	if err == nil {
		s.Erase()
		_ = id.Release()
	}
	var answer *edhoccoap.AnswerError
	if !errors.As(err, &answer) || answer.Code != coap.BadRequest {
		return fmt.Errorf("EDHOC: got %w, want 4.00", err)
	}
	return nil
}

// exchange completes a handshake as the case says, calls established and sends two
// requests.
func exchange(
	ctx context.Context, client *edhoccoap.Client, conn *coap.Client, c edhocCase, established func(*edhoc.Session, oscore.Params),
) error {
	combined := &counter{counts: isCombined}
	var next coap.Doer = countingClient{conn, combined}
	var session *edhoc.Session
	var id *idalloc.Live
	var err error
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
	established(session, params)
	sec, err := oscore.NewAssociation(oscore.Config{Params: params})
	if err != nil {
		return err
	}
	defer sec.Discard()
	protected := &interop.Client{Requester: oscorecoap.NewClient(next, sec, oscorecoap.ClientConfig{}), Value: interop.InitialValue}
	return errors.Join(protected.Get(ctx), protected.Get(ctx), wantCombined(combined, c.combined))
}
