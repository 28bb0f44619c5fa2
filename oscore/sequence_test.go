package oscore

import (
	"errors"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/internal/nonceoracle"
)

// memoryStore is a SequenceStore that survives a restart of the test's endpoints.
type memoryStore struct {
	next  uint64
	fail  error
	calls int
}

func (s *memoryStore) Reserve(n uint64) (uint64, error) {
	s.calls++
	if s.fail != nil {
		return 0, s.fail
	}
	first := s.next
	s.next += n
	return first, nil
}

//spec:8613-7.2.1-1
//spec:8613-7.2.1-2
func TestSequenceExhausted(t *testing.T) {
	params := testParams()
	for name, store := range map[string]SequenceStore{"RAM": nil, "store": &memoryStore{next: maxSequence - 1}} {
		t.Run(name, func(t *testing.T) {
			c := mustContext(t, Config{Params: params, Sequence: store})
			s := mustContext(t, Config{Params: params.mirror()})
			if store == nil {
				c.sender.sequence.next = maxSequence - 1
			}
			_, early := request(t, s, c, getRequest) // its response comes too late
			for want := uint64(maxSequence - 1); want <= maxSequence; want++ {
				p, _, err := c.ProtectRequest(getRequest)
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := p.PartialIV(); got != want {
					t.Errorf("Partial IV = %d, want %d", got, want)
				}
				if _, _, err := s.VerifyRequest(wire(t, p)); err != nil {
					t.Errorf("verify number %d: %v", want, err)
				}
			}
			for range 3 {
				if p, _, err := c.ProtectRequest(getRequest); !errors.Is(err, ErrSequence) {
					t.Errorf("request beyond the last number: %v, want %v", err, ErrSequence)
				} else if _, err := p.Message(); err == nil {
					t.Error("a message came out")
				}
			}
			// The nonce of a request would be free, but the Sender Context is at its end.
			if _, err := early.ProtectResponse(content); !errors.Is(err, ErrSequence) {
				t.Errorf("response beyond the last number: %v, want %v", err, ErrSequence)
			}
		})
	}
}

// TestSequenceOfOne gives all numbers once, to whoever asks at once.
//
//spec:8613-7.2-2
func TestSequenceConcurrent(t *testing.T) {
	var s sequence
	s.init(&memoryStore{})
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 1000 {
				n, err := s.take()
				mu.Lock()
				if err != nil || seen[n] {
					t.Errorf("take = %d, %v, again: %t", n, err, seen[n])
				}
				seen[n] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for n := range uint64(16_000) {
		if !seen[n] {
			t.Fatalf("number %d is missing", n)
		}
	}
}

// TestSequenceBlocks: a number is reserved before it is used, and few calls do.
//
//spec:8613-B.1.1-1
func TestSequenceBlocks(t *testing.T) {
	store := &memoryStore{}
	var s sequence
	s.init(store)
	if store.calls != 0 {
		t.Errorf("%d calls before the first number", store.calls)
	}
	for range 100_000 {
		n, err := s.take()
		if err != nil {
			t.Fatal(err)
		}
		if n >= store.next {
			t.Fatalf("number %d is used, %d are reserved", n, store.next)
		}
	}
	if store.calls > 40 {
		t.Errorf("%d calls for 100000 numbers, want 40 or fewer", store.calls)
	}
}

var errStore = errors.New("disk on fire")

// TestSequenceFailClosed: what the store did not grant is not used, also when it
// grants again.
//
//spec:8613-7.5-1
//spec:8613-B.1.1-2
func TestSequenceFailClosed(t *testing.T) {
	store := &memoryStore{fail: errStore}
	params := testParams()
	c := mustContext(t, Config{Params: params, Sequence: store})
	for range 3 {
		if _, _, err := c.ProtectRequest(getRequest); !errors.Is(err, ErrSequence) || !errors.Is(err, errStore) {
			t.Fatalf("request without a number: %v, want %v: %v", err, ErrSequence, errStore)
		}
	}
	store.fail = nil
	var last uint64
	for range firstBlock {
		p, _, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		last, _ = p.PartialIV()
	}
	store.fail = errStore
	for range 3 {
		if _, _, err := c.ProtectRequest(getRequest); !errors.Is(err, errStore) {
			t.Fatalf("request behind the block: %v, want %v", err, errStore)
		}
	}
	// The blocks of the three failures may or may not be on the disk. None of their
	// numbers comes, although this store offers them again.
	store.fail = nil
	p, _, err := c.ProtectRequest(getRequest)
	for tries := 0; err != nil && tries < 10; tries++ {
		p, _, err = c.ProtectRequest(getRequest)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := p.PartialIV(); got <= last+3*firstBlock {
		t.Errorf("number after three failures = %d, want above %d", got, last+3*firstBlock)
	}
}

// TestSequenceStoreGoesBack is a store that was restored from a backup while in use.
func TestSequenceStoreGoesBack(t *testing.T) {
	store := &memoryStore{next: 1000}
	var s sequence
	s.init(store)
	for range firstBlock {
		if _, err := s.take(); err != nil {
			t.Fatal(err)
		}
	}
	store.next = 100
	if n, err := s.take(); !errors.Is(err, ErrSequence) {
		t.Errorf("take = %d, %v, want %v", n, err, ErrSequence)
	}
	store.next = 1<<63 + 5
	if n, err := s.take(); !errors.Is(err, ErrSequence) || !s.exhausted() {
		t.Errorf("take = %d, %v, want %v and exhaustion", n, err, ErrSequence)
	}
}

// crashStore is a store on a disk: what it grants is durable before, or after a
// failure perhaps. A crash forgets what is not.
type crashStore struct {
	durable uint64
	fault   func() (written, failed bool)
}

func (s *crashStore) Reserve(n uint64) (uint64, error) {
	written, failed := s.fault()
	first := s.durable
	if written || !failed {
		s.durable += n
	}
	if failed {
		return 0, errStore
	}
	return first, nil
}

// TestRestartsNeverReuseANonce restarts an endpoint again and again at any moment, with
// reservations that fail before or after they are written.
//
//spec:8613-7.2-1
//spec:8613-7.5-1
//spec:8613-B.1.1-1
func TestRestartsNeverReuseANonce(t *testing.T) {
	oracle := nonceoracle.New(t)
	rapid.Check(t, func(r *rapid.T) {
		params := testParams()
		params.IDContext = rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(r, "ID Context")
		store := &crashStore{fault: func() (bool, bool) {
			return rapid.Bool().Draw(r, "written"), rapid.IntRange(0, 3).Draw(r, "fault") == 0
		}}
		highest, any := uint64(0), false
		for range rapid.IntRange(1, 5).Draw(r, "restarts") {
			c, err := NewContext(Config{Params: params, Sequence: store, DangerNewAEAD: oracle.NewAEAD})
			if err != nil {
				r.Fatal(err)
			}
			for i := range rapid.IntRange(0, 300).Draw(r, "messages") {
				p, _, err := c.ProtectRequest(Message{Code: 1, Payload: []byte{byte(i), byte(i >> 8), 1}})
				if err != nil {
					continue
				}
				n, _ := p.PartialIV()
				if any && n <= highest {
					r.Fatalf("number %d after %d", n, highest)
				}
				highest, any = n, true
			}
		}
	})
	if oracle.Seals() < 100 {
		t.Errorf("only %d messages were protected", oracle.Seals())
	}
}
