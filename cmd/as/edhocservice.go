package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/edhocservice"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// newEDHOCService makes the EDHOC responder of an authority, for its clients and
// resource servers. The contexts that it makes end in the pipeline, which is made
// later.
func newEDHOCService(a *authority, keys []serverKey) (*edhocservice.Service, error) {
	identities, types, err := identitiesOf(keys)
	if err != nil {
		return nil, cli.Usage(err)
	}
	roots, err := readRoots(a.path, a.cfg)
	if err != nil {
		return nil, cli.Usage(err)
	}
	profile := edhocProfile(types)
	profile.Reverse = a.cfg.EDHOCReverse
	return edhocservice.New(edhocservice.Config{
		Identities: identities,
		Profile:    profile,
		Trusted:    &edhocPeers{registry: a.store, log: a.log},
		Roots:      roots,
		IDs:        a.ids,
		Contexts:   &a.contexts,
		Associate:  associate,
		Discard:    func(x *oscore.Association) { a.pipeline.Discard(x) },
		Limits: edhocservice.Limits{
			Sessions:        a.cfg.Limits.EDHOCSessions,
			SessionsPerPeer: a.cfg.Limits.EDHOCSessionsPerClient,
			Lifetime:        time.Duration(a.cfg.Limits.EDHOCLifetime),
		},
		Now: func() time.Time { return a.now() },
		Log: a.log,
	})
}

// readRoots reads the certificates of the authorities; nil is none.
func readRoots(path string, cfg config) (*x509.CertPool, error) {
	if len(cfg.EDHOCRoots) == 0 {
		return nil, nil
	}
	pool := x509.NewCertPool()
	for _, file := range cfg.EDHOCRoots {
		text, err := os.ReadFile(settings.Beside(path, file))
		if err != nil {
			return nil, fmt.Errorf("edhoc_roots: %w", err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("edhoc_roots: %s holds no certificate in PEM", file)
		}
	}
	return pool, nil
}

// edhocProfile is what a server with keys of these types supports. A certificate may be
// registered as the credential of a peer.
func edhocProfile(types []credentials.KeyType) edhoccoap.Profile {
	p := credentials.Profile(types)
	p.CredentialTypes = []int{1, 2}        // CCS, X.509
	p.IDCredTypes = []int64{4, 14, 33, 34} // kid, kccs, x5chain, x5t
	return p
}

// inClear is the handler of the requests that are not inside OSCORE.
func (a *authority) inClear() coap.Handler {
	if a.edhoc == nil {
		return nil
	}
	return oscorecoap.Plain(a.edhoc.Resources(), edhoccoap.Path, "/.well-known/core")
}
