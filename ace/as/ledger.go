package as

import (
	"context"
	"errors"
	"time"

	"github.com/ostiary/ostiary/ace"
)

// What a Ledger answers, wrapped or not.
var (
	// ErrNotLive: there is no such token that is recorded and neither expired,
	// superseded nor revoked.
	ErrNotLive = errors.New("as: no such live token")
	// ErrDuplicate: the CTI, the Hash or a new key's KeyID is recorded already.
	ErrDuplicate = errors.New("as: recorded before")
)

// A Ledger remembers what the AS has issued, durably: what a method has returned
// nil for is there after a crash. It is safe for concurrent use. Package astest
// holds its conformance suite.
type Ledger interface {
	// NextSequence takes the next n > 0 numbers of a sequence, of which the
	// first is not 0, and gives the first of them. Each rs, which may be "", has
	// its own. A number is given once and higher than all before it, in the whole
	// life of the AS: it does not come back after a crash, nor if the caller
	// makes no use of it, nor in a copy of the ledger that was restored from a
	// backup.
	NextSequence(ctx context.Context, rs string, n uint64) (first uint64, err error)

	// Record keeps the token, before it leaves the AS. It fails with ErrDuplicate
	// if the CTI or Hash is there already, whatever became of that token, and if
	// KeyUse is NewKey and any token has the KeyID. If KeyUse is SameKey, the
	// live tokens of that Client, Servers[0] and KeyID are superseded in the same
	// transaction; if at token.IssuedAt there is none, Record fails with
	// ErrNotLive and keeps nothing. On another error the token counts as perhaps
	// kept: the Ledger may say later that it is live, and it can be revoked.
	Record(ctx context.Context, token Issued) error

	// LiveToken gives the latest token that client got for the RS named rs with
	// the key keyID, and that is live at now; or ErrNotLive.
	LiveToken(ctx context.Context, client, rs string, keyID []byte, now time.Time) (Issued, error)

	// LiveTokenByHash gives the token with that token hash, if it is live at now; or
	// ErrNotLive.
	LiveTokenByHash(ctx context.Context, hash []byte, now time.Time) (Issued, error)

	// LastIssued is the latest IssuedAt of all tokens that were ever recorded,
	// the zero time if there are none.
	LastIssued(ctx context.Context) (time.Time, error)
}

// Issued is what a Ledger keeps of a token: no key, and not the token itself.
// Times are whole seconds in UTC.
type Issued struct {
	CTI       []byte      // 1 to 255 bytes
	Hash      []byte      // token hash, 33 bytes (RFC 9770, Section 4.4)
	Client    string      // name of the client
	Audience  string      // aud of the token
	Servers   []string    // names of the RSs behind the audience, at least one
	KeyID     []byte      // what KeyUse says, 1 to 64 bytes
	KeyUse    KeyUse      // how the token is bound to its client
	Scope     ace.Scope   // scope of the token
	Profile   ace.Profile // profile that client and RS are to use
	IssuedAt  time.Time
	Expires   time.Time // no RS accepts the token from then on
	ExpiresIn uint32    // exi in seconds; 0: the token has exp
}

// A KeyUse says what the proof-of-possession key of a token is.
type KeyUse uint8

// The values are fixed: they are stored.
const (
	NewKey    KeyUse = 1 // made for this token; KeyID is its id or kid
	SameKey   KeyUse = 2 // of an earlier token, with the same KeyID: an update of access rights
	ClientKey KeyUse = 3 // the client's public key; KeyID is its thumbprint
)
