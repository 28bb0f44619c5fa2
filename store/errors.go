package store

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store: closed")

	// ErrFailed: an earlier write failed in such a way that nothing can be
	// promised any more. The process must be restarted; see [Store.Err].
	ErrFailed = errors.New("store: failed earlier")

	// ErrUnknownOutcome: the change may or may not be durable. It counts as
	// perhaps made: a token as perhaps issued, a number as used.
	ErrUnknownOutcome = errors.New("store: outcome of commit unknown")

	// ErrClaimed: another server uses the security contexts of the store.
	ErrClaimed = errors.New("store: in use by another server")

	// ErrBusy: another process has had the database locked for 5 s. Nothing was
	// changed.
	ErrBusy = errors.New("store: locked by another process")

	// ErrNewer: the database was written by a newer program.
	ErrNewer = errors.New("store: database is newer than this program")

	// ErrExists: the name is taken.
	ErrExists = errors.New("store: exists already")

	// ErrNotFound: there is nothing of that name.
	ErrNotFound = errors.New("store: not found")

	// ErrOldGeneration: the security context belongs to an older generation of
	// the database and must not protect a message again (see [Store.Generation]).
	ErrOldGeneration = errors.New("store: security context of an older generation")

	// ErrKeyReuse: a security context with the same Master Secret, Master Salt
	// and ID Context has, or had, one of the same IDs (RFC 8613, Section 3.3).
	ErrKeyReuse = errors.New("store: key material was used before")

	// ErrSequence: no Sender Sequence Number is left (RFC 8613, Section 7.2.1).
	ErrSequence = errors.New("store: sender sequence numbers exhausted")
)

// An AuditError says where the audit log was altered.
type AuditError struct {
	Seq    int64 // of the first event that does not fit
	Reason string
}

// Error implements the error interface.
func (e *AuditError) Error() string {
	return fmt.Sprintf("store: audit log altered at event %d: %s", e.Seq, e.Reason)
}
