package edhoc

import (
	"fmt"
	"sync"

	"github.com/ostiary/ostiary/internal/secret"
)

// A Session is a completed EDHOC session. It is safe for concurrent use, and prints
// without its secrets.
type Session struct {
	Exchange
	Initiator bool        // our role
	Own       *Credential // what we authenticated with
	Peer      *Credential // what the peer has proved to own

	suite     *cipherSuite
	confirmed bool

	mu       sync.Mutex // guards the keys
	prkOut   prkOut
	exporter prkExporter
}

// done is COMPLETED, while message_4 may still come or go.
type done struct {
	run
	session *Session
	prk4e3m prk4e3m
	th4     []byte
}

func newDone(r *run, key prk4e3m, th4 []byte, own, peer *Credential) *done {
	s := &Session{Exchange: r.exchange(), Initiator: r.role == initiator, Own: own, Peer: peer, suite: r.suite}
	s.prkOut = key.prkOut(th4)
	s.exporter = s.prkOut.exporter()
	return &done{run: *r, session: s, prk4e3m: key, th4: th4}
}

func (s *done) erase() {
	s.run.erase()
	s.prk4e3m.erase()
	s.session.Erase()
}

// Algorithms gives the selected cipher suite, of which AppAEAD and AppHash are for
// the application.
func (s *Session) Algorithms() Suite { return s.suite.Suite }

// Confirmed reports whether the peer is known to have the keys: always on the
// Responder's side, on the Initiator's if it came from ProcessMessage4. A Session
// that is not confirmed should not be stored (RFC 9528, Section 5.4.2).
func (s *Session) Confirmed() bool { return s.confirmed }

// Export is EDHOC_Exporter (RFC 9528, Section 4.2.1): n bytes for the use that the
// registered label names. The same label and context give the same bytes until the
// next KeyUpdate; they must not serve two purposes. The caller erases the result.
//
//spec:9528-8-2
func (s *Session) Export(label uint16, context []byte, n int) (secret.Bytes, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exporter.key == nil {
		return nil, ErrSpent
	}
	if n < 0 || n > s.suite.hash.maxExpand() {
		return nil, misuse("export of %d bytes", n)
	}
	return s.exporter.kdf(int64(label), context, n), nil
}

// KeyUpdate is EDHOC_KeyUpdate (RFC 9528, Appendix H): it replaces the keys of the
// Session by new ones and erases the old. Both sides call it with the same context.
func (s *Session) KeyUpdate(context []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exporter.key == nil {
		return ErrSpent
	}
	//spec:9528-H-1
	old, exporter := s.prkOut, s.exporter
	s.prkOut = old.update(context)
	s.exporter = s.prkOut.exporter()
	old.erase()
	exporter.erase()
	return nil
}

// Erase deletes the keys. Export and KeyUpdate then give ErrSpent.
func (s *Session) Erase() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prkOut.erase()
	s.exporter.erase()
	s.prkOut, s.exporter = prkOut{}, prkExporter{}
}

// Format prints the Session without its keys, for every verb.
func (s *Session) Format(f fmt.State, _ rune) {
	role := "Responder"
	if s.Initiator {
		role = "Initiator"
	}
	fmt.Fprintf(f, "EDHOC session of the %s, method %v, suite %v, C_I %v, C_R %v", role, s.Method, s.Suite, s.CI, s.CR)
}
