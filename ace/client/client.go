package client

import (
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/oscoreprofile"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// A Config describes a client to [New].
type Config struct {
	Transport Transport          // required
	IDs       *idalloc.Allocator // of the endpoint, for ID1; required
	Clock     func() time.Time   // required

	// Servers are the authorization servers, and for which resource servers each is
	// authorised. What an RS says in hints adds none (RFC 9200, Section 6.4).
	Servers []Server

	// Rand is the source of N1; nil means crypto/rand.Reader.
	Rand io.Reader

	// Salt is how the Master Salt is made if an AS gives no salt.
	Salt oscoreprofile.SaltReading

	// Association is what the associations with resource servers have besides their
	// Params and Subject, such as the mode of Appendix B.2.
	Association oscore.Config

	// MaxUnauthorized is the number of 4.01 in a row after which a session discards
	// its context (RFC 9203, Section 6); zero means 3.
	MaxUnauthorized int

	// AuthzInfo is the path of authz-info; "" means "/authz-info".
	AuthzInfo string
}

// A Server is an authorization server. One of Association and Channel is set.
type Server struct {
	URI       string   // of the token endpoint, as the hints of an RS name it
	Audiences []string // of the RSs that it is authorised for

	Address string // of the Transport; "" means the URI
	Path    string // of the token endpoint; "" means "/token"

	// Association is the OSCORE association with the AS.
	Association *oscore.Association

	// Channel is a Transport that protects by itself, such as DTLS: it encrypts,
	// authenticates both ends, and binds responses to requests (RFC 9200, Section
	// 6.5).
	Channel Transport

	// Lifetime is that of tokens without expires_in; zero: such tokens are not used.
	Lifetime time.Duration
}

// A Client gets tokens and opens sessions. It is safe for concurrent use.
type Client struct{ cfg Config }

// New checks cfg.
func New(cfg Config) (*Client, error) {
	cfg.Servers = slices.Clone(cfg.Servers)
	a := cfg.Association
	switch {
	case cfg.Transport == nil || cfg.IDs == nil || cfg.Clock == nil:
		return nil, errors.New("client: Config: Transport, IDs or Clock is missing")
	case a.MasterSecret != nil || a.Sequence != nil || a.RecoverWindow || a.Resume != nil:
		return nil, errors.New("client: Config: Association has what belongs to one context")
	case cfg.MaxUnauthorized < 0:
		return nil, errors.New("client: Config: MaxUnauthorized is negative")
	}
	for i := range cfg.Servers {
		s := &cfg.Servers[i]
		if (s.Association == nil) == (s.Channel == nil) {
			return nil, errors.New("client: Config: a Server has not one of Association and Channel")
		}
		s.Audiences = slices.Clone(s.Audiences)
		setDefault(&s.Address, s.URI)
		setDefault(&s.Path, "/token")
	}
	setDefault(&cfg.MaxUnauthorized, 3)
	setDefault(&cfg.AuthzInfo, "/authz-info")
	return &Client{cfg}, nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// server finds the AS for an audience, which is the one of the hints if they name
// one.
//
//spec:9200-6.4-1
func (c *Client) server(audience string, hints *ace.CreationHints) (*Server, error) {
	for i := range c.cfg.Servers {
		s := &c.cfg.Servers[i]
		if !slices.Contains(s.Audiences, audience) {
			continue
		}
		if hints == nil || hints.AS == "" || withoutScheme(hints.AS) == withoutScheme(s.URI) {
			return s, nil
		}
	}
	return nil, ErrServer
}

// withoutScheme drops the part of a URI that depends on how the client reaches the
// AS (RFC 9200, Section 5.3).
func withoutScheme(uri string) string {
	if _, rest, ok := strings.Cut(uri, "://"); ok {
		return rest
	}
	return uri
}
