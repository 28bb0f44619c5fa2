package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/test/interop"
)

// Cases with EDHOC that are more than what their columns say.
const (
	eadUnknown        = "ead-unknown"
	eadCritical       = "ead-critical"
	unknownCredential = "unknown-credential"
)

// edhocCase is what a case says.
type edhocCase struct {
	name                               string
	initiatorByValue, responderByValue bool // the credentials
	combined                           bool // message_3 goes with the first request (RFC 9668)
}

func newCase(r *interop.Run, name string) (edhocCase, error) {
	c := edhocCase{name: name, combined: r.Column(name, "message_3") == "combined"}
	switch form := r.Column(name, "credentials"); form {
	case "kid":
	case "value":
		c.initiatorByValue, c.responderByValue = true, true
	case "kid, value":
		c.responderByValue = true
	case "value, kid":
		c.initiatorByValue = true
	default:
		return c, fmt.Errorf("credentials are by %q", form)
	}
	return c, nil
}

// plain says that a case is no more than its columns say. It is recorded then.
func (c edhocCase) plain() bool {
	return c.name != eadUnknown && c.name != eadCritical && c.name != unknownCredential
}

// handshake is what is recorded of a handshake in the case.
func (c edhocCase) handshake(initiates bool, random *interop.Random, own edhoc.ConnID) *interop.Handshake {
	return &interop.Handshake{
		Initiates: initiates, Random: random.Take(), ConnID: []byte(own),
		InitiatorByValue: c.initiatorByValue, ResponderByValue: c.responderByValue,
	}
}

// keep writes the recorded handshakes of a run, which have to replay.
func (s *suite) keep(r *interop.Run, results map[string]string, transcripts []*interop.Transcript) error {
	if _, failed, _ := (interop.Results{r.Name: results}).Count(); failed > 0 {
		return nil
	}
	parties, err := interop.LoadJSON[interop.Parties](s.credentials())
	if err != nil {
		return err
	}
	for _, t := range transcripts {
		if err := errors.Join(t.ReplayHandshake(&parties), t.Read()); err != nil {
			return fmt.Errorf("replay: %w", err)
		}
	}
	if !s.update {
		return nil
	}
	return interop.SaveAll(filepath.Join(s.dir, "testdata", r.Name+".jsonl"), transcripts)
}

// style is the form of a credential as aiocoap calls it.
func style(byValue bool) string {
	if byValue {
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

func (s *suite) credentials() string { return filepath.Join(s.dir, "..", "credentials.json") }

// identities are the two parties of a case.
type identities struct{ initiator, responder edhoc.Identity }

func (s *suite) identities(c edhocCase) (*identities, error) {
	parties, err := interop.LoadJSON[interop.Parties](s.credentials())
	if err != nil {
		return nil, err
	}
	initiator, err1 := parties.Initiator.Identity(c.initiatorByValue)
	responder, err2 := parties.Responder.Identity(c.responderByValue)
	return &identities{initiator, responder}, errors.Join(err1, err2)
}

// config is that of a party: method 3, suite 2.
func config(own edhoc.Identity, random *interop.Random) edhoc.Config {
	return edhoc.Config{Methods: []edhoc.Method{3}, Suites: []edhoc.SuiteID{2}, Identities: []edhoc.Identity{own}, Rand: random}
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

// grease are items without meaning, with a value and without.
func grease() []edhoc.EADItem {
	return []edhoc.EADItem{{Label: 160}, {Label: 41120, Value: []byte("grease")}}
}

func critical() []edhoc.EADItem { return []edhoc.EADItem{{Label: 160, Critical: true}} }

func isCombined(r *coap.Request) bool { return r.Options.Has(coap.EDHOC) }

// wantCombined returns an error unless there were combined requests where they
// should be and nowhere else.
func wantCombined(c *counter, some bool) error {
	if n := c.n.Load(); (n > 0) != some {
		return fmt.Errorf("%d combined requests, want some: %t", n, some)
	}
	return nil
}
