package as

import (
	"context"
	"errors"
	"io"
	"time"

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
	Lifetime        time.Duration    // of a token, at least a second; 0: an hour
	HoldBack        time.Duration    // how late a token with exi may reach its RS; 0: 30 days
	Rand            io.Reader        // nil: crypto/rand
}

// A Server is the token endpoint. It is safe for concurrent use.
type Server struct{}

// New checks the configuration and makes a Server.
func New(c Config) (*Server, error) { return nil, errors.New("as: to be written") }

// Token answers a request to the token endpoint (RFC 9200, Section 5.8): payload
// is its application/ace+cbor payload, and client the name that the channel has
// authenticated, "" for nobody. The answer is the payload of a 2.01. An error is
// an *Error, which ErrorResponse turns into the answer.
func (s *Server) Token(ctx context.Context, client string, payload []byte) ([]byte, error) {
	return nil, failed("to be written", nil)
}
