package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/store"
)

// The sizes of fresh keys, in bytes.
const (
	masterSecretSize = 16
	masterSaltSize   = 8
	keyIDSize        = 8
)

// newResourceServer is what to register.
type newResourceServer struct {
	name          string
	audiences     []string
	algorithm     string
	lifetime      time.Duration // 0: that of the configuration
	scopes        as.ScopeForm
	form          ace.TokenForm
	expiresIn     bool
	introspection as.Introspection
	key           newKey // for its channel with the server
}

// addResourceServer registers a resource server with a fresh key for its
// tokens, and returns what it needs to know. keys are those of the server.
func addResourceServer(ctx context.Context, s *store.Store, cfg config, keys []serverKey, n newResourceServer) (*credentials.ResourceServer, error) {
	algorithm, err := credentials.ParseAlgorithm(n.algorithm)
	if err != nil {
		return nil, cli.Usage(err)
	}
	if len(n.audiences) == 0 {
		n.audiences = []string{n.name}
	}
	secret, id := random(algorithm.KeySize()), random(keyIDSize)
	file := &credentials.ResourceServer{
		Name: n.name, AS: cfg.URI, Issuer: cfg.Issuer, Audiences: n.audiences,
		TokenKey: credentials.TokenKey{ID: settings.Hex(id), Algorithm: n.algorithm, Key: settings.Secret{Bytes: secret}},
	}
	server := as.ResourceServer{
		Name: n.name, Profiles: []ace.Profile{ace.ProfileCoAPOSCORE},
		Lifetime: n.lifetime, Scopes: n.scopes, ExpiresIn: n.expiresIn, Introspection: n.introspection,
	}
	if n.introspection != as.NoIntrospection {
		file.Introspection = introspectionURI(cfg.URI)
	}
	if n.introspection == as.WithClaims {
		file.TokenKey = credentials.TokenKey{} // it stays here
	}
	if n.key.wanted() {
		if file.EDHOC, err = n.key.prepare(ctx, s, cfg, n.name, keys); err != nil {
			return nil, err
		}
		server.Credentials, server.CertSubject = credentialsIn(file.EDHOC), n.key.certified
		server.Key = registeredKey(file.EDHOC)
	}
	admin := s.Admin(actor())
	err = admin.AddResourceServer(ctx, store.ResourceServer{
		ResourceServer: server,
		Token:          ace.TokenKeyConfig{Issuer: cfg.Issuer, ID: id, Algorithm: algorithm, Secret: secret, Form: n.form},
		Audiences:      n.audiences,
	})
	if err != nil {
		return nil, registryError("resource server", n.name, err)
	}
	err = n.key.alone(ctx, s, as.ResourceServerSubject(n.name))
	if err != nil {
		return nil, undo(err, admin.RemoveResourceServer(context.WithoutCancel(ctx), n.name))
	}
	return file, nil
}

// newClient is what to register.
type newClient struct {
	name     string
	audience string // if a request names none
	groups   []string
	renewal  string // b2, echo
}

// addEDHOCClient registers a client with a public key, and returns what it needs to
// know. keys are those of the server.
func addEDHOCClient(ctx context.Context, s *store.Store, cfg config, keys []serverKey, n newClient, key newKey) (*credentials.Client, error) {
	pair, err := key.prepare(ctx, s, cfg, n.name, keys)
	if err != nil {
		return nil, err
	}
	client := as.Client{
		Name: n.name, Audience: n.audience, Groups: n.groups, Profiles: []ace.Profile{ace.ProfileCoAPOSCORE},
		Credentials: credentialsIn(pair), CertSubject: key.certified,
	}
	if k := registeredKey(pair); k != nil {
		client.Keys = []*ace.Key{k}
	}
	admin := s.Admin(actor())
	if err := admin.AddClient(ctx, client); err != nil {
		return nil, registryError("client", n.name, err)
	}
	if err := key.alone(ctx, s, n.name); err != nil {
		return nil, undo(err, admin.RemoveClient(context.WithoutCancel(ctx), n.name))
	}
	return &credentials.Client{Name: n.name, AS: cfg.URI, EDHOC: pair}, nil
}

