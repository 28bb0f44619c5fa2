package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

// A Policy is a trust policy for credentials that are not stored
// (draft-ietf-lake-edhoc-impl-cons, Section 4).
type Policy uint8

const (
	// NoLearning accepts stored credentials, and new ones that Config.Vouch vouches for
	// (Section 4.2).
	NoLearning Policy = iota
	// Learning accepts new credentials that are valid (Section 4.1): with raw public keys
	// and no Vouch that is trust on first use, in anybody who comes. A name that only its
	// owner says gives way to the same name in a credential that somebody vouches for.
	Learning
)

// A Level is how far a credential is trusted.
type Level uint8

const (
	// Untrusted refuses.
	Untrusted Level = iota
	// Provisional trusts until Config.ConfirmWithin is over, unless Store.Confirm is called.
	Provisional
	// Trusted trusts until the credential expires or is removed.
	Trusted
)

// Config configures a Store. It is copied. Its functions, but for Now, may wait, and are
// called without locks. An error of theirs ends the handshake; it is the peer's fault if it
// is an *edhoc.Error, and ours if it is another. Those of C509 and CWT are always the peer's.
type Config struct {
	Policy Policy
	// Vouch asks a third party, or an EAD item that it has signed, about a new credential
	// that is valid. It may be nil: with Learning everybody is Trusted, with NoLearning nobody.
	Vouch func(ctx context.Context, c *edhoc.Credential, ead []edhoc.EADItem) (Level, error)
	// Revoked says whether a credential, stored or new, has been revoked, by a list or by
	// an EAD item such as an OCSP response. It may be nil.
	Revoked func(ctx context.Context, c *edhoc.Credential, ead []edhoc.EADItem) (bool, error)
	// Wanted says whether the owner of a credential is somebody to talk to here
	// (RFC 9528, Appendix D.2). It may be nil.
	Wanted func(c *edhoc.Credential) bool
	// Envelope finds the credential that an EAD item names, such as an access token's
	// confirmation key; ok is false if there is none. It has to be the one of ID_CRED_x
	// (draft-ietf-lake-edhoc-impl-cons, Section 5.4): a URI in either is fetched to see that,
	// and refused where it cannot be. It may be nil.
	Envelope func(ctx context.Context, ead []edhoc.EADItem) (id edhoc.IDCred, ok bool, err error)

	// X509 validates chains of X.509 certificates that come by value or from a URI. Roots
	// is needed; CurrentTime is set from Now. Nil refuses new ones.
	X509 *x509.VerifyOptions
	// C509 validates a chain of C509 certificates, each the CBOR sequence that it consists
	// of, the end entity's first. Nil refuses new ones.
	C509 func(chain [][]byte, now time.Time) (*edhoc.Credential, error)
	// CWT validates a CWT, with edhoc.ParseCWT and the key of its issuer. Nil refuses new ones.
	CWT func(cwt []byte) (*edhoc.Credential, error)
	// Fetch gets the chain of certificates, the end entity's first, that a URI of x5u or
	// c5u names: DER, or C509 as above. A peer that has proved nothing chooses the URI: allow
	// known hosts only, and bound size and time. Nil refuses URIs.
	Fetch func(ctx context.Context, uri string) ([][]byte, error)

	// MaxLearned bounds the credentials that were learned; beyond it, nothing is kept, and
	// handshakes with new ones succeed only if somebody vouches for them. The default is 1024.
	MaxLearned int
	// ConfirmWithin is how long provisional trust lasts. The default is one hour.
	ConfirmWithin time.Duration
	// Removed is told of each credential that is not trusted any more, so that sessions
	// and keys made with it can be ended (Section 2.1). It may be nil.
	Removed func(c *edhoc.Credential)
	// Now is the clock. Needed.
	Now func() time.Time
}

// ErrConfig says that a field that is needed is missing.
var ErrConfig = errors.New("trust: incomplete configuration")

func (c Config) withDefaults() (Config, error) {
	if c.Now == nil || c.X509 != nil && c.X509.Roots == nil {
		return c, ErrConfig
	}
	if c.MaxLearned <= 0 {
		c.MaxLearned = 1024
	}
	if c.ConfirmWithin <= 0 {
		c.ConfirmWithin = time.Hour
	}
	return c, nil
}

// refuse ends a handshake for what the peer has sent.
func refuse(reason string) error {
	return &edhoc.Error{Code: edhoc.CodeUnspecified, Section: "3.5", Reason: reason}
}
