package main

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/edhocservice"
	"github.com/ostiary/ostiary/edhoc"
)

// edhocClients are the clients of the registry that have a key for EDHOC. It is an
// edhocservice.Source.
type edhocClients struct {
	registry interface {
		Revision(context.Context) (string, error)
		ListClients(context.Context) ([]as.Client, error)
	}
	log *slog.Logger
}

// Revision implements edhocservice.Source.
func (c *edhocClients) Revision(ctx context.Context) (string, error) { return c.registry.Revision(ctx) }

// Peers implements edhocservice.Source.
func (c *edhocClients) Peers(ctx context.Context) ([]edhocservice.Peer, error) {
	clients, err := c.registry.ListClients(ctx)
	if err != nil {
		return nil, err
	}
	var peers []edhocservice.Peer
	for _, client := range clients {
		for _, key := range client.Keys {
			credential, err := credentialOf(client.Name, key)
			if err != nil {
				c.log.Debug("key is of no use for EDHOC", "client", client.Name, "error", err)
				continue
			}
			peers = append(peers, edhocservice.Peer{Name: client.Name, Credential: credential})
		}
	}
	return peers, nil
}

// credentialOf makes the credential of a client's public key, which is the one in
// its file: the claims 'sub', its name, and 'cnf', the key with its kid.
func credentialOf(client string, key *ace.Key) (*edhoc.Credential, error) {
	if key.KID() == nil || key.Curve() != ace.CurveP256 {
		return nil, errors.New("want a key on P-256 with a kid")
	}
	public, err := key.Public()
	if err != nil {
		return nil, err
	}
	p, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("public key of type %T", public)
	}
	point, err := p.Bytes()
	if err != nil {
		return nil, err
	}
	k, err := edhoc.NewPublicKey(edhoc.P256, point[1:33], point[33:])
	if err != nil {
		return nil, err
	}
	return edhoc.NewCCS(k, client, key.KID())
}

// keyOf makes the registered key of a credential.
func keyOf(c *edhoc.Credential) (*ace.Key, error) {
	public, err := ecdsaOf(c.PublicKey())
	if err != nil {
		return nil, err
	}
	return ace.NewPublicKey(public, c.KID())
}
