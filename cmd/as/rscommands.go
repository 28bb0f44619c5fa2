package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/store"
)

type rsCommand struct {
	Add    rsAdd    `cmd:"" help:"Register a resource server and write its credentials to a file."`
	List   rsList   `cmd:"" help:"List the resource servers."`
	Remove rsRemove `cmd:"" help:"Remove a resource server."`
}

type rsAdd struct {
	configFlag
	outFlag
	keyFlags
	Name      string        `arg:"" help:"Name of the resource server."`
	Audience  []string      `help:"Audience that it identifies with; may be repeated. Default: NAME." placeholder:"NAME"`
	Lifetime  time.Duration `help:"Lifetime of its tokens. Default: that of the configuration." placeholder:"SPAN"`
	Algorithm string        `help:"COSE algorithm of its tokens." default:"AES-CCM-16-64-128"`
	Scope     string        `help:"Form of the scopes it understands: aif, text or any." enum:"aif,text,any" default:"aif"`
	NoTag61   bool          `help:"Tokens have the COSE tag only, without the CWT tag 61 around it." name:"no-tag61"`
	ExpiresIn bool          `help:"Tokens have an exi claim, for a resource server without a clock." name:"exi"`

	Introspection bool `help:"Let it ask the server about its tokens (RFC 9200, Section 5.9), over EDHOC. Its tokens are then opaque to it, unless --active-only."`
	Claims        bool `help:"It learns the claims of its tokens by introspection, and gets no key to read them; the default of --introspection." xor:"level"`
	ActiveOnly    bool `help:"It reads its tokens, and learns by introspection whether they are active." xor:"level"`
}

// level is what it learns by introspection.
func (c *rsAdd) level(key newKey) (as.Introspection, error) {
	switch {
	case !c.Introspection && (c.Claims || c.ActiveOnly):
		return 0, cli.Usage(errors.New("--claims and --active-only are for --introspection"))
	case !c.Introspection:
		return as.NoIntrospection, nil
	case !key.wanted():
		return 0, cli.Usage(errors.New("--introspection needs a channel with the server: want --edhoc, --public-key or --certified with it"))
	case c.ActiveOnly:
		return as.ActiveOnly, nil
	}
	return as.WithClaims, nil
}

func (c *rsAdd) Run(ctx context.Context, s cli.Streams) error {
	if c.Lifetime != 0 && c.Lifetime < time.Second {
		return cli.Usage(fmt.Errorf("--lifetime %v: want 1s or more", c.Lifetime))
	}
	key, err := c.key(c.Name)
	if err != nil {
		return err
	}
	level, err := c.level(key)
	if err != nil {
		return err
	}
	path, err := c.Reserve(c.Name, "rs")
	if err != nil {
		return err
	}
	cfg, db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeStore(db, s)
	if err := c.unshared(ctx, db); err != nil {
		return err
	}
	var keys []serverKey
	if key.wanted() {
		if keys, err = readEDHOCKeys(c.Config, cfg); err != nil {
			return err
		}
	}
	credentials, err := addResourceServer(ctx, db, cfg, keys, newResourceServer{
		name: c.Name, audiences: c.Audience, algorithm: c.Algorithm, lifetime: c.Lifetime,
		scopes:    map[string]as.ScopeForm{"aif": as.AIFScope, "text": as.TextScope, "any": as.AnyScope}[c.Scope],
		form:      ace.TokenForm{NoTag61: c.NoTag61},
		expiresIn: c.ExpiresIn, introspection: level, key: key,
	})
	if err != nil {
		return err
	}
	if err := credentials.Write(path); err != nil {
		return undo(err, db.Admin(actor()).RemoveResourceServer(context.WithoutCancel(ctx), c.Name))
	}
	fmt.Fprintf(s.Out, "registered resource server %q; its credentials are in %s\n", c.Name, path)
	return nil
}

// unshared refuses an audience that another resource server has: a token for both
// would need a signature, and all the algorithms here encrypt (RFC 9200, Section
// 6.1). The other one would get no tokens any more.
func (c *rsAdd) unshared(ctx context.Context, db *store.Store) error {
	audiences := c.Audience
	if len(audiences) == 0 {
		audiences = []string{c.Name}
	}
	for _, audience := range audiences {
		others, err := db.Audience(ctx, audience)
		switch {
		case errors.Is(err, as.ErrUnknown):
		case err != nil:
			return err
		case others[0].Name == c.Name:
			return registryError("resource server", c.Name, store.ErrExists)
		default:
			return cli.Usage(fmt.Errorf("audience %q is that of resource server %q; name another with --audience", audience, others[0].Name))
		}
	}
	return nil
}

type rsList struct {
	configFlag
	outputFlag
}

// rsItem is a resource server in the JSON output.
type rsItem struct {
	Name      string   `json:"name"`
	Audiences []string `json:"audiences"`
	Algorithm string   `json:"algorithm"`
	Lifetime  string   `json:"lifetime,omitempty"`
	ExpiresIn bool     `json:"exi"`
	EDHOC     bool     `json:"edhoc"` // has a public key
	// Introspection is "none", "active" or "claims".
	Introspection string `json:"introspection"`
}

var levelNames = map[as.Introspection]string{as.NoIntrospection: "none", as.ActiveOnly: "active", as.WithClaims: "claims"}

func (c *rsList) Run(ctx context.Context, s cli.Streams) error {
	_, db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeStore(db, s)
	servers, err := db.ListResourceServers(ctx)
	if err != nil {
		return err
	}
	items, rows := []rsItem{}, [][]string{}
	for _, x := range servers {
		lifetime := ""
		if x.Lifetime != 0 {
			lifetime = x.Lifetime.String()
		}
		algorithm := x.Token.Algorithm.String()
		hasKey, level := len(x.Credentials) > 0 || x.CertSubject != "", levelNames[x.Introspection]
		items = append(items, rsItem{x.Name, x.Audiences, algorithm, lifetime, x.ExpiresIn, hasKey, level})
		rows = append(rows, []string{x.Name, strings.Join(x.Audiences, ","), algorithm, lifetime, fmt.Sprint(x.ExpiresIn), fmt.Sprint(hasKey), level})
	}
	return c.Print(s.Out, items, []string{"NAME", "AUDIENCES", "ALGORITHM", "LIFETIME", "EXI", "EDHOC", "INTROSPECTION"}, rows)
}

type rsRemove struct {
	configFlag
	Name string `arg:"" help:"Name of the resource server."`
}

func (c *rsRemove) Run(ctx context.Context, s cli.Streams) error {
	_, db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeStore(db, s)
	return registryError("resource server", c.Name, db.Admin(actor()).RemoveResourceServer(ctx, c.Name))
}
