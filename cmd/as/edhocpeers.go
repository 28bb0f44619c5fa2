package main

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/edhocservice"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/store"
)

// edhocCurves are the curves of the keys that peers may have.
var edhocCurves = []edhoc.Curve{edhoc.P256, edhoc.X25519, edhoc.Ed25519}

// edhocPeers are the clients and resource servers of the registry that have a key for
// EDHOC. It is an edhocservice.Source.
type edhocPeers struct {
	registry registeredKeys
	log      *slog.Logger
}

// registeredKeys is the part of the store with the keys of the peers.
type registeredKeys interface {
	Revision(context.Context) (string, error)
	ListClients(context.Context) ([]as.Client, error)
	ListResourceServers(context.Context) ([]store.ResourceServer, error)
}

// Revision implements edhocservice.Source.
func (p *edhocPeers) Revision(ctx context.Context) (string, error) { return p.registry.Revision(ctx) }

// Peers implements edhocservice.Source.
func (p *edhocPeers) Peers(ctx context.Context) ([]edhocservice.Peer, error) {
	var peers []edhocservice.Peer
	err := eachCredential(ctx, p.registry, func(subject string, c *edhoc.Credential, err error) {
		if err != nil {
			p.log.Debug("key is of no use for EDHOC", "client", shown(subject), "error", err)
			return
		}
		peers = append(peers, edhocservice.Peer{Name: shown(subject), Credential: c, Rights: subject})
	})
	if err != nil {
		return nil, err
	}
	return peers, eachCertSubject(ctx, p.registry, func(subject, certified string) {
		peers = append(peers, edhocservice.Peer{Name: shown(subject), CertificateSubject: certified, Rights: subject})
	})
}

// associate makes the association of a session one of its peer, whose kind is in the
// subject: a resource server is no client, also not the one of the same name.
func associate(p edhocservice.Peer, c *oscore.Config) { c.Subject = p.Rights }

// shown is a subject in a log or a message.
func shown(subject string) string {
	if name, ok := as.ResourceServerName(subject); ok {
		return "resource server " + name
	}
	return subject
}

// eachCredential calls f with all credentials of all clients and resource servers, by
// their subjects.
func eachCredential(ctx context.Context, r registeredKeys, f func(subject string, c *edhoc.Credential, err error)) error {
	clients, err := r.ListClients(ctx)
	if err != nil {
		return err
	}
	for _, c := range clients {
		for _, cred := range c.Credentials {
			parsed, err := credentials.ParseCredential(cred, edhocCurves...)
			f(c.Name, parsed, err)
		}
		if len(c.Credentials) > 0 {
			continue
		}
		for _, key := range c.Keys { // registered by an earlier version
			made, err := credentialOf(c.Name, key)
			f(c.Name, made, err)
		}
	}
	servers, err := r.ListResourceServers(ctx)
	if err != nil {
		return err
	}
	for _, s := range servers {
		for _, cred := range s.Credentials {
			parsed, err := credentials.ParseCredential(cred, edhocCurves...)
			f(as.ResourceServerSubject(s.Name), parsed, err)
		}
	}
	return nil
}

// eachCertSubject calls f with the subjects of certificates of all clients and resource
// servers that are registered with one.
func eachCertSubject(ctx context.Context, r registeredKeys, f func(subject, certified string)) error {
	clients, err := r.ListClients(ctx)
	if err != nil {
		return err
	}
	for _, c := range clients {
		if c.CertSubject != "" {
			f(c.Name, c.CertSubject)
		}
	}
	servers, err := r.ListResourceServers(ctx)
	if err != nil {
		return err
	}
	for _, s := range servers {
		if s.CertSubject != "" {
			f(as.ResourceServerSubject(s.Name), s.CertSubject)
		}
	}
	return nil
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
	ccs, err := edhoc.NewCCS(c.PublicKey(), "", c.KID())
	if err != nil {
		return nil, err
	}
	claims, err := ace.ParseClaims(ccs.CRED())
	if err != nil {
		return nil, fmt.Errorf("public key: %w; a key on P-256 needs both coordinates", err)
	}
	return claims.Cnf.Key, nil
}
