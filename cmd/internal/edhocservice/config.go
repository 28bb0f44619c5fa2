// Package edhocservice is the EDHOC responder of a daemon (RFC 9528): it knows
// which peers are trusted, keeps the security contexts that their handshakes
// have made, and ends them with the trust.
package edhocservice

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"time"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// RawPublicKeys is the profile of key pairs on P-256 for static Diffie-Hellman,
// in credentials that are CWT Claims Sets.
var RawPublicKeys = edhoccoap.Profile{
	Methods:         []edhoc.Method{edhoc.StaticDHStaticDH},
	Suites:          []edhoc.SuiteID{2, 3},
	CredentialTypes: []int{1},       // CCS
	IDCredTypes:     []int64{4, 14}, // kid, kccs
	Combined:        true,
}

// A Peer is trusted in a handshake.
type Peer struct {
	// Name is the peer's in logs, and with Rights counts its sessions.
	Name string
	// Credential is what the peer proves to be its own. No two peers have one.
	Credential *edhoc.Credential
	// CertificateSubject, in place of Credential, is the subject of its certificates, as
	// RFC 2253 writes it: the peer proves to own one that Config.Roots vouch for, and
	// sends it along with its chain. No two peers have one.
	CertificateSubject string
	// Rights is what the sessions of the peer may do, in the terms of who lists it.
	// They end when it changes.
	Rights string
}

// A Source lists the peers that are trusted. It is safe for concurrent use.
type Source interface {
	// Revision changes with the list. It is asked for at each handshake.
	Revision(context.Context) (string, error)
	// Peers is the list.
	Peers(context.Context) ([]Peer, error)
}

// A Session is a security context that a handshake has made.
type Session struct {
	Peer        Peer
	Association *oscore.Association

	id   *idalloc.Live
	made time.Time
}

// Limits bound the sessions.
type Limits struct {
	Sessions        int           // of all peers; the oldest gives way
	SessionsPerPeer int           // of one
	Lifetime        time.Duration // of a session
}

// A Config describes a Service. All fields are needed but those that say so.
type Config struct {
	// Identities are our own credentials, and Profile what we support with them.
	Identities []edhoc.Identity
	Profile    edhoccoap.Profile
	Trusted    Source
	// Roots are the authorities whose certificates are taken from peers that are listed by
	// their subject; nil is none.
	Roots *x509.CertPool

	// IDs is the allocator of the endpoint, Contexts its table.
	IDs      *idalloc.Allocator
	Contexts *oscore.Contexts

	// Associate completes what the association of a new session is made of. Its
	// Subject is the name of the peer and Appendix B.2 is allowed, unless this
	// function, which may be nil, says otherwise.
	Associate func(p Peer, c *oscore.Config)
	// Begin is told of a session before the peer is answered; an error ends the
	// handshake. It may be nil.
	Begin func(*Session) error
	// Discard takes an association out of use: the contexts and what hangs on it.
	Discard func(*oscore.Association)

	Limits Limits
	Now    func() time.Time // nil means time.Now
	Log    *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Trusted == nil || c.IDs == nil || c.Contexts == nil || c.Discard == nil || c.Log == nil {
		return c, errors.New("edhocservice: incomplete configuration")
	}
	if c.Limits.Sessions < 1 || c.Limits.SessionsPerPeer < 1 || c.Limits.Lifetime <= 0 {
		return c, errors.New("edhocservice: want limits of 1 or more")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}
