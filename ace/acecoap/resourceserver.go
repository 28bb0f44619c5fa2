package acecoap

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/ostiary/ostiary/ace/oscoreprofile"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// A Config describes a ResourceServer. It is copied.
type Config struct {
	// Tokens says whose tokens are accepted, and what their scopes mean. Its
	// OnRemove is called besides what the ResourceServer does itself.
	Tokens rs.Config

	// IDs is the allocator of the endpoint's Recipient IDs, required. Share it
	// with everything else that makes security contexts for this endpoint.
	IDs *idalloc.Allocator

	// Contexts is the endpoint's table; nil makes one.
	Contexts *oscore.Contexts

	// Association is what the contexts of clients have besides their input
	// parameters: replay window, limits, and whether a client may renew them by
	// RFC 8613, Appendix B.2 (the zero value says no).
	Association oscore.Config

	// OSCORE configures the OSCORE layer. Its Authorize must be nil: a request
	// needs an access token.
	OSCORE oscorecoap.Config

	// Public names paths that anybody may use without OSCORE, besides
	// /authz-info.
	Public []string

	// Clear are handlers of requests without OSCORE by their path, such as that of
	// EDHOC. They are asked before the application.
	Clear map[string]coap.Handler

	// Pool runs the requests to authz-info. They wait where Tokens.Introspect asks an
	// AS, and must not do so in the goroutine that reads the socket. nil runs them
	// where ServeCOAP is called.
	Pool *coap.Pool

	// Now is the clock; nil is time.Now. Rand is the source of N2; nil is
	// crypto/rand.Reader.
	Now  func() time.Time
	Rand io.Reader

	// Observer is told what happens.
	Observer Observer
}

// An Observer is told of events, for metrics and logs. Its functions may be
// nil; they are called from many goroutines and must not block. No error holds
// a secret.
type Observer struct {
	// Posted reports a request to authz-info: err is nil if the token was taken.
	Posted func(r *coap.Request, err error)
	// Removed reports a token that has left the table.
	Removed func(rs.Removed)
}

// A ResourceServer is the coap.Handler of a resource server: authz-info, access
// control, and behind them the handlers of an application. It is safe for
// concurrent use.
type ResourceServer struct {
	cfg      Config
	tokens   *rs.Tokens
	profile  *oscoreprofile.AuthzInfo
	pipeline *oscorecoap.Server
	proof    *addressProof

	mu    sync.Mutex                     // guards what follows
	ace   map[string]*oscore.Association // those that had a request, by subject
	spent map[string]bool                // subjects whose context can protect no more
}

// NewResourceServer puts access control in front of app, which gets only the
// requests that their token allows; their Identity is the *oscore.Association,
// and Grant has what they were allowed for.
func NewResourceServer(cfg Config, app coap.Handler) (*ResourceServer, error) {
	if app == nil || cfg.OSCORE.Authorize != nil {
		return nil, errors.New("acecoap: NewResourceServer: no handler, or OSCORE.Authorize is set")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Contexts == nil {
		cfg.Contexts = new(oscore.Contexts)
	}
	s := &ResourceServer{cfg: cfg, ace: map[string]*oscore.Association{}, spent: map[string]bool{}}
	tokens := cfg.Tokens
	tokens.OnRemove = s.removed
	var err error
	if s.tokens, err = rs.New(tokens); err != nil {
		return nil, err
	}
	s.profile, err = oscoreprofile.NewAuthzInfo(oscoreprofile.AuthzInfoConfig{
		Responder:   oscoreprofile.Responder{IDs: cfg.IDs, Rand: cfg.Rand},
		Tokens:      s.tokens,
		Contexts:    cfg.Contexts,
		Association: cfg.Association,
	})
	if err != nil {
		return nil, err
	}
	if s.proof, err = newAddressProof(cfg.Rand, cfg.Now); err != nil {
		return nil, err
	}
	layer := cfg.OSCORE
	layer.Authorize = s.authorize
	layer.Observer.Failed = s.failed
	if layer.Now == nil {
		layer.Now = cfg.Now
	}
	s.pipeline = oscorecoap.Handler(cfg.Contexts, s.protected(app), s.plain(app), layer)
	return s, nil
}

// ServeCOAP implements coap.Handler. It does not wait, except where the
// application's handlers do and where Tokens.Introspect asks an AS.
func (s *ResourceServer) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	s.pipeline.ServeCOAP(w, r)
}

// Tokens are the tokens of the clients.
func (s *ResourceServer) Tokens() *rs.Tokens { return s.tokens }

// Contexts is the table of the endpoint's associations.
func (s *ResourceServer) Contexts() *oscore.Contexts { return s.cfg.Contexts }

// Expire ends what has expired: tokens, their associations, and the
// observations under them. Call it every few seconds. A request with an expired
// token is refused also before. The error is that of Tokens.Counters.
func (s *ResourceServer) Expire() error {
	s.discardSpent()
	_, err := s.tokens.Expire(s.cfg.Now())
	return err
}

// failed notes a context whose sequence numbers or keys have come to their end
// (RFC 9203, Section 6). The layer of OSCORE calls it with locks held: Expire and
// the next request discard the context, and until then it protects nothing.
func (s *ResourceServer) failed(sec *oscore.Association, err error) {
	if errors.Is(err, oscore.ErrSequence) || errors.Is(err, oscore.ErrKeyLimit) {
		s.mu.Lock()
		s.spent[sec.Subject()] = true
		s.mu.Unlock()
	}
	if s.cfg.OSCORE.Observer.Failed != nil {
		s.cfg.OSCORE.Observer.Failed(sec, err)
	}
}

// discardSpent discards what failed has noted.
func (s *ResourceServer) discardSpent() {
	s.mu.Lock()
	spent := s.spent
	if len(spent) > 0 {
		s.spent = map[string]bool{}
	}
	s.mu.Unlock()
	if len(spent) == 0 {
		return
	}
	for subject := range spent {
		s.tokens.Remove(subject)
	}
}

// removed ends what hangs on a token that has left the table (RFC 9200, Section
// 5.10.3).
func (s *ResourceServer) removed(x rs.Removed) {
	s.mu.Lock()
	sec := s.ace[x.Subject]
	delete(s.ace, x.Subject)
	s.mu.Unlock()
	if sec != nil {
		s.pipeline.EndObservations(sec)
	}
	if s.cfg.Tokens.OnRemove != nil {
		s.cfg.Tokens.OnRemove(x)
	}
	if s.cfg.Observer.Removed != nil {
		s.cfg.Observer.Removed(x)
	}
}
