package edhocservice

import (
	"context"
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
)

// Requests of EDHOC at once that wait for a processor, and those of one address.
const (
	queue   = 512
	perPeer = 8
)

// A Service is the EDHOC responder of a daemon. It is safe for concurrent use.
type Service struct {
	cfg      Config
	sessions *sessions
	server   *edhoccoap.Server
	reverse  *edhoccoap.ReverseServer // nil if it is not served
	resource coap.Handler             // of both
	pool     *coap.Pool               // for what costs curve operations
	stock    *stock
}

// New checks cfg. It does not read the list of peers yet: Sweep and the first
// handshake do.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg}
	s.sessions = &sessions{trusted: cfg.Trusted, roots: cfg.Roots, limits: cfg.Limits, now: cfg.Now, log: cfg.Log, end: s.end}
	own := edhoc.Config{Methods: cfg.Profile.Methods, Suites: cfg.Profile.Suites, Identities: cfg.Identities}
	s.stock, err = newStock(own, cfg.Log)
	if err != nil {
		return nil, err
	}
	own.Ephemeral = s.stock.keys.Take
	if err := s.serve(own); err != nil {
		s.stock.close()
		return nil, err
	}
	s.pool = coap.NewPool(coap.PoolConfig{Workers: runtime.GOMAXPROCS(0), Queue: queue, PerPeer: perPeer})
	return s, nil
}

// Resources is the handler of the EDHOC resource, at edhoccoap.Path, and of a
// /.well-known/core that says what it supports. They are used in clear.
func (s *Service) Resources() *coap.Mux {
	m := new(coap.Mux)
	m.Handle(edhoccoap.Path, s.pool.Handler(s.resource))
	m.Describe(edhoccoap.Path, s.cfg.Profile.Attributes()...)
	return m
}

// Around adds the combined request (RFC 9668) to the handler of OSCORE.
func (s *Service) Around(next coap.Handler) coap.Handler {
	combined := s.pool.Handler(s.server.Combined(next, coap.BlockwiseConfig{}))
	return coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if r.Options.Has(coap.EDHOC) {
			combined.ServeCOAP(w, r)
			return
		}
		next.ServeCOAP(w, r)
	})
}

// Sweep ends the sessions of peers that are not trusted any more and those that
// are too old, and the handshakes that are. Call it every few seconds. The error is
// that of the Source.
func (s *Service) Sweep(ctx context.Context) error {
	s.server.Pending()
	if s.reverse != nil {
		s.reverse.Pending()
	}
	return s.sessions.sweep(ctx)
}

// Peers is the number of peers that are trusted.
func (s *Service) Peers() int { return s.sessions.peers() }

// End ends the session of an association, if it is one of the service. A daemon
// calls it for an association that ended for another reason.
func (s *Service) End(a *oscore.Association) {
	s.sessions.drop(func(x *Session) bool { return x.Association == a })
}

// Close ends the handshakes that wait, after those in work.
func (s *Service) Close() {
	s.pool.Close()
	s.server.Close()
	if s.reverse != nil {
		s.reverse.Close()
	}
	s.stock.close()
}

// errRemoved ends a handshake of a peer that was removed while it ran.
var errRemoved = &edhoc.Error{Code: edhoc.CodeUnspecified, Section: "5.4.3", Reason: "peer is not trusted any more"}

// establish takes a security context into use (edhoccoap.Config).
func (s *Service) establish(made *edhoc.Session, id *idalloc.Live) error {
	peer, ok := s.sessions.peer(made.Peer)
	if !ok {
		return errRemoved
	}
	association, err := s.associate(made, peer)
	if err != nil {
		return err
	}
	session := &Session{Peer: peer, Association: association, id: id, made: s.cfg.Now()}
	if err := s.begin(session); err != nil {
		s.cfg.Discard(association)
		return err
	}
	made.Erase()
	return nil
}

func (s *Service) associate(made *edhoc.Session, peer Peer) (*oscore.Association, error) {
	params, err := oscorekeys.Params(made, oscorekeys.Lengths{})
	if err != nil {
		return nil, err
	}
	defer params.MasterSecret.Erase()
	cfg := oscore.Config{Subject: peer.Name, B2: oscore.B2Allowed, Clock: time.Now}
	if s.cfg.Associate != nil {
		s.cfg.Associate(peer, &cfg)
	}
	cfg.Params = params
	association, err := oscore.NewAssociation(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Contexts.Add(association); err != nil {
		association.Discard()
		return nil, err
	}
	return association, nil
}

func (s *Service) begin(x *Session) error {
	if s.cfg.Begin != nil {
		if err := s.cfg.Begin(x); err != nil {
			return err
		}
	}
	if !s.sessions.add(x) {
		return errRemoved
	}
	return nil
}

// end takes a security context out of use.
func (s *Service) end(x *Session) {
	s.cfg.Discard(x.Association)
	if err := x.id.Release(); err != nil {
		s.cfg.Log.Warn("identifier not released", "client", x.Peer.Name, "error", err)
	}
}

func (s *Service) completed(remote netip.AddrPort, made *edhoc.Session) {
	name := made.Peer.Subject()
	if peer, ok := s.sessions.peer(made.Peer); ok {
		name = peer.Name
	}
	s.cfg.Log.Info("edhoc session", "client", name, "peer", remote, "method", made.Method.String(), "suite", made.Suite.String())
}

func (s *Service) failed(remote netip.AddrPort, err error) {
	var fault *edhoc.Error
	var told *edhoc.PeerError
	switch {
	case errors.As(err, &fault):
		s.cfg.Log.Debug("handshake refused", "peer", remote, "section", fault.Section, "error", err)
	case errors.As(err, &told):
		s.cfg.Log.Debug("handshake ended by the client", "peer", remote, "error", err)
	default:
		s.cfg.Log.Warn("handshake not completed", "peer", remote, "error", err)
	}
}
