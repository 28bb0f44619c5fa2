package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/test/interop"
)

// A role runs the cases with lakers in one of the roles.
type role struct {
	run        *interop.Run
	parties    interop.Parties
	weInitiate bool
}

// cases are the cases that are more than one handshake as the columns say.
var cases = map[string]func(ctx context.Context, r *role, h *handshake) error{
	"connection-identifiers": connectionIdentifiers,
	"made-credentials":       madeCredentials,
	"ead":                    knownEAD,
	"ead-unknown":            unknownEAD,
	"ead-padding":            padding,
	"ead-critical":           criticalEAD,
	"wrong-credential":       wrongCredential,
	"unknown-credential":     unknownCredential,
	"methods":                methods,
	"suites":                 suites,
	"suites-grease":          suitesGREASE,
	"error-message":          errorMessage,
	"flipped-bits":           flippedBits,
	"other-handshake":        otherHandshake,
}

// do runs a case.
func (r *role) do(ctx context.Context, c *conversation, name string) error {
	h, err := r.handshake(c, name)
	if err != nil {
		return err
	}
	if do := cases[name]; do != nil {
		return do(ctx, r, h)
	}
	return h.run(ctx)
}

// handshake returns the handshake of the columns of a case.
func (r *role) handshake(c *conversation, name string) (*handshake, error) {
	h := &handshake{
		conversation: c, weInitiate: r.weInitiate, cI: "\x37", cR: "\x0b",
		methods: []edhoc.Method{edhoc.StaticDHStaticDH}, suites: []edhoc.SuiteID{2},
		message4: r.run.Column(name, "message_4") == "yes",
	}
	var valueI, valueR bool
	switch form := r.run.Column(name, "credentials"); form {
	case "kid":
	case "value":
		valueI, valueR = true, true
	case "kid, value":
		valueR = true
	case "value, kid":
		valueI = true
	default:
		return nil, fmt.Errorf("credentials are by %q", form)
	}
	var err1, err2 error
	h.initiator, err1 = r.parties.Initiator.Identity(valueI)
	h.responder, err2 = r.parties.Responder.Identity(valueR)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	h.trusted = []*edhoc.Credential{h.other().Credential}
	return h, nil
}

// own is what we authenticate with.
func (h *handshake) own() *edhoc.Identity {
	if h.weInitiate {
		return &h.initiator
	}
	return &h.responder
}

// other is what lakers authenticates with.
func (h *handshake) other() *edhoc.Identity {
	if h.weInitiate {
		return &h.responder
	}
	return &h.initiator
}

// sent are the numbers of the messages that we send.
func (h *handshake) sent() []int {
	if h.weInitiate {
		return []int{1, 3}
	}
	return []int{2, 4}
}

// wantRefusal returns an error unless one side has refused a message.
func wantRefusal(err error, ours bool, number int) error {
	var r *refusal
	if !errors.As(err, &r) || r.ours != ours || r.message != number {
		return fmt.Errorf("the handshake ends with %v, want message_%d to be refused, by us: %t", err, number, ours)
	}
	return nil
}

func connectionIdentifiers(ctx context.Context, _ *role, h *handshake) error {
	for _, ids := range [][2]edhoc.ConnID{
		{"", "\x00"}, {"\x00", ""}, {"\x17", "\x18"}, {"\x20", "\x38"}, {"\xff", "\x37"}, {"ab", "a"}, {"1234567", "7654321"},
	} {
		h.cI, h.cR = ids[0], ids[1]
		if err := h.run(ctx); err != nil {
			return fmt.Errorf("C_I %v, C_R %v: %w", h.cI, h.cR, err)
		}
	}
	return nil
}

// madeCredentials has us authenticate with a CCS that NewCCS has made.
func madeCredentials(ctx context.Context, _ *role, h *handshake) error {
	own := h.own()
	type made struct {
		subject string
		kid     []byte
	}
	for _, m := range []made{{"made here", []byte{0x2b}}, {"", []byte("kid")}} {
		ccs, err := edhoc.NewCCS(own.Key.Public(), m.subject, m.kid)
		if err != nil {
			return err
		}
		for _, id := range []edhoc.IDCred{edhoc.KID(m.kid), ccs.ByValue()} {
			*own = edhoc.Identity{Credential: ccs, ID: id, Key: own.Key}
			h.lakersTrusts = ccs
			if err := h.run(ctx); err != nil {
				return fmt.Errorf("CCS with %q and kid %x, ID_CRED %x: %w", m.subject, m.kid, id.Header(), err)
			}
		}
	}
	return nil
}

// methods has us offer, or accept, all but the method of lakers.
func methods(ctx context.Context, r *role, h *handshake) error {
	own := h.own()
	signing, err := edhoc.NewSignatureKey(edhoc.P256, r.parties.Responder.Key)
	if err != nil {
		return err
	}
	ccs, err := edhoc.NewCCS(signing.Public(), "", []byte{0x01})
	if err != nil {
		return err
	}
	static := *own
	for _, method := range []edhoc.Method{edhoc.SignatureSignature, edhoc.SignatureStaticDH, edhoc.StaticDHSignature} {
		signs := method == edhoc.SignatureSignature || (method == edhoc.SignatureStaticDH) == r.weInitiate
		*own = static
		if signs {
			*own = edhoc.Identity{Credential: ccs, ID: edhoc.KID(ccs.KID()), Key: signing}
		}
		h.methods = []edhoc.Method{method}
		if err := wantRefusal(h.run(ctx), !r.weInitiate, 1); err != nil {
			return fmt.Errorf("method %d: %w", method, err)
		}
	}
	return nil
}
