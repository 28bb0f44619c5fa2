package acecoap

import (
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/oscore"
)

// Admit gives a right without a token to the peer of an association in Contexts,
// which was made by other means than a token, such as EDHOC. The Subject of right
// is that of the association. It ends with Discard, and when the association can
// protect no more messages; then right.Ended is called. The error is
// rs.ErrSubject.
func (s *ResourceServer) Admit(right rs.Standing) error { return s.tokens.AddStanding(right) }

// Discard ends an association: its token or standing right, its observations with a
// protected 4.01, and the association itself. No notification can follow.
func (s *ResourceServer) Discard(sec *oscore.Association) {
	s.tokens.Remove(sec.Subject())
	s.pipeline.Discard(sec)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.spent, sec.Subject())
}
