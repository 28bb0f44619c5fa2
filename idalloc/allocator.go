package idalloc

import (
	"errors"
	"io"
	"time"
)

// A Config describes an [Allocator].
type Config struct {
	// Now is the clock, required. Durations are taken from its monotonic
	// reading where it has one; a clock that goes back stops time here.
	Now func() time.Time

	// Rand chooses among free identifiers; nil means crypto/rand.Reader.
	Rand io.Reader

	// Lengths are the lengths in bytes, ascending, that Allocate may give
	// out; nil means 1, 2, 3. Claim takes any length from 0 to MaxLen.
	Lengths []int

	// Reserved ranges are left to Claim.
	Reserved []Range

	// Quarantine is how long an identifier rests; less than 247 s, the
	// EXCHANGE_LIFETIME of RFC 7252, Section 4.8.2, means 247 s.
	Quarantine time.Duration

	// PendingTTL is how long a pending identifier may wait for Confirm;
	// zero means 247 s.
	PendingTTL time.Duration

	// MaxUnvalidated bounds the identifiers that peers with unproved
	// addresses can occupy, pending and resting; zero means 32, negative none.
	MaxUnvalidated int

	// Journal makes holdings survive a crash; nil keeps them in memory.
	Journal Journal

	// Holdings is what the Journal holds from before, nil for a first start.
	Holdings []Holding
}

// An Allocator owns the Recipient IDs of one endpoint. Its methods and those of
// its handles are safe for concurrent use. Cost of every method but Stats and
// Holdings does not depend on the number of identifiers in use, and its memory
// is proportional to that number and not to the size of the space.
type Allocator struct{}

// New returns an Allocator in which everything is free but the reserved ranges
// and the holdings. The ages of holdings are unknown and count from now: a live
// one waits a Quarantine for Claim by its own Holder and then rests, any other
// rests for a Quarantine or until its NotBefore, whichever is later.
func New(cfg Config) (*Allocator, error) { return nil, errors.New("idalloc: not written yet") }

// Allocate gives out a free identifier of the shortest length, at random, that
// is not one of avoid (the peer's own, such as C_I or ID1). Errors:
// [ErrExhausted], or one of the Journal.
func (a *Allocator) Allocate(h Holder, avoid ...ID) (*Pending, error) {
	return nil, ErrExhausted
}

// AllocateUnvalidated is Allocate for a peer that has not proved its address.
// What such peers occupy is bounded, see Config.MaxUnvalidated; beyond that the
// error is [ErrUnvalidated]. Pending.Validate ends the restriction.
func (a *Allocator) AllocateUnvalidated(h Holder, avoid ...ID) (*Pending, error) {
	return nil, ErrExhausted
}

// Claim takes the identifier id for a context that is provisioned with it, or
// takes over a restored live one for the same Holder. The error is a
// [*ConflictError] if another holder has it or had it too recently.
func (a *Allocator) Claim(id ID, h Holder) (*Live, error) { return nil, ErrExhausted }

// Lookup tells the state of an identifier and who holds it, or held it last.
func (a *Allocator) Lookup(id ID) (State, Holder) { return StateFree, Holder{} }

// Holdings returns everything that is not free, ordered by length and value,
// as a Journal would hold it.
func (a *Allocator) Holdings() []Holding { return nil }

// Flush writes to the Journal what could wait: releases and ends of quarantine.
func (a *Allocator) Flush() error { return nil }

// A Pending is an identifier that is given out in an exchange which is not
// complete. Confirm or Abort uses it up.
type Pending struct{}

// ID returns the identifier, also when the handle is spent.
func (p *Pending) ID() ID { return "" }

// Validate tells that the peer has proved its address. It may be called always.
func (p *Pending) Validate() {}

// Confirm makes the identifier live. Errors: [ErrSpent], [ErrExpired], or one of
// the Journal, after which the identifier rests.
func (p *Pending) Confirm() (*Live, error) { return nil, ErrSpent }

// Abort gives the identifier back. It may follow Confirm and then does nothing
// but return [ErrSpent], so that it can be deferred.
func (p *Pending) Abort() error { return ErrSpent }

// A Live is an identifier that names a security context. Release uses it up.
type Live struct{}

// ID returns the identifier, also when the handle is spent.
func (l *Live) ID() ID { return "" }

// RestUntil tells that after its release the identifier must rest until t at
// least: a token, an observation or a sleeping peer may use it until then. The
// latest t of several counts. Errors: [ErrSpent], or one of the Journal, after
// which t holds until the next crash only.
func (l *Live) RestUntil(t time.Time) error { return ErrSpent }

// Release ends the use of the identifier, which then rests. A second call does
// nothing but return [ErrSpent].
func (l *Live) Release() error { return ErrSpent }
