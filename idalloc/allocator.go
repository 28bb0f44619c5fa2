package idalloc

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// exchangeLifetime is EXCHANGE_LIFETIME (RFC 7252, Section 4.8.2): as long a
// message of an exchange may still arrive.
const exchangeLifetime = 247 * time.Second

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
// its handles are safe for concurrent use. The cost of every method but Stats
// and Holdings does not depend on the number of identifiers in use, and memory
// is proportional to that number and not to the size of the space.
type Allocator struct {
	now            func() time.Time
	base           time.Time // durations in entries count from here
	quarantine     time.Duration
	pendingTTL     time.Duration
	maxUnvalidated int
	journal        Journal

	writing sync.Mutex // held during Journal.Write; taken before mu

	mu          sync.Mutex // guards all below
	rand        *bufio.Reader
	last        time.Duration // the latest time seen
	classes     []*class      // by preference
	entries     map[key]*entry
	waiting     queue // pending, until their TTL
	orphans     queue // live from before New, until claimed
	resting     queue // quarantined
	unvalidated int
	dirty       map[key]struct{} // what the journal must learn
	batch       *batch           // the next write
	stats       Stats
	states      [MaxLen + 1][StateQuarantined + 1]uint64 // entries by length and state
}

// A class is the identifiers of one length, or a part of them that is
// preferred, which Allocate may give out.
type class struct {
	length int
	space  space
	urn    urn
	block  []*entry // drawn and durable, not given out; only with a journal
	refill *batch   // the write of the next block, nil if none is under way
}

// New returns an Allocator in which everything is free but the reserved ranges
// and the holdings. The ages of holdings are unknown and count from now: a live
// one waits a Quarantine for Claim by its own Holder and then rests, any other
// rests for a Quarantine or until its NotBefore, whichever is later.
func New(cfg Config) (*Allocator, error) {
	if cfg.Now == nil {
		return nil, errors.New("idalloc: no clock")
	}
	a := &Allocator{
		now:            cfg.Now,
		base:           cfg.Now(),
		quarantine:     max(cfg.Quarantine, exchangeLifetime),
		pendingTTL:     cfg.PendingTTL,
		maxUnvalidated: cfg.MaxUnvalidated,
		journal:        cfg.Journal,
		rand:           bufio.NewReaderSize(rand.Reader, 512),
		entries:        make(map[key]*entry),
		dirty:          make(map[key]struct{}),
		batch:          new(batch),
	}
	if cfg.Rand != nil {
		a.rand = bufio.NewReaderSize(cfg.Rand, 512)
	}
	if a.pendingTTL <= 0 {
		a.pendingTTL = exchangeLifetime
	}
	if a.maxUnvalidated == 0 {
		a.maxUnvalidated = 32
	}
	if err := a.makeClasses(cfg.Lengths, cfg.Reserved); err != nil {
		return nil, err
	}
	for _, h := range cfg.Holdings {
		if err := a.restore(h); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *Allocator) makeClasses(lengths []int, reserved []Range) error {
	holes, err := reservedSpans(reserved)
	if err != nil {
		return err
	}
	if lengths == nil {
		lengths = []int{1, 2, 3}
	}
	for i, length := range lengths {
		if length < 1 || length > MaxLen || i > 0 && length <= lengths[i-1] {
			return fmt.Errorf("idalloc: lengths %v: must ascend from 1 to %d", lengths, MaxLen)
		}
		for _, s := range spaces(length, holes[length]) {
			a.classes = append(a.classes, &class{length: length, space: s, urn: newUrn(s.n)})
		}
	}
	return nil
}

// restore takes over a holding of an earlier Allocator.
func (a *Allocator) restore(h Holding) error {
	if len(h.ID) > MaxLen {
		return fmt.Errorf("idalloc: restore %q: %w", h.ID.String(), errTooLong)
	}
	k := keyOf(h.ID)
	if a.entries[k] != nil {
		return fmt.Errorf("idalloc: restore %q: held twice", h.ID.String())
	}
	e := a.enter(k, h.Holder)
	if !h.NotBefore.IsZero() {
		e.notBefore = max(0, h.NotBefore.Sub(a.base))
	}
	switch h.State {
	case StateLive:
		a.set(e, StateLive)
		e.orphan = true
		e.until = a.quarantine
		a.orphans.push(e, false)
	case StateReserved, StatePending, StateQuarantined:
		a.rest(e, 0)
	default:
		return fmt.Errorf("idalloc: restore %q: state %s", h.ID.String(), h.State)
	}
	return nil
}
