package idalloc

import (
	"errors"
	"fmt"
)

var (
	// ErrSpent reports a handle that has been used already, or a zero one.
	ErrSpent = errors.New("idalloc: handle is spent")

	// ErrExhausted reports that no identifier of an allowed length is free.
	// Nothing is reused; it may be tried again when some have rested.
	ErrExhausted = errors.New("idalloc: no identifier is free")

	// ErrUnvalidated reports that too many peers with unproved addresses hold
	// identifiers. The caller asks for a proof (Echo) and then uses Allocate.
	ErrUnvalidated = errors.New("idalloc: no identifier for an unvalidated peer")

	// ErrExpired reports a pending identifier that was not confirmed in time.
	// The exchange that got it must be abandoned.
	ErrExpired = errors.New("idalloc: pending identifier is too old")
)

// A ConflictError reports a claim of an identifier that is taken.
type ConflictError struct {
	ID     ID
	State  State  // pending, live or quarantined
	Holder Holder // who has it, or had it last
}

// Error names the identifier, what it does and who holds it.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("idalloc: identifier %q is %s: held by %s", e.ID.String(), e.State, e.Holder)
}
