package edhocservice

import (
	"context"
	"crypto/x509"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

// sessions are the peers that are trusted in a handshake, and the security
// contexts that they have made. A context ends with the trust in its peer, when
// it is too old, and when there are too many. It is safe for concurrent use.
type sessions struct {
	trusted Source
	roots   *x509.CertPool
	limits  Limits
	now     func() time.Time
	log     *slog.Logger
	end     func(*Session) // takes a context out of use

	loading sync.Mutex // held by the one who compares known with the Source

	mu       sync.Mutex // guards what follows
	loaded   bool
	revision string // of the Source that known is of
	known    known
	all      []*Session // the oldest first
	// certified are the peers whose certificates were verified, by CRED_x, for as long as
	// their handshakes take. It is bounded, and emptied when it is full.
	certified map[string]Peer
}

const (
	// maxCertified bounds the handshakes at once of peers with a certificate.
	maxCertified = 1024
	// maxChain bounds a chain in bytes: anybody can send one, and what it costs to verify
	// grows faster than its length.
	maxChain = 4 << 10
)

// find gives the trusted credentials that id may mean (edhoccoap.Config).
func (c *sessions) find(ctx context.Context, id edhoc.IDCred, _ []edhoc.EADItem) ([]*edhoc.Credential, error) {
	if err := c.refresh(ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	k := c.known
	c.mu.Unlock()
	found := k.find(id, c.now())
	if len(found) == 0 && id.X5Chain != nil {
		found = c.certify(id.X5Chain)
	}
	return found, nil
}

// certify verifies a chain of certificates, and finds the peer that it belongs to.
func (c *sessions) certify(chain [][]byte) []*edhoc.Credential {
	if c.roots == nil {
		return nil
	}
	size := 0
	for _, der := range chain {
		size += len(der)
	}
	if size > maxChain {
		c.log.Debug("certificates refused: too long", "bytes", size)
		return nil
	}
	credential, err := edhoc.VerifyX509(chain, x509.VerifyOptions{Roots: c.roots, CurrentTime: c.now()})
	if err != nil {
		c.log.Debug("certificate refused", "error", err)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.known.bySubject[credential.Subject()]
	if !ok {
		c.log.Debug("certificate of nobody who is registered", "subject", credential.Subject())
		return nil
	}
	if len(c.certified) >= maxCertified || c.certified == nil {
		c.certified = map[string]Peer{}
	}
	p.Credential = credential
	c.certified[string(credential.CRED())] = p
	return []*edhoc.Credential{credential}
}

// peer gives the peer with a credential.
func (c *sessions) peer(x *edhoc.Credential) (Peer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.known.byCRED[string(x.CRED())]
	if !ok {
		p, ok = c.certified[string(x.CRED())]
	}
	return p, ok
}

// add keeps a context, and ends the oldest ones if there are too many now. It
// reports false if the peer is not trusted any more, or not with these rights.
func (c *sessions) add(s *Session) bool {
	c.mu.Lock()
	if !c.known.trusts(s.Peer, c.now()) {
		c.mu.Unlock()
		return false
	}
	var over []*Session
	same := func(x *Session) bool { return x.Peer.Name == s.Peer.Name && x.Peer.Rights == s.Peer.Rights }
	others := 0
	for _, x := range c.all {
		if same(x) {
			others++
		}
	}
	c.all = slices.DeleteFunc(c.all, func(x *Session) bool {
		if others < c.limits.SessionsPerPeer || !same(x) {
			return false
		}
		others--
		over = append(over, x)
		return true
	})
	if n := len(c.all) + 1 - c.limits.Sessions; n > 0 {
		over = append(over, c.all[:n]...)
		c.all = slices.Delete(c.all, 0, n)
	}
	c.all = append(c.all, s)
	c.mu.Unlock()
	c.endAll(over)
	return true
}

// sweep ends the contexts of peers that are not trusted any more and those that
// are too old.
func (c *sessions) sweep(ctx context.Context) error {
	err := c.refresh(ctx)
	now := c.now()
	oldest := now.Add(-c.limits.Lifetime)
	c.drop(func(s *Session) bool { return !s.made.After(oldest) || s.Peer.Credential.ValidAt(now) != nil })
	return err
}

// refresh reads the list again if it has changed.
func (c *sessions) refresh(ctx context.Context) error {
	c.loading.Lock()
	defer c.loading.Unlock()
	revision, err := c.trusted.Revision(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	same := c.loaded && revision == c.revision
	c.mu.Unlock()
	if same {
		return nil
	}
	peers, err := c.trusted.Peers(ctx)
	if err != nil {
		return err
	}
	k := index(peers, c.log)
	c.mu.Lock()
	c.loaded, c.revision, c.known = true, revision, k
	c.mu.Unlock()
	now := c.now()
	c.drop(func(s *Session) bool { return !k.trusts(s.Peer, now) })
	return nil
}

// drop ends the contexts that over chooses.
func (c *sessions) drop(over func(*Session) bool) {
	var dropped []*Session
	c.mu.Lock()
	c.all = slices.DeleteFunc(c.all, func(s *Session) bool {
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
func (c *sessions) endAll(sessions []*Session) {
	for _, s := range sessions {
		c.end(s)
	}
}

// peers is the number of credentials, and of subjects of certificates, that are trusted.
func (c *sessions) peers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.known.byCRED) + len(c.known.bySubject)
}
