package oscorecoap

import "github.com/ostiary/ostiary/oscore"

// SetRandom replaces the source of chance of the throttle.
func (s *Server) SetRandom(random func() uint16) { s.throttle.random = random }

// Calm reports that nothing is known of failures of an association.
func Calm(sec *oscore.Association) bool { return ledgerOf(sec).calm() }

// Strangers returns how many places for strangers there are, and how many are taken.
func (s *Server) Strangers() (places, taken int) {
	t := &s.throttle.strangers
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.entries {
		if t.entries[i].failures > 0 {
			taken++
		}
	}
	return len(t.entries), taken
}
