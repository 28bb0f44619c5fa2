package trust

import (
	"iter"
	"sync"
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

// A Store holds the credentials of peers. It is safe for concurrent use.
type Store struct {
	cfg Config

	mu       sync.Mutex // guards what follows
	index    index
	byCred   map[string]*entry // by CRED_x
	subjects map[string]int    // how many have a name
	learned  int
	fresh    fresh
}

type entry struct {
	cred    *edhoc.Credential
	level   Level
	learned bool
	since   time.Time
}

// New makes an empty Store. It returns ErrConfig if a field is missing.
func New(cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Store{
		cfg: cfg, index: index{}, byCred: map[string]*entry{}, subjects: map[string]int{},
		fresh: fresh{known: map[*edhoc.Credential]newcomer{}},
	}, nil
}

// Add stores a credential that was supplied by other means than a handshake, as Trusted.
func (s *Store) Add(c *edhoc.Credential) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(c, Trusted, false)
}

// put stores c, or raises the trust in it.
func (s *Store) put(c *edhoc.Credential, level Level, learned bool) {
	if e := s.byCred[string(c.CRED())]; e != nil {
		if !learned && e.learned {
			s.learned--
			e.learned = false
		}
		e.level = max(e.level, level)
		return
	}
	e := &entry{cred: c, level: level, learned: learned, since: s.cfg.Now()}
	s.byCred[string(c.CRED())] = e
	s.index.add(e)
	s.subjects[c.Subject()]++
	if learned {
		s.learned++
	}
}

// Verified is told of the credential that a peer has proved to own, that of a
// VerifiedMessage2, VerifiedMessage3 or Session, and keeps it if Find gave it out as a new
// one. After an error, an *edhoc.Error, the peer is to be refused: somebody else came
// first with the name in a credential that nobody vouches for, or the credential is not
// one that Find gave out for this handshake.
func (s *Store) Verified(c *edhoc.Credential) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byCred[string(c.CRED())] != nil {
		return nil
	}
	n, ok := s.fresh.take(c)
	switch {
	case !ok:
		return refuse("credential is not stored any more, or was not asked for")
	case n.unsigned && s.taken(c):
		return refuse("credential claims the name of another peer")
	case s.learned < s.cfg.MaxLearned:
		s.put(c, n.level, true)
	}
	return nil
}

// Confirm makes provisional trust in a stored credential final. It reports whether
// there is one.
func (s *Store) Confirm(c *edhoc.Credential) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byCred[string(c.CRED())]
	if e == nil {
		return false
	}
	e.level = Trusted
	return true
}

// Remove takes a credential out, because it was revoked or is not trusted any more. It
// reports whether it was there.
func (s *Store) Remove(c *edhoc.Credential) bool {
	s.mu.Lock()
	e := s.byCred[string(c.CRED())]
	if e != nil {
		s.drop(e)
	}
	s.mu.Unlock()
	if e != nil && s.cfg.Removed != nil {
		s.cfg.Removed(e.cred)
	}
	return e != nil
}

func (s *Store) drop(e *entry) {
	delete(s.byCred, string(e.cred.CRED()))
	s.index.remove(e)
	if name := e.cred.Subject(); s.subjects[name] > 1 {
		s.subjects[name]--
	} else {
		delete(s.subjects, name)
	}
	if e.learned {
		s.learned--
	}
}

// Sweep removes the credentials that have expired, and those whose provisional trust
// nobody confirmed in time. The owner calls it now and then.
func (s *Store) Sweep() {
	now := s.cfg.Now()
	var over []*edhoc.Credential
	s.mu.Lock()
	for _, e := range s.byCred {
		if e.cred.ValidAt(now) != nil || s.unconfirmed(e, now) {
			over = append(over, e.cred)
		}
	}
	s.mu.Unlock()
	for _, c := range over {
		s.Remove(c)
	}
}

func (s *Store) unconfirmed(e *entry, now time.Time) bool {
	return e.level == Provisional && now.Sub(e.since) >= s.cfg.ConfirmWithin
}

// All gives the credentials that are stored, in no order, with the trust in them.
func (s *Store) All() iter.Seq2[*edhoc.Credential, Level] {
	return func(yield func(*edhoc.Credential, Level) bool) {
		s.mu.Lock()
		list := make([]entry, 0, len(s.byCred))
		for _, e := range s.byCred {
			list = append(list, *e)
		}
		s.mu.Unlock()
		for _, e := range list {
			if !yield(e.cred, e.level) {
				return
			}
		}
	}
}

// trusted says whether a stored credential still is.
func (s *Store) trusted(c *edhoc.Credential) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byCred[string(c.CRED())]
	return e != nil && !s.unconfirmed(e, s.cfg.Now())
}

// taken says whether c, which is not stored and which nobody vouches for, may not have
// its name: another has it, or nobody could tell any more.
func (s *Store) taken(c *edhoc.Credential) bool {
	return s.learned >= s.cfg.MaxLearned || c.Subject() != "" && s.subjects[c.Subject()] > 0
}

// maxFresh bounds the handshakes with new credentials that are under way. One too
// many ends the oldest.
const maxFresh = 1024

// fresh are the credentials that Find gave out and nobody has proved to own yet.
type fresh struct {
	known map[*edhoc.Credential]newcomer
	order [maxFresh]*edhoc.Credential // a ring; some are taken
	next  int
}

func (f *fresh) put(n newcomer) {
	delete(f.known, f.order[f.next])
	f.order[f.next] = n.cred
	f.next = (f.next + 1) % maxFresh
	f.known[n.cred] = n
}

func (f *fresh) take(c *edhoc.Credential) (newcomer, bool) {
	n, ok := f.known[c]
	delete(f.known, c)
	return n, ok
}
