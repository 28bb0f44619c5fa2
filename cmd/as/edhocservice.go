package main

import (
	"errors"
	"net/netip"
	"runtime"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// edhocProfile is what the server supports: raw public keys on P-256.
var edhocProfile = edhoccoap.Profile{
	Methods:         []edhoc.Method{edhoc.StaticDHStaticDH},
	Suites:          []edhoc.SuiteID{2, 3},
	CredentialTypes: []int{1},       // CCS
	IDCredTypes:     []int64{4, 14}, // kid, kccs
	Combined:        true,
}

// Requests of EDHOC at once that wait for a processor, and those of one address.
const (
	edhocQueue   = 512
	edhocPerPeer = 8
)

// An edhocService is the EDHOC responder of an authority, for its clients.
type edhocService struct {
	a       *authority
	clients *edhocClients
	server  *edhoccoap.Server
	pool    *coap.Pool // for what costs curve operations
}

func newEDHOCService(a *authority, own edhoc.Identity) (*edhocService, error) {
	e := &edhocService{a: a}
	e.clients = &edhocClients{registry: a.store, limits: a.cfg.Limits, now: time.Now, log: a.log, end: e.end}
	responder, err := edhoc.NewResponder(edhoc.Config{
		Methods: edhocProfile.Methods, Suites: edhocProfile.Suites, Identities: []edhoc.Identity{own},
	})
	if err != nil {
		return nil, err
	}
	e.server, err = edhoccoap.NewServer(edhoccoap.Config{
		Responder: responder, Find: e.clients.find, IDs: a.ids, Establish: e.establish,
		Observer: edhoccoap.Observer{Completed: e.completed, Failed: e.failed},
	})
	if err != nil {
		return nil, err
	}
	e.pool = coap.NewPool(coap.PoolConfig{Workers: runtime.GOMAXPROCS(0), Queue: edhocQueue, PerPeer: edhocPerPeer})
	return e, nil
}

// plain is the handler of the requests that are not inside OSCORE.
func (e *edhocService) plain() coap.Handler {
	m := new(coap.Mux)
	m.Handle(edhoccoap.Path, e.pool.Handler(e.server))
	m.Describe(edhoccoap.Path, edhocProfile.Attributes()...)
	return oscorecoap.Plain(m, edhoccoap.Path, "/.well-known/core")
}

// around adds the combined request (RFC 9668) to the handler of OSCORE.
func (e *edhocService) around(next coap.Handler) coap.Handler {
	combined := e.pool.Handler(e.server.Combined(next, coap.BlockwiseConfig{}))
	return coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if r.Options.Has(coap.EDHOC) {
			combined.ServeCOAP(w, r)
			return
		}
		next.ServeCOAP(w, r)
	})
}

// errRemoved ends a handshake of a client that was removed while it ran.
var errRemoved = &edhoc.Error{Code: edhoc.CodeUnspecified, Section: "5.4.3", Reason: "client is not registered any more"}

// establish takes a security context into use (edhoccoap.Config).
func (e *edhocService) establish(s *edhoc.Session, id *idalloc.Live) error {
	params, err := oscorekeys.Params(s, oscorekeys.Lengths{})
	if err != nil {
		return err
	}
	defer params.MasterSecret.Erase()
	association, err := oscore.NewAssociation(oscore.Config{
		Params: params, Subject: s.Peer.Subject(), B2: oscore.B2Allowed, Clock: time.Now,
	})
	if err != nil {
		return err
	}
	if err := e.a.contexts.Add(association); err != nil {
		association.Discard()
		return err
	}
	if !e.clients.add(&edhocSession{client: s.Peer, association: association, id: id, made: time.Now()}) {
		e.a.pipeline.Discard(association)
		return errRemoved
	}
	s.Erase()
	return nil
}

// end takes a security context out of use.
func (e *edhocService) end(s *edhocSession) {
	e.a.pipeline.Discard(s.association)
	if err := s.id.Release(); err != nil {
		e.a.log.Warn("identifier not released", "client", s.client.Subject(), "error", err)
	}
}

func (e *edhocService) completed(remote netip.AddrPort, s *edhoc.Session) {
	e.a.log.Info("edhoc session", "client", s.Peer.Subject(), "peer", remote, "method", s.Method.String(), "suite", s.Suite.String())
}

func (e *edhocService) failed(remote netip.AddrPort, err error) {
	var fault *edhoc.Error
	var told *edhoc.PeerError
	switch {
	case errors.As(err, &fault):
		e.a.log.Debug("handshake refused", "peer", remote, "section", fault.Section, "error", err)
	case errors.As(err, &told):
		e.a.log.Debug("handshake ended by the client", "peer", remote, "error", err)
	default:
		e.a.log.Warn("handshake not completed", "peer", remote, "error", err)
	}
}

func (e *edhocService) close() {
	e.pool.Close()
	e.server.Close()
}
