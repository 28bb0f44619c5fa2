package main

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/edhocservice"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/oscore"
)

// assembleEDHOC makes the EDHOC responder, if the configuration has a key for it.
// The contexts that it makes are those of the resource server, which is made later.
func (a *agent) assembleEDHOC(path string) error {
	key, err := readEDHOCKey(path, a.cfg)
	if err != nil || key == nil {
		return err
	}
	own, err := key.Identity()
	if err != nil {
		return err
	}
	if a.known.EDHOC != nil {
		// RFC 9528, Section 9.2: one key does not serve for several uses.
		towards, err := a.known.EDHOC.Identity()
		if err == nil && towards.Credential.PublicKey().Equal(own.Credential.PublicKey()) {
			return cli.Usage(fmt.Errorf("%s and %s hold one key; each needs a key of its own", a.cfg.EDHOCKey, a.cfg.Credentials))
		}
	}
	profile := peerProfile(key.Type)
	profile.Reverse = a.cfg.EDHOCReverse
	var count atomic.Uint64 // of subjects
	a.edhoc, err = edhocservice.New(edhocservice.Config{
		Identities: []edhoc.Identity{own},
		Profile:    profile,
		Trusted:    &peerSource{path: settings.Beside(path, a.cfg.Peers)},
		IDs:        a.ids,
		Contexts:   &a.contexts,
		// A subject is one association, and none of a token is called so.
		Associate: func(p edhocservice.Peer, c *oscore.Config) {
			c.Subject = fmt.Sprintf("edhoc:%d:%s", count.Add(1), p.Name)
			c.B2 = a.renewal()
		},
		Begin:   a.admit,
		Discard: func(x *oscore.Association) { a.rs.Discard(x) },
		Limits: edhocservice.Limits{
			Sessions:        a.cfg.Limits.EDHOCSessions,
			SessionsPerPeer: a.cfg.Limits.EDHOCSessionsPerPeer,
			Lifetime:        time.Duration(a.cfg.Limits.EDHOCLifetime),
		},
		Log: a.log,
	})
	return err
}

// peerProfile is what an agent with a key of type t supports. A certificate may be
// the credential of a peer.
func peerProfile(t credentials.KeyType) edhoccoap.Profile {
	p := credentials.Profile([]credentials.KeyType{t})
	p.CredentialTypes = []int{1, 2}        // CCS, X.509
	p.IDCredTypes = []int64{4, 14, 33, 34} // kid, kccs, x5chain, x5t
	return p
}

// peerCurves are the curves of the keys that peers may have.
var peerCurves = []edhoc.Curve{edhoc.P256, edhoc.X25519, edhoc.Ed25519}

// admit gives the peer of a new session what the owner says that it may do.
func (a *agent) admit(s *edhocservice.Session) error {
	scope, err := parseScope(s.Peer.Rights)
	if err != nil {
		return err
	}
	return a.rs.Admit(rs.Standing{
		Subject: s.Association.Subject(), Source: a.cfg.Peers, Peer: s.Peer.Name, Permissions: scope,
		Ended: func(rs.Removed) { a.edhoc.End(s.Association) },
	})
}

// inClear are the handlers of requests without OSCORE. The list of resources is
// that of the server behind the agent if anybody may have it.
func (a *agent) inClear() map[string]coap.Handler {
	if a.edhoc == nil {
		return nil
	}
	resources := a.edhoc.Resources()
	in := map[string]coap.Handler{edhoccoap.Path: resources}
	if !slices.Contains(a.cfg.Public, wellKnownCore) {
		in[wellKnownCore] = resources
	}
	return in
}

// wellKnownCore is where a server lists its resources (RFC 6690, Section 4).
const wellKnownCore = "/.well-known/core"
