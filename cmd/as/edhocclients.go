package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// edhocClients are the clients that are trusted in a handshake, and the security
// contexts that they have made. A context ends with the registration of its
// key, when it is too old, and when there are too many. It is safe for
// concurrent use.
type edhocClients struct {
	registry interface {
		Revision(context.Context) (string, error)
		ListClients(context.Context) ([]as.Client, error)
	}
	limits limitsConfig
	now    func() time.Time
	log    *slog.Logger
	end    func(*edhocSession) // takes a context out of use

	loading sync.Mutex // held by the one who compares known with the registry

	mu       sync.Mutex // guards what follows
	loaded   bool
	revision string                         // of the registry that known is of
	known    map[string][]*edhoc.Credential // by kid
	sessions []*edhocSession                // the oldest first
}

// An edhocSession is a security context that a handshake has made.
type edhocSession struct {
	client      *edhoc.Credential
	association *oscore.Association
	id          *idalloc.Live
	made        time.Time
}

// find gives the registered credentials that id may mean (edhoccoap.Config).
func (c *edhocClients) find(ctx context.Context, id edhoc.IDCred, _ []edhoc.EADItem) ([]*edhoc.Credential, error) {
	if err := c.refresh(ctx); err != nil {
		return nil, err
	}
	kid := id.KID
	if sent, err := edhoc.ParseCCS(id.KCCS); err == nil {
		kid = sent.KID()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []*edhoc.Credential
	for _, k := range c.known[string(kid)] {
		if k.Matches(id) {
			found = append(found, k)
		}
	}
	return found, nil
}

// add keeps a context, and ends the oldest ones if there are too many now. It
// reports false if the client is not trusted any more.
func (c *edhocClients) add(s *edhocSession) bool {
	c.mu.Lock()
	if !c.trusted(s.client) {
		c.mu.Unlock()
		return false
	}
	var over []*edhocSession
	name, others := s.client.Subject(), 0
	for _, x := range c.sessions {
		if x.client.Subject() == name {
			others++
		}
	}
	c.sessions = slices.DeleteFunc(c.sessions, func(x *edhocSession) bool {
		if others < c.limits.EDHOCSessionsPerClient || x.client.Subject() != name {
			return false
		}
		others--
		over = append(over, x)
		return true
	})
	if n := len(c.sessions) + 1 - c.limits.EDHOCSessions; n > 0 {
		over = append(over, c.sessions[:n]...)
		c.sessions = slices.Delete(c.sessions, 0, n)
	}
	c.sessions = append(c.sessions, s)
	c.mu.Unlock()
	c.endAll(over)
	return true
}

// sweep ends the contexts of clients that are not registered any more and those
// that are too old.
func (c *edhocClients) sweep(ctx context.Context) error {
	err := c.refresh(ctx)
	oldest := c.now().Add(-time.Duration(c.limits.EDHOCLifetime))
	c.drop(func(s *edhocSession) bool { return !s.made.After(oldest) })
	return err
}

// refresh reads the clients again if the registry has changed.
func (c *edhocClients) refresh(ctx context.Context) error {
	c.loading.Lock()
	defer c.loading.Unlock()
	revision, err := c.registry.Revision(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	same := c.loaded && revision == c.revision
	c.mu.Unlock()
	if same {
		return nil
	}
	clients, err := c.registry.ListClients(ctx)
	if err != nil {
		return err
	}
	known := map[string][]*edhoc.Credential{}
	for _, client := range clients {
		for _, key := range client.Keys {
			credential, err := credentialOf(client.Name, key)
			if err != nil {
				c.log.Debug("key is of no use for EDHOC", "client", client.Name, "error", err)
				continue
			}
			kid := string(credential.KID())
			known[kid] = append(known[kid], credential)
		}
	}
	c.mu.Lock()
	c.loaded, c.revision, c.known = true, revision, known
	c.mu.Unlock()
	c.drop(func(s *edhocSession) bool { return !c.trusted(s.client) })
	return nil
}

// trusted says whether a credential is registered. The caller holds mu.
func (c *edhocClients) trusted(x *edhoc.Credential) bool {
	return slices.ContainsFunc(c.known[string(x.KID())], func(k *edhoc.Credential) bool {
		return bytes.Equal(k.CRED(), x.CRED())
	})
}

// drop ends the contexts that over chooses.
func (c *edhocClients) drop(over func(*edhocSession) bool) {
	var dropped []*edhocSession
	c.mu.Lock()
	c.sessions = slices.DeleteFunc(c.sessions, func(s *edhocSession) bool {
		if !over(s) {
			return false
		}
		dropped = append(dropped, s)
		return true
	})
	c.mu.Unlock()
	c.endAll(dropped)
}

// endAll is called without mu: the end of an observation sends a message.
func (c *edhocClients) endAll(sessions []*edhocSession) {
	for _, s := range sessions {
		c.end(s)
	}
}

// count is the number of clients with a key.
func (c *edhocClients) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, k := range c.known {
		n += len(k)
	}
	return n
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
