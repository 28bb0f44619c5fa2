package oscoreprofile

import (
	"errors"
	"sync/atomic"

	"github.com/ostiary/ostiary/ace/rs"
)

// Mistakes of the caller. They never go on the wire.
var (
	// ErrSpent reports a step that was taken before, or of a zero value.
	ErrSpent = errors.New("oscoreprofile: step was taken before")

	// ErrMaterial reports input material that makes no security context: the
	// Master Secret or the identifier is missing, or an ID is too long for the AEAD
	// algorithm.
	ErrMaterial = errors.New("oscoreprofile: input material makes no security context")

	// ErrEqualIDs reports that both sides chose the same Recipient ID, so that
	// their keys would be equal (RFC 9203, Section 4.3).
	ErrEqualIDs = errors.New("oscoreprofile: both recipient IDs are the same")

	// ErrProfile reports an answer that does not belong to this profile.
	ErrProfile = errors.New("oscoreprofile: not an answer of authz-info")
)

// bad is the 4.00 of RFC 9203, Section 4.2.
func bad(reason string, cause error) *rs.Error {
	return &rs.Error{Code: rs.BadRequest, Section: "RFC 9203, Section 4.2", Reason: reason, Err: cause}
}

// once holds the state that a step takes out. Go cannot forbid the second use of
// a state; this does.
type once[T any] struct{ v atomic.Pointer[T] }

func (o *once[T]) put(v *T) { o.v.Store(v) }

func (o *once[T]) take() (*T, error) {
	if v := o.v.Swap(nil); v != nil {
		return v, nil
	}
	return nil, ErrSpent
}
