package trust

import (
	"bytes"
	"iter"
	"maps"
	"slices"
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
	subjects map[string][]*entry
	learned  int
	fresh    fresh
}

type entry struct {
	cred     *edhoc.Credential
	level    Level
	learned  bool
	unsigned bool // nobody vouches for its name
	since    time.Time
}

// New makes an empty Store. It returns ErrConfig if a field is missing.
func New(cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Store{
		cfg: cfg, index: index{}, byCred: map[string]*entry{}, subjects: map[string][]*entry{},
		fresh: fresh{known: map[*edhoc.Credential]newcomer{}},
	}, nil
}

// Add stores a credential that was supplied by other means than a handshake, as Trusted.
// Who came first with its name and was not vouched for is removed.
func (s *Store) Add(c *edhoc.Credential) {
	s.mu.Lock()
	over := s.evict(c)
	s.put(newcomer{cred: c, level: Trusted}, false)
	s.mu.Unlock()
	s.removed(over)
}

// put stores a credential, or raises the trust in it.
func (s *Store) put(n newcomer, learned bool) {
	c := n.cred
	if e := s.byCred[string(c.CRED())]; e != nil {
		if !learned && e.learned {
			s.learned--
			e.learned = false
		}
		e.level = max(e.level, n.level)
		e.unsigned = false
		return
	}
	e := &entry{cred: c, level: n.level, learned: learned, unsigned: n.unsigned, since: s.cfg.Now()}
	s.byCred[string(c.CRED())] = e
	s.index.add(e)
	s.subjects[c.Subject()] = append(s.subjects[c.Subject()], e)
	if learned {
		s.learned++
	}
}

// evict drops who has the name of c without being vouched for, other than c itself.
func (s *Store) evict(c *edhoc.Credential) (over []*edhoc.Credential) {
	if c.Subject() == "" {
		return nil
	}
	for _, e := range slices.Clone(s.subjects[c.Subject()]) {
		if e.unsigned && e != s.byCred[string(c.CRED())] {
			s.drop(e)
			over = append(over, e.cred)
		}
	}
	return over
}

// removed tells what is not there any more, without a lock.
func (s *Store) removed(over []*edhoc.Credential) {
	for _, c := range over {
		if s.cfg.Removed != nil {
			s.cfg.Removed(c)
		}
	}
}

// Verified is told of the credential that a peer has proved to own, that of a
// VerifiedMessage2, VerifiedMessage3 or Session, and keeps it if Find gave it out as a new
// one. After an error, an *edhoc.Error, the peer is to be refused: somebody else came
// first with the name in a credential that nobody vouches for, or the credential is not
// one that Find gave out for this handshake, or it is not trusted any more.
func (s *Store) Verified(c *edhoc.Credential) error {
	s.mu.Lock()
	over, err := s.verified(c)
	s.mu.Unlock()
	s.removed(over)
	return err
}

func (s *Store) verified(c *edhoc.Credential) (over []*edhoc.Credential, err error) {
	if e := s.byCred[string(c.CRED())]; e != nil {
		if s.unconfirmed(e, s.cfg.Now()) {
			return nil, refuse("credential is not trusted any more")
		}
		return nil, nil
	}
	n, ok := s.fresh.take(c)
	switch {
	case !ok:
		return nil, refuse("credential is not stored any more, or was not asked for")
	case n.unsigned && s.taken(c):
		return nil, refuse("credential claims the name or key identifier of other peers")
	case !n.unsigned:
		over = s.evict(c)
	}
	if s.learned < s.cfg.MaxLearned {
		s.put(n, true)
	}
	return over, nil
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
	e.level, e.unsigned = Trusted, false
	return true
}

// Remove takes a credential out, because it was revoked or is not trusted any more, and
// out of the handshakes that Find gave it to as a new one. It reports whether it was
// stored. That it does not come back is up to the Policy, Vouch and Revoked.
func (s *Store) Remove(c *edhoc.Credential) bool {
	s.mu.Lock()
	var over []*edhoc.Credential
	s.fresh.forget(c)
	if e := s.byCred[string(c.CRED())]; e != nil {
		s.drop(e)
		over = []*edhoc.Credential{e.cred}
	}
	s.mu.Unlock()
	s.removed(over)
	return over != nil
}

func (s *Store) drop(e *entry) {
	delete(s.byCred, string(e.cred.CRED()))
	s.index.remove(e)
	name := e.cred.Subject()
	s.subjects[name] = slices.DeleteFunc(s.subjects[name], func(other *entry) bool { return other == e })
	if len(s.subjects[name]) == 0 {
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
			s.drop(e)
			over = append(over, e.cred)
		}
	}
	s.mu.Unlock()
	s.removed(over)
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

// maxSameKID bounds the credentials under one key identifier, each of which is tried
// with a message, beyond which one that nobody vouches for is refused.
const maxSameKID = 64

// taken says whether c, which is not stored and which nobody vouches for, may not have
// its name: another has it, or nobody could tell any more. Nor may it have a key
// identifier that many have.
func (s *Store) taken(c *edhoc.Credential) bool {
	return s.learned >= s.cfg.MaxLearned || c.Subject() != "" && len(s.subjects[c.Subject()]) > 0 ||
		c.KID() != nil && len(s.index.find(edhoc.KID(c.KID()))) >= maxSameKID
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

// forget drops all that were given out of one credential.
func (f *fresh) forget(c *edhoc.Credential) {
	cred := c.CRED()
	maps.DeleteFunc(f.known, func(other *edhoc.Credential, _ newcomer) bool { return bytes.Equal(other.CRED(), cred) })
}
