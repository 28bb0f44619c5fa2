package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/idalloc"
)

// A newInitiatorFunc makes the initiator of handshakes with one peer, which d reaches.
type newInitiatorFunc func(ctx context.Context, d coap.Doer, ids *idalloc.Allocator) (*edhoccoap.Client, error)

// server makes the server's own initiator of handshakes with a resource server.
func (c *edhocCommand) server(ctx context.Context, s cli.Streams) (newInitiatorFunc, error) {
	cfg, db, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	defer closeStore(db, s)
	keys, err := readEDHOCKeys(c.Config, cfg)
	if err != nil {
		return nil, err
	}
	registered, err := db.ResourceServer(ctx, c.RS)
	if err != nil {
		if errors.Is(err, as.ErrUnknown) {
			err = cli.Usage(fmt.Errorf("there is no resource server %q", c.RS))
		}
		return nil, err
	}
	peers, err := credentialsOf(registered)
	if err != nil {
		return nil, err
	}
	own, err := initiatorConfig(keys, peers[0].PublicKey(), c.Method)
	if err != nil {
		return nil, cli.Usage(err)
	}
	return func(ctx context.Context, d coap.Doer, ids *idalloc.Allocator) (*edhoccoap.Client, error) {
		return initiatorOf(ctx, own, peers, c.URI, d, ids)
	}, nil
}

// credentialsOf are those with which a resource server is registered, one at least.
func credentialsOf(r as.ResourceServer) ([]*edhoc.Credential, error) {
	var all []*edhoc.Credential
	for _, cred := range r.Credentials {
		c, err := credentials.ParseCredential(cred, edhocCurves...)
		if err != nil {
			return nil, fmt.Errorf("credential of resource server %q: %w", r.Name, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, cli.Usage(fmt.Errorf("resource server %q has no key for EDHOC that is known here; register it with --edhoc or --public-key", r.Name))
	}
	return all, nil
}

// initiatorConfig takes the first key of the server that goes with a key of a peer; by
// the method, if that is not -1. What the peer does with a key on P-256 its credential
// need not say.
func initiatorConfig(keys []serverKey, peer *edhoc.PublicKey, method int) (edhoc.Config, error) {
	if len(keys) == 0 {
		return edhoc.Config{}, errNoEDHOC
	}
	for _, theirs := range []credentials.KeyType{credentials.P256, credentials.X25519, credentials.P256Sign, credentials.Ed25519} {
		for _, k := range keys {
			m, suites := k.Type.Method(theirs), k.Type.Suites(theirs)
			if !theirs.Fits(peer) || len(suites) == 0 || method != -1 && method != int(m) {
				continue
			}
			own, err := k.Identity()
			if err != nil {
				return edhoc.Config{}, fmt.Errorf("%s: %w", k.file, err)
			}
			return edhoc.Config{Methods: []edhoc.Method{m}, Suites: suites, Identities: []edhoc.Identity{own}}, nil
		}
	}
	return edhoc.Config{}, fmt.Errorf("no key of the server goes with the one of the resource server, which is on %v, in that method", peer.Curve())
}

// rsHint says what the operator can do about a handshake with a resource server that
// failed; "" if err comes of something else.
func rsHint(err error) string {
	var told *edhoc.PeerError
	var fault *edhoc.Error
	var answer *edhoccoap.AnswerError
	switch {
	case errors.As(err, &told) && told.Code == edhoc.CodeUnknownCredential:
		return "it does not know this server: does it have the credentials that 'rs add' wrote?"
	case errors.As(err, &told) && told.Code == edhoc.CodeUnspecified:
		return "it refuses this server, or the method: its log may say why"
	case errors.As(err, &told) && told.Code == edhoc.CodeWrongCipherSuite:
		return "it has no cipher suite in common with the keys"
	case errors.As(err, &fault):
		return "this is not the resource server that is registered"
	case errors.As(err, &answer):
		return "does it offer EDHOC?"
	}
	return ""
}
