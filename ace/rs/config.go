package rs

import (
	"errors"
	"slices"
	"time"

	"github.com/ostiary/ostiary/ace"
)

// A Config describes the resource server to [New].
type Config struct {
	// Audiences are the names by which this RS is the audience of a token; one at
	// least.
	Audiences []string

	// Keys are those under which authorization servers make tokens for this RS,
	// each with its issuer and its one algorithm. A token is opened by the keys
	// with its kid, or without an ID if it has none.
	Keys []*ace.TokenKey

	// IssuerOptional accepts tokens without iss: their key says who made them.
	IssuerOptional bool

	// Introspect obtains the claims of tokens that no key opens, and may say whether
	// others are active. Its zero value refuses the former and takes the latter.
	Introspect Introspector

	// Profiles are those that a token may name; nil means coap_oscore only.
	Profiles []ace.Profile

	// Scopes says what a scope allows; nil means [AIFScopes].
	Scopes Interpreter

	// Hints go with every 4.01, with a cnonce if there are ClientNonces. The zero
	// value gives an empty map, or the cnonce alone.
	Hints ace.CreationHints

	// SuggestScope gives the scope of the hints for a request; nil leaves the one
	// in Hints. An unauthenticated sender learns what it returns.
	SuggestScope func(method uint8, path string) ace.Scope

	// ClientNonces make every token show a fresh cnonce; nil: none is needed.
	ClientNonces *ClientNonces

	// DangerNoExpiry accepts tokens with neither exp nor exi.
	DangerNoExpiry bool

	// Name is this RS in the cti of tokens with exi; "" means Audiences[0].
	Name string

	// Counters keeps what is known of tokens with exi over restarts; nil forgets
	// it, and such a token then lives again.
	Counters CounterStore

	// CounterStep is how much running time of a counter a crash may lose; zero
	// means 10 s.
	CounterStep time.Duration

	// Revoked reports whether a token is on the revocation list, by its token
	// hash (RFC 9770); nil: none is. It must not call the Tokens.
	Revoked func(hash []byte) bool

	// MaxTokens bounds the confirmed tokens; zero means 1000. When there are so
	// many, clients that have none get 5.03.
	MaxTokens int

	// MaxUnconfirmed bounds the unconfirmed tokens, of which the oldest make room;
	// zero means a quarter of MaxTokens.
	MaxUnconfirmed int

	// MaxUnconfirmedPerClient is the same bound for the tokens of one
	// proof-of-possession key; zero means 4.
	MaxUnconfirmedPerClient int

	// UnconfirmedLifetime is how long a token waits for its first request; zero
	// means 4 minutes, which is less than a pending identifier of package idalloc
	// waits.
	UnconfirmedLifetime time.Duration

	// MaxCreated bounds the resources of one client that [Tokens.Created] notes;
	// zero means 64.
	MaxCreated int

	// OnRemove is called when a token has left the table and its security
	// association still works: its observations are to be ended now with a 4.01
	// (RFC 9200, Section 5.10.3). It may call the Tokens; nil does nothing.
	OnRemove func(Removed)
}

// An Introspector asks an AS about tokens (RFC 9200, Section 5.9).
type Introspector struct {
	Issuer string // the AS

	// Ask returns what the AS says. It is called for every token that no key
	// opens, also for garbage that anybody posts: it must bound its rate (RFC 9200,
	// Section 6.10). An error refuses the token; so does a nil Ask.
	Ask func(token []byte) (*ace.IntrospectionResponse, error)

	// All has it called also for tokens that a key opens and that are good by
	// themselves: whether they are active.
	All bool
}

// Removed is a token, or a standing right, that has left the table.
type Removed struct {
	Subject string
	Token   *Token // nil for a standing right
	Reason  Reason
}

// A Reason is why a token left the table.
type Reason uint8

// The reasons.
const (
	Expired     Reason = iota + 1 // exp, exi, or nobody used it in time
	Replaced                      // by a newer token of the client
	Revoked                       // by the AS
	Evicted                       // unconfirmed, for want of room
	Unconfirmed                   // its security association could not be kept
	Discarded                     // by Remove
)

var reasonNames = [...]string{"none", "expired", "replaced", "revoked", "evicted", "unconfirmed", "discarded"}

// String gives the name in lower case.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}

// withDefaults checks c and returns a copy that New owns.
func (c Config) withDefaults() (Config, error) {
	c.Audiences = slices.Clone(c.Audiences)
	c.Keys = slices.Clone(c.Keys)
	c.Profiles = slices.Clone(c.Profiles)
	switch {
	case len(c.Audiences) == 0 || slices.Contains(c.Audiences, ""):
		return c, errors.New("rs: Config: no Audiences, or an empty one")
	case len(c.Keys) == 0 && c.Introspect.Ask == nil:
		return c, errors.New("rs: Config: neither Keys nor Introspect")
	case slices.Contains(c.Keys, nil):
		return c, errors.New("rs: Config: a key is nil")
	case min(c.MaxTokens, c.MaxUnconfirmed, c.MaxUnconfirmedPerClient, c.MaxCreated) < 0,
		min(c.UnconfirmedLifetime, c.CounterStep) < 0:
		return c, errors.New("rs: Config: a limit is negative")
	}
	if c.Profiles == nil {
		c.Profiles = []ace.Profile{ace.ProfileCoAPOSCORE}
	}
	if c.Scopes == nil {
		c.Scopes = AIFScopes
	}
	if c.Name == "" {
		c.Name = c.Audiences[0]
	}
	setDefault(&c.MaxTokens, 1000)
	setDefault(&c.MaxUnconfirmed, max(1, c.MaxTokens/4))
	setDefault(&c.MaxUnconfirmedPerClient, 4)
	setDefault(&c.MaxCreated, 64)
	setDefault(&c.UnconfirmedLifetime, 4*time.Minute)
	setDefault(&c.CounterStep, 10*time.Second)
	return c, nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
