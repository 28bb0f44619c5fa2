package edhoc

import (
	"errors"
	"slices"
	"testing"
)

// TestMixedKeys: a Responder with keys of several kinds works in the pairs of method
// and suite for which it has one, and offers in an error the suites of the method.
//
//spec:9528-6.3-1
func TestMixedKeys(t *testing.T) {
	dh, sign := testIdentity(t, P256, true, "dh"), testIdentity(t, Ed25519, false, "sign")
	r, err := NewResponder(Config{
		Methods: []Method{0, 1, 2, 3}, Suites: []SuiteID{0, 2, 3}, Identities: []Identity{dh, sign},
	})
	must(t, err)
	all := []SuiteID{0, 2, 3}
	for _, c := range []struct {
		method Method
		suites []SuiteID
	}{
		{SignatureSignature, []SuiteID{0}},
		{SignatureStaticDH, []SuiteID{2, 3}},
		{StaticDHSignature, []SuiteID{0}},
		{StaticDHStaticDH, []SuiteID{2, 3}},
	} {
		for _, suite := range all {
			own := testIdentity(t, curveFor(suite, c.method.staticDH(initiator)), c.method.staticDH(initiator), "i")
			i, err := NewInitiator(Config{Methods: []Method{c.method}, Suites: []SuiteID{suite}, Identities: []Identity{own}})
			must(t, err)
			want := dh
			if !c.method.staticDH(responder) {
				want = sign
			}
			p := &parties{i: i, r: r, credI: own.Credential, credR: want.Credential}
			if slices.Contains(c.suites, suite) {
				a, b := p.handshake(t, false)
				agree(t, a, b)
				continue
			}
			msg1, _, err := i.ComposeMessage1("\x01")
			must(t, err)
			_, err = r.ProcessMessage1(msg1)
			if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeWrongCipherSuite || !slices.Equal(e.SuitesR, c.suites) {
				t.Errorf("method %v, suite %d: %v, want error code 2 with suites %v", c.method, suite, err, c.suites)
			}
		}
	}
}
