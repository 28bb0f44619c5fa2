package trust

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/edhoc"
)

// A modelled credential is what the Store should know of one.
type modelled struct {
	level             Level
	learned, unsigned bool
	since             time.Time
}

// A model is a Store as a list that is looked through.
type model struct {
	level Level // of Vouch
	max   int
	now   time.Time
	all   map[*edhoc.Credential]*modelled
	gone  int
}

func (m *model) remove(c *edhoc.Credential) {
	if m.all[c] != nil {
		m.gone++
	}
	delete(m.all, c)
}

func (m *model) learned() (n int) {
	for _, e := range m.all {
		if e.learned {
			n++
		}
	}
	return n
}

func (m *model) add(c *edhoc.Credential, level Level, learned, unsigned bool) {
	for other, e := range m.all {
		if !unsigned && other != c && e.unsigned && c.Subject() != "" && other.Subject() == c.Subject() {
			m.remove(other)
		}
	}
	if e := m.all[c]; e != nil {
		e.level, e.learned, e.unsigned = max(e.level, level), e.learned && learned, false
		return
	}
	if !learned || m.learned() < m.max {
		m.all[c] = &modelled{level, learned, unsigned, m.now}
	}
}

func (m *model) ranOut(e *modelled) bool {
	return e.level == Provisional && !m.now.Before(e.since.Add(time.Hour))
}

// claim says whether a raw public key that is not stored may come.
func (m *model) claim(c *edhoc.Credential) bool {
	if m.level == Untrusted {
		return false
	}
	if m.level == Trusted {
		return true
	}
	for other := range m.all {
		if c.Subject() != "" && other.Subject() == c.Subject() {
			return false
		}
	}
	return m.learned() < m.max
}

// TestModel compares a Store, and above all its index, with a list, over many adds,
// handshakes, confirmations, removals and sweeps.
func TestModel(t *testing.T) {
	var creds []*edhoc.Credential
	for i := range 12 {
		creds = append(creds, newCCS(t, []string{"", "a", "b", "c"}[i%4], []string{"", "k", "l"}[i%3]))
	}
	_, der := newCert(t, "a", now.Add(90*time.Minute))
	cert, err := edhoc.ParseX509(der)
	must(t, err)
	creds = append(creds, cert)
	var ids []edhoc.IDCred
	for _, c := range creds {
		ids = append(ids, c.References()...)
	}
	rapid.Check(t, func(r *rapid.T) {
		m := &model{now: now, max: rapid.IntRange(1, 5).Draw(r, "max"), all: map[*edhoc.Credential]*modelled{}}
		m.level = rapid.SampledFrom([]Level{Untrusted, Provisional, Trusted}).Draw(r, "vouched")
		told := 0
		s, err := New(Config{
			Vouch: func(context.Context, *edhoc.Credential, []edhoc.EADItem) (Level, error) { return m.level, nil },
			Now:   func() time.Time { return m.now }, MaxLearned: m.max,
			Removed: func(*edhoc.Credential) { told++ },
		})
		if err != nil {
			r.Fatal(err)
		}
		own := map[string]*edhoc.Credential{} // as this test knows them
		for _, c := range creds {
			own[string(c.CRED())] = c
		}
		cred := func(r *rapid.T) *edhoc.Credential { return rapid.SampledFrom(creds).Draw(r, "credential") }
		r.Repeat(map[string]func(*rapid.T){
			"Add": func(r *rapid.T) {
				c := cred(r)
				s.Add(c)
				m.add(c, Trusted, false, false)
			},
			"handshake": func(r *rapid.T) {
				c := cred(r)
				if c == cert {
					r.Skip("no roots")
				}
				got, err := s.Find(context.Background(), c.ByValue(), nil)
				e := m.all[c]
				want := e == nil && m.claim(c) || e != nil && !m.ranOut(e)
				if (err == nil) != want {
					r.Fatalf("Find: %v, want %t", err, want)
				}
				if err != nil {
					return
				}
				if err := s.Verified(got[0]); err != nil {
					r.Fatal(err)
				}
				if e == nil {
					m.add(c, m.level, true, m.level != Trusted)
				}
			},
			"Remove": func(r *rapid.T) {
				c := cred(r)
				if got, want := s.Remove(c), m.all[c] != nil; got != want {
					r.Fatalf("Remove: %t, want %t", got, want)
				}
				m.remove(c)
			},
			"Confirm": func(r *rapid.T) {
				c := cred(r)
				if got, want := s.Confirm(c), m.all[c] != nil; got != want {
					r.Fatalf("Confirm: %t, want %t", got, want)
				}
				if e := m.all[c]; e != nil {
					e.level, e.unsigned = Trusted, false
				}
			},
			"time and Sweep": func(r *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(0, 61).Draw(r, "minutes")) * time.Minute)
				s.Sweep()
				for c, e := range m.all {
					if c.ValidAt(m.now) != nil || m.ranOut(e) {
						m.remove(c)
					}
				}
			},
			"time": func(r *rapid.T) { m.now = m.now.Add(10 * time.Minute) },
			"": func(r *rapid.T) {
				if fmt.Sprint(s.learned, len(s.byCred)) != fmt.Sprint(m.learned(), len(m.all)) {
					r.Fatalf("%d learned of %d, want %d of %d", s.learned, len(s.byCred), m.learned(), len(m.all))
				}
				if told != m.gone {
					r.Fatalf("told of %d removed, want %d", told, m.gone)
				}
				for c, level := range s.All() {
					if e := m.all[own[string(c.CRED())]]; e == nil || e.level != level {
						r.Fatalf("%q at level %d, want %+v", c.Subject(), level, e)
					}
				}
				for _, id := range ids {
					want := 0
					for c := range m.all {
						if c.Matches(id) {
							want++
						}
					}
					if got := s.index.find(id); len(got) != want {
						r.Fatalf("%x finds %d, want %d", id.Header(), len(got), want)
					}
				}
				references, names := 0, 0
				for _, list := range s.index {
					references += len(list)
				}
				for c := range m.all {
					references -= len(c.References())
					names++
				}
				for name, list := range s.subjects {
					names -= len(list)
					if len(list) == 0 {
						r.Fatalf("nobody has the name %q", name)
					}
				}
				for k, list := range s.index {
					if len(list) == 0 {
						r.Fatalf("nothing under %q", k)
					}
				}
				if references != 0 || names != 0 {
					r.Fatalf("%d references and %d names too many or too few", references, -names)
				}
			},
		})
	})
}
