package main

import (
	"time"

	"github.com/ostiary/ostiary/cmd/internal/edhocservice"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// newEDHOCService makes the EDHOC responder of an authority, for its clients. The
// contexts that it makes end in the pipeline, which is made later.
func newEDHOCService(a *authority, own edhoc.Identity) (*edhocservice.Service, error) {
	return edhocservice.New(edhocservice.Config{
		Identities: []edhoc.Identity{own},
		Profile:    edhocservice.RawPublicKeys,
		Trusted:    &edhocClients{registry: a.store, log: a.log},
		IDs:        a.ids,
		Contexts:   &a.contexts,
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

// inClear is the handler of the requests that are not inside OSCORE.
func (a *authority) inClear() coap.Handler {
	if a.edhoc == nil {
		return nil
	}
	return oscorecoap.Plain(a.edhoc.Resources(), edhoccoap.Path, "/.well-known/core")
}
