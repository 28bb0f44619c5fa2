package oscore

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// maxSequence is the highest Sender Sequence Number: it fits in the 5 bytes of a
// Partial IV (Section 7.2.1).
const maxSequence = 1<<40 - 1

// Sizes of the blocks that are reserved of a SequenceStore: a device that restarts
// often and says little does not waste numbers, one that says much does not wait for the
// store.
const (
	firstBlock = 64
	lastBlock  = 4096
)

// sequence is the Sender Sequence Number (Section 3.1) and the block of numbers that
// may be used without asking the store (Appendix B.1.1).
type sequence struct {
	mu        sync.Mutex // guards all but dry
	next, end uint64     // the numbers that may be used: next..end-1
	store     *reservations
	dry       atomic.Bool // no number is left: next is above maxSequence
	closed    bool        // by suspend
}

// reservations is a SequenceStore, and what it has said.
type reservations struct {
	SequenceStore
	block   uint64 // how many numbers to ask for
	floor   uint64 // no number below it is taken
	granted bool   // there was a block
}

// init begins at 0, or where the store says.
func (s *sequence) init(store SequenceStore) {
	if store == nil {
		s.store, s.end = nil, maxSequence+1
		return
	}
	s.store, s.end = &reservations{SequenceStore: store, block: firstBlock}, 0
}

// take returns the next number, which nobody else has or gets.
//
//spec:8613-7.2-2
//spec:8613-7.2.1-1
func (s *sequence) take() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrDiscarded
	}
	if s.next == s.end {
		if err := s.reserve(); err != nil {
			return 0, err
		}
	}
	n := s.next
	s.next++
	s.dry.Store(s.next > maxSequence)
	return n, nil
}

// position returns the next number.
func (s *sequence) position() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// exhausted reports whether the last number was taken: then the Sender Context is not
// used for anything any more, also not with the nonces of requests.
//
//spec:8613-7.2.1-2
func (s *sequence) exhausted() bool { return s.dry.Load() }

// reserve takes a block of the store. A block of which it is not certain that it was
// written is never used, also if a later reservation succeeds: with every failure the
// floor rises by a block.
//
//spec:8613-7.5-1
//spec:8613-B.1.1-1
//spec:8613-B.1.1-2
func (s *sequence) reserve() error {
	for range 3 { // a second time after a failure, a third for the store's own caution
		r := s.store
		if r == nil || s.next > maxSequence {
			return ErrSequence
		}
		first, err := r.Reserve(r.block)
		if err != nil {
			if r.granted {
				r.floor = max(r.floor, s.end) + r.block
			}
			return fmt.Errorf("%w: %w", ErrSequence, err)
		}
		if first < s.end {
			return fmt.Errorf("%w: the store went back", ErrSequence)
		}
		r.granted = true
		if first > maxSequence {
			s.next, s.end = maxSequence+1, maxSequence+1
			s.dry.Store(true)
			return ErrSequence
		}
		s.end = min(first+r.block, maxSequence+1)
		s.next = max(first, min(r.floor, s.end))
		if s.next < s.end {
			r.block = min(2*r.block, lastBlock)
			return nil
		}
	}
	return fmt.Errorf("%w: the store stays behind", ErrSequence)
}
