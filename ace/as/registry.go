package as

import (
	"context"
	"errors"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/internal/cose"
)

// ErrUnknown is what a registry answers, wrapped or not, about a name that it does
// not have.
var ErrUnknown = errors.New("as: not registered")

// Clients are the registered clients. It is safe for concurrent use.
type Clients interface {
	// Client looks a client up by its name, or fails with ErrUnknown.
	Client(ctx context.Context, name string) (Client, error)
}

// ResourceServers are the registered RSs. It is safe for concurrent use.
type ResourceServers interface {
	// ResourceServer looks an RS up by its name, or fails with ErrUnknown.
	ResourceServer(ctx context.Context, name string) (ResourceServer, error)
	// Audience gives all RSs that identify with an audience: more than one if it
	// names a group. It fails with ErrUnknown if there are none.
	Audience(ctx context.Context, audience string) ([]ResourceServer, error)
}

// A Client is what the AS knows of a client. The caller does not change it.
type Client struct {
	Name      string        // as the secure channel authenticates it, does not begin with NUL; also its client_id
	Suspended bool          // known, but gets no tokens
	Groups    []string      // groups that policies may name
	Profiles  []ace.Profile // that it can use, by falling preference
	Audience  string        // if a request names none
	Scope     ace.Scope     // if a request names none
	Keys      []*ace.Key    // public keys of which the channel proves possession

	Credentials [][]byte // what it proves possession of them with in EDHOC: CRED_x (RFC 9528, Section 3.5.2)
	CertSubject string   // of the certificates that it may use instead, as RFC 2253 writes it
}

// A ResourceServer is what the AS knows of an RS, with its peculiarities. The
// caller does not change it.
type ResourceServer struct {
	Name     string        // one text without NUL, which begins the cti of tokens with exi
	Profiles []ace.Profile // that it can use
	TokenKey *ace.TokenKey // that its tokens are protected with
	Key      *ace.Key      // its public key, for rs_cnf; may be nil
	Curves   []ace.Curve   // of the clients' public keys that it can use

	Lifetime  time.Duration  // of its tokens, at least a second; 0: that of the Config
	ExpiresIn bool           // its tokens have exi instead of exp
	ContextID bool           // gets a contextId with its OSCORE input material
	AEAD      cose.Algorithm // of the OSCORE input material; 0: the default of OSCORE, not sent
	HKDF      cose.Algorithm // likewise; named by its HMAC (RFC 9203, Section 3.2)

	Scopes   ScopeForm // that it understands
	MaxScope int       // bytes of a scope; 0: no limit
	MaxToken int       // bytes of a token; 0: no limit
	Claims   ClaimSet  // optional claims of its tokens

	Introspection Introspection // what it learns at the introspection endpoint
	Credentials   [][]byte      // what it authenticates with in EDHOC: CRED_x (RFC 9528, Section 3.5.2)
	CertSubject   string        // of the certificates that it may use instead, as RFC 2253 writes it
}

// A ScopeForm says which scopes an RS understands.
type ScopeForm uint8

// The forms of a scope.
const (
	AnyScope  ScopeForm = iota
	TextScope           // text only
	AIFScope            // AIF in a byte string only (RFC 9237)
)

// A ClaimSet says which claims a token has, or has not, besides exp or exi, cnf,
// scope and cnonce. The zero value is a token with iss, aud, iat and cti.
type ClaimSet struct {
	NoIssuer   bool // no iss
	NoAudience bool // no aud
	NoIssuedAt bool // no iat
	NoCTI      bool // no cti, unless it has exi
	Subject    bool // sub: the name of the client
	Profile    bool // ace_profile
}
