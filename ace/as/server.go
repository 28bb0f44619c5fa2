package as

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/policy"
)

// A Policy decides what a client gets. *policy.Set is one; a caller that changes
// it at run time passes a Policy that asks the current *policy.Set.
type Policy interface {
	Decide(policy.Request) policy.Decision
}

// Config says what a Server works with.
type Config struct {
	Issuer          string           // iss of all tokens; required
	Clients         Clients          // required
	ResourceServers ResourceServers  // required
	Policy          Policy           // required
	Ledger          Ledger           // required
	Clock           func() time.Time // required
	Lifetime        time.Duration    // of a token, in whole seconds; 0: an hour
	HoldBack        time.Duration    // how late a token with exi may reach its RS; 0: 30 days
	Rand            io.Reader        // safe for concurrent use; nil: crypto/rand
}

// maxLifetime keeps dates and numbers of seconds in their ranges.
const maxLifetime = 100 * 365 * 24 * time.Hour

// A Server is the token endpoint and the introspection endpoint. It is safe for concurrent use.
type Server struct {
	config  Config
	clock   clock
	numbers numbers
}

// New checks the configuration and makes a Server.
func New(c Config) (*Server, error) {
	switch {
	case c.Issuer == "":
		return nil, errors.New("as: Config without Issuer")
	case c.Clients == nil || c.ResourceServers == nil || c.Policy == nil || c.Ledger == nil || c.Clock == nil:
		return nil, errors.New("as: Config without Clients, ResourceServers, Policy, Ledger or Clock")
	case !validLifetime(c.Lifetime), c.HoldBack < 0 || c.HoldBack > maxLifetime:
		return nil, fmt.Errorf("as: Config with Lifetime %v, HoldBack %v", c.Lifetime, c.HoldBack)
	}
	if c.Lifetime == 0 {
		c.Lifetime = time.Hour
	}
	if c.HoldBack == 0 {
		c.HoldBack = 30 * 24 * time.Hour
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return &Server{config: c, clock: clock{read: c.Clock, ledger: c.Ledger}, numbers: numbers{ledger: c.Ledger}}, nil
}

// validLifetime accepts 0, which stands for a default.
func validLifetime(d time.Duration) bool {
	return d >= 0 && d <= maxLifetime && d%time.Second == 0
}

// Token answers a request to the token endpoint (RFC 9200, Section 5.8): payload
// is its application/ace+cbor payload, and client the name that the channel has
// authenticated, "" for nobody; an RS, called by its [ResourceServerSubject], gets
// nothing. The answer is the payload of a 2.01, with the
// client's key in clear. An error is an *Error, which ErrorResponse turns into
// the answer. Token keeps nothing of payload.
//
//spec:9200-5-11
//spec:9200-5.8-3
func (s *Server) Token(ctx context.Context, client string, payload []byte) ([]byte, error) {
	c, err := s.client(ctx, client)
	if err != nil {
		return nil, err
	}
	r, err := parse(payload, c)
	if err != nil {
		return nil, err
	}
	t, err := s.target(ctx, r.audience)
	if err != nil {
		return nil, err
	}
	now, err := s.clock.now(ctx)
	if err != nil {
		return nil, err
	}
	key, err := s.popKey(ctx, c, t, r, now)
	if err != nil {
		return nil, err
	}
	profile, err := chooseProfile(c, t, key)
	if err != nil {
		return nil, err
	}
	scope, err := s.decide(c, t, r)
	if err != nil {
		return nil, err
	}
	return s.issue(ctx, grant{client: c, request: r, target: t, key: key, profile: profile, scope: scope, now: now})
}

// client looks up who asks.
//
//spec:9200-5.8-4
func (s *Server) client(ctx context.Context, name string) (Client, error) {
	if name == "" {
		return Client{}, refused(ace.InvalidClient, "RFC 9200, Section 5.8", "nobody is authenticated")
	}
	if rs, ok := ResourceServerName(name); ok {
		return Client{}, s.noClient(ctx, rs)
	}
	c, err := s.config.Clients.Client(ctx, name)
	switch {
	case errors.Is(err, ErrUnknown):
		return Client{}, s.noClient(ctx, name)
	case err != nil:
		return Client{}, failed("look client up", err)
	case c.Name != name:
		return Client{}, failed("look client up: another one was found", nil)
	case c.Suspended:
		return Client{}, refused(ace.UnauthorizedClient, "RFC 6749, Section 5.2", "client is suspended")
	}
	return c, nil
}

// noClient tells an RS, which is known but no client, from a stranger.
func (s *Server) noClient(ctx context.Context, name string) error {
	_, err := s.config.ResourceServers.ResourceServer(ctx, name)
	switch {
	case err == nil:
		return refused(ace.UnauthorizedClient, "RFC 6749, Section 5.2", "requester is an RS and no client")
	case errors.Is(err, ErrUnknown):
		return refused(ace.InvalidClient, "RFC 6749, Section 5.2", "client is not registered")
	}
	return failed("look requester up", err)
}
