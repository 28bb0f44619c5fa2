package oscorecoap

import (
	"hash/maphash"
	"sync"
	"weak"

	"github.com/ostiary/ostiary/oscore"
)

// strangers are the networks that have failed to be the peer of an association,
// in a table of fixed size. Only who gets as far as a failed decryption is entered,
// so that the budgets of the associations bound how fast others are pushed out. It is
// safe for concurrent use.
type strangers struct {
	cfg  *ThrottleConfig
	seed maphash.Seed

	mu      sync.Mutex // guards what follows
	entries []stranger // in sets, each the place of some strangers; nil until needed
}

// setSize is how many entries are looked at for one stranger.
const setSize = 8

// A stranger is a network, for one association.
type stranger struct {
	strangerKey
	failures int
	until    int64 // when it may try again
}

// strangerKey has a weak pointer: nothing is known of an association that comes to
// lie where another was.
type strangerKey struct {
	sec    weak.Pointer[oscore.Association]
	prefix uint64
}

// set returns the entries that a stranger may have, and its own if there is one.
func (s *strangers) set(key strangerKey) (set []stranger, own *stranger) {
	at := int(maphash.Comparable(s.seed, key) % uint64(len(s.entries)/setSize))
	set = s.entries[at*setSize:][:setSize]
	for i := range set {
		if set[i].strangerKey == key {
			return set, &set[i]
		}
	}
	return set, nil
}

// admits reports whether it may try.
func (s *strangers) admits(sec *oscore.Association, prefix uint64, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		return true
	}
	_, own := s.set(strangerKey{weak.Make(sec), prefix})
	return own == nil || own.failures < s.cfg.Tries || now >= own.until
}

// failed enters a failure, and returns when it will be forgotten. Of those in its set
// the one that may try again first gives way. The pause is from half to one and a half
// of what it would be, by chance.
func (s *strangers) failed(sec *oscore.Association, prefix uint64, now int64, chance uint16) (forgotten int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = make([]stranger, (s.cfg.Sources+setSize-1)/setSize*setSize)
	}
	key := strangerKey{weak.Make(sec), prefix}
	set, x := s.set(key)
	if x == nil {
		x = &set[0]
		for i := range set {
			if set[i].until < x.until {
				x = &set[i]
			}
		}
		*x = stranger{strangerKey: key}
	}
	memory := int64(s.cfg.MaxPause)
	if now >= x.until+memory {
		x.failures = 0
	}
	x.failures++
	x.until = now
	if more := x.failures - s.cfg.Tries; more >= 0 {
		pause := s.cfg.Pause
		for ; more > 0 && pause < s.cfg.MaxPause; more-- {
			pause *= 2
		}
		pause = min(pause, s.cfg.MaxPause)
		x.until += int64(pause)/2 + int64(pause)*(2*int64(chance)+1)>>17
	}
	return x.until + memory
}

// forget forgets the failures of a network from where the peer has come.
func (s *strangers) forget(sec *oscore.Association, prefix uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		return
	}
	if _, own := s.set(strangerKey{weak.Make(sec), prefix}); own != nil {
		*own = stranger{}
	}
}