// addClient registers a client with a fresh security context, and returns what
// it needs to know.
func addClient(ctx context.Context, s *store.Store, cfg config, n newClient) (*credentials.Client, error) {
	mode := oscore.B2Required
	if n.renewal == "echo" {
		mode = oscore.B2Off
	}
	for {
		id, err := freeRecipientID(ctx, s)
		if err != nil {
			return nil, err
		}
		c := store.Context{
			Name: "client/" + n.name + "/" + time.Now().UTC().Format("20060102T150405.000000000"),
			Params: oscore.Params{
				MasterSecret: random(masterSecretSize), MasterSalt: random(masterSaltSize),
				RecipientID: id, SenderID: otherID(id),
			},
			B2: mode,
		}
		client := as.Client{
			Name: n.name, Audience: n.audience, Groups: n.groups, Profiles: []ace.Profile{ace.ProfileCoAPOSCORE},
		}
		if err := s.Admin(actor()).AddClient(ctx, client, c); err != nil {
			return nil, registryError("client", n.name, err)
		}
		// Another process may have taken the identifier at the same time: one of
		// the two sees both, takes its own back and tries again.
		if same, err := s.ContextsByRecipientID(ctx, id); err != nil || len(same) > 1 {
			if err := errors.Join(err, s.Admin(actor()).RemoveClient(ctx, n.name)); err != nil {
				return nil, err
			}
			continue
		}
		return &credentials.Client{
			Name: n.name, AS: cfg.URI, Renewal: n.renewal,
			OSCORE: credentials.Context{ // as the client has it
				MasterSecret: settings.Secret{Bytes: c.MasterSecret}, MasterSalt: c.MasterSalt,
				SenderID: c.RecipientID, RecipientID: c.SenderID,
			},
		}, nil
	}
}

// Identifiers of provisioned contexts are drawn here, in another process than the
// server, which draws those of EDHOC. That they never meet, each draws from a part
// of its own. Those that EDHOC sends in one byte are for EDHOC.
var (
	provisionedIDs = []idalloc.Range{
		{First: "\x18", Last: "\x1f"},
		{First: "\x38", Last: "\xff"},
		{First: "\x80\x00", Last: "\xff\xff"},
		{First: "\x80\x00\x00", Last: "\xff\xff\xff"},
	}
	sessionIDs = []idalloc.Range{
		{First: "\x00", Last: "\x17"},
		{First: "\x20", Last: "\x37"},
		{First: "\x00\x00", Last: "\x7f\xff"},
		{First: "\x00\x00\x00", Last: "\x7f\xff\xff"},
	}
)

// freeRecipientID draws an identifier that no provisioned context has.
func freeRecipientID(ctx context.Context, s *store.Store) ([]byte, error) {
	contexts, err := s.Contexts(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := idalloc.New(idalloc.Config{Now: time.Now, Reserved: sessionIDs})
	if err != nil {
		return nil, err
	}
	for _, c := range contexts {
		if _, err := ids.Claim(idalloc.ID(c.RecipientID), holder(c)); err != nil {
			return nil, fmt.Errorf("security context %q: %w", c.Name, err)
		}
	}
	id, err := ids.Allocate(idalloc.Holder{Source: idalloc.SourceProvisioned, Ref: "new"})
	if err != nil {
		return nil, err
	}
	return []byte(id.ID()), nil
}

func holder(c store.Context) idalloc.Holder {
	return idalloc.Holder{Source: idalloc.SourceProvisioned, Ref: c.Name}
}

// otherID draws the client's Recipient ID, one byte that is not id.
func otherID(id []byte) []byte {
	for {
		other := random(1)
		if string(other) != string(id) {
			return other
		}
	}
}

func random(n int) secret.Bytes {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// registryError says what to do about the errors that are the caller's.
func registryError(kind, name string, err error) error {
	switch {
	case errors.Is(err, store.ErrExists):
		return cli.Usage(fmt.Errorf("there is a %s %q already; remove it first", kind, name))
	case errors.Is(err, store.ErrNotFound):
		return cli.Usage(fmt.Errorf("there is no %s %q", kind, name))
	}
	return notLocked(err)
}
