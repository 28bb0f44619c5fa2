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
	mu        sync.Mutex // guards all
	next, end uint64     // the numbers that may be used: next..end-1
	store     SequenceStore
	block     uint64
	floor     uint64      // no number below it is taken of the store
	granted   bool        // the store gave a block
	dry       atomic.Bool // no number is left: next is above maxSequence
	closed    bool        // by suspend
}

func (s *sequence) init(store SequenceStore) {
	s.store, s.block, s.end = store, firstBlock, 0
	if store == nil {
		s.end = maxSequence + 1
	}
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
		if s.store == nil || s.next > maxSequence {
			return ErrSequence
		}
		first, err := s.store.Reserve(s.block)
		if err != nil {
			if s.granted {
				s.floor = max(s.floor, s.end) + s.block
			}
			return fmt.Errorf("%w: %w", ErrSequence, err)
		}
		if first < s.end {
			return fmt.Errorf("%w: the store went back", ErrSequence)
		}
		s.granted = true
		if first > maxSequence {
			s.next, s.end = maxSequence+1, maxSequence+1
			s.dry.Store(true)
			return ErrSequence
		}
		s.end = min(first+s.block, maxSequence+1)
		s.next = max(first, min(s.floor, s.end))
		if s.next < s.end {
			s.block = min(2*s.block, lastBlock)
			return nil
		}
	}
	return fmt.Errorf("%w: the store stays behind", ErrSequence)
}
