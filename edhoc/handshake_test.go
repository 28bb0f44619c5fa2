package edhoc

import (
	"fmt"
	"slices"
	"testing"
)

var (
	allMethods = []Method{SignatureSignature, SignatureStaticDH, StaticDHSignature, StaticDHStaticDH}
	allSuites  = []SuiteID{0, 1, 2, 3, 4, 5, 6, 24, 25}
)

//spec:9528-8-4
//spec:9528-8-5
//spec:9528-8-3
//spec:9528-5.2.3-1
//spec:9528-5.3.3-1
//spec:9528-5.4.3-1
//spec:9528-5.5.3-1
//spec:9528-5.5-1
//spec:9528-5.5-2
func TestHandshake(t *testing.T) {
	if n := len(suites); n != len(allSuites) {
		t.Fatalf("%d suites, %d in the test", n, len(allSuites))
	}
	for _, m := range allMethods {
		for _, s := range allSuites {
			t.Run(fmt.Sprintf("method %d suite %d", int64(m), s), func(t *testing.T) {
				p := pair(t, m, s)
				i, r := p.handshake(t, true)
				agree(t, i, r)
				if !i.Confirmed() || !r.Confirmed() {
					t.Error("not confirmed after message_4")
				}
				must(t, i.KeyUpdate([]byte("1")))
				must(t, r.KeyUpdate([]byte("1")))
				agree(t, i, r)

				i, r = p.handshake(t, false)
				agree(t, i, r)
				if i.Confirmed() || !r.Confirmed() {
					t.Error("without message_4 the Initiator cannot know, the Responder does")
				}
			})
		}
	}
}

// One Responder for all methods and suites at once.
func TestResponderOfEverything(t *testing.T) {
	var ids []Identity
	for _, c := range []Curve{P256, P384, X25519, X448, Ed25519, Ed448} {
		if groups[c] != nil {
			ids = append(ids, testIdentity(t, c, true, "static"))
		}
		if signatureSize[c] != 0 {
			ids = append(ids, testIdentity(t, c, false, "signing"))
		}
	}
	r, err := NewResponder(Config{Methods: allMethods, Suites: allSuites, Identities: ids})
	must(t, err)
	for _, m := range allMethods {
		for _, s := range allSuites {
			p := pair(t, m, s)
			p.r = r
			// Suite 25 signs with the first EdDSA key, whatever its strength.
			curve := curveFor(s, m.staticDH(responder))
			if s == 25 && !m.staticDH(responder) {
				curve = Ed25519
			}
			n := slices.IndexFunc(ids, func(id Identity) bool {
				return id.Key.static() == m.staticDH(responder) && id.Key.Public().Curve() == curve
			})
			p.credR = ids[n].Credential
			i, resp := p.handshake(t, false)
			agree(t, i, resp)
		}
	}
}
