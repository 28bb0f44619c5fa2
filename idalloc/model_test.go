package idalloc

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"
)

// The model check runs the real allocator, with three identifiers and two
// clients, through every sequence of calls up to a depth: whatever is reachable
// satisfies I1 to I4 and I14 (breadth first, by replay of the shortest path).

const (
	modelIDs     = 3
	modelClients = 2
	modelTick    = q / 2
)

// choice is a Config.Rand that always draws the same position.
type choice uint64

func (c *choice) Read(b []byte) (int, error) {
	if len(b) < 8 {
		return 0, errors.New("short buffer")
	}
	binary.LittleEndian.PutUint64(b, uint64(*c))
	return 8, nil
}

type model struct {
	clock   *fakeClock
	choice  choice
	journal *fakeJournal // nil: no crashes
	a       *Allocator
	slot    [modelClients]struct {
		p *Pending
		l *Live
	}
	busy [modelIDs]time.Time // not to be given out before
	err  error
}

var modelHolders = [modelClients]Holder{{SourceACE, "a"}, {SourceEDHOC, "b"}}

func newModel(withJournal bool) *model {
	m := &model{clock: newClock()}
	if withJournal {
		m.journal = newJournal()
	}
	m.boot()
	return m
}

func (m *model) boot() {
	cfg := onlyIDs(modelIDs, m.clock)
	cfg.Rand = &m.choice
	cfg.MaxUnvalidated = 1
	if m.journal != nil {
		cfg.Journal, cfg.Holdings = m.journal, m.journal.holdings()
	}
	var err error
	if m.a, err = New(cfg); err != nil {
		m.fail("New: %v", err)
	}
	m.slot = [modelClients]struct {
		p *Pending
		l *Live
	}{}
}

func (m *model) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// A step is one call; it reports whether it was possible.
type step struct {
	name string
	run  func(*model) bool
}

func modelSteps(withJournal bool) []step {
	steps := []step{{"tick", func(m *model) bool { m.clock.advance(modelTick); return true }}}
	if withJournal {
		steps = append(steps, step{"crash", (*model).crash})
	}
	for c := range modelClients {
		for r := range modelIDs {
			steps = append(steps, step{fmt.Sprintf("allocate %d of %d", r, c), func(m *model) bool {
				m.choice = choice(r)
				return m.allocate(c, m.a.Allocate)
			}})
		}
		steps = append(steps,
			step{fmt.Sprintf("avoid 0 of %d", c), func(m *model) bool {
				m.choice = 0
				return m.allocate(c, m.a.Allocate, "\x00")
			}},
			step{fmt.Sprintf("unvalidated of %d", c), func(m *model) bool {
				m.choice = 0
				return m.allocate(c, m.a.AllocateUnvalidated)
			}},
			step{fmt.Sprintf("claim 0 of %d", c), func(m *model) bool { return m.claim(c, "\x00") }},
			step{fmt.Sprintf("confirm of %d", c), func(m *model) bool { return m.confirm(c) }},
			step{fmt.Sprintf("abort of %d", c), func(m *model) bool { return m.abort(c) }},
			step{fmt.Sprintf("release of %d", c), func(m *model) bool { return m.release(c) }},
			step{fmt.Sprintf("rest of %d", c), func(m *model) bool { return m.rest(c) }},
		)
	}
	return steps
}

func (m *model) allocate(c int, call func(Holder, ...ID) (*Pending, error), avoid ...ID) bool {
	if m.slot[c].p != nil || m.slot[c].l != nil {
		return false
	}
	p, err := call(modelHolders[c], avoid...)
	if err != nil {
		for id := range modelIDs { // only if none was free
			if s, _ := m.a.Lookup(ID([]byte{byte(id)})); errors.Is(err, ErrExhausted) && len(avoid) == 0 && (s == StateFree || s == StateReserved) {
				m.fail("exhausted, and %d is %v", id, s)
			}
		}
		return false
	}
	for _, id := range avoid {
		if p.ID() == id {
			m.fail("given %v, which was to be avoided", id)
		}
	}
	m.given(p.ID())
	m.slot[c].p = p
	return true
}

func (m *model) given(id ID) {
	if m.clock.t.Before(m.busy[id[0]]) {
		m.fail("given %v, busy for %v", id, m.busy[id[0]].Sub(m.clock.t))
	}
	for i := range m.slot {
		if l := m.slot[i].l; l != nil && l.ID() == id {
			m.fail("given %v, live", id)
		}
	}
	m.busy[id[0]] = m.clock.t.Add(2 * q) // TTL and rest
}

func (m *model) claim(c int, id ID) bool {
	if m.slot[c].p != nil || m.slot[c].l != nil {
		return false
	}
	s, h := m.a.Lookup(id)
	l, err := m.a.Claim(id, modelHolders[c])
	if err != nil {
		return false
	}
	if s != StateLive || h != modelHolders[c] {
		m.given(id)
	}
	m.slot[c].l = l
	return true
}

func (m *model) confirm(c int) bool {
	p := m.slot[c].p
	if p == nil {
		return false
	}
	m.slot[c].p = nil
	l, err := p.Confirm()
	if err == nil {
		m.slot[c].l = l
	}
	return true
}

func (m *model) abort(c int) bool {
	p := m.slot[c].p
	if p == nil {
		return false
	}
	m.slot[c].p = nil
	if s, h := m.a.Lookup(p.ID()); s == StatePending && h == modelHolders[c] {
		m.busy[p.ID()[0]] = m.clock.t.Add(q)
	}
	return p.Abort() == nil
}

func (m *model) release(c int) bool {
	l := m.slot[c].l
	if l == nil {
		return false
	}
	m.slot[c].l = nil
	m.restFrom(l.ID())
	return l.Release() == nil
}

func (m *model) restFrom(id ID) {
	e := m.a.entries[keyOf(id)]
	m.busy[id[0]] = m.clock.t.Add(q)
	if t := m.a.base.Add(e.notBefore); t.After(m.busy[id[0]]) {
		m.busy[id[0]] = t
	}
}

func (m *model) rest(c int) bool {
	l := m.slot[c].l
	return l != nil && l.RestUntil(m.clock.t.Add(q+modelTick)) == nil
}

func (m *model) crash() bool {
	for id := range modelIDs {
		k := key(1<<56 | id)
		switch e := m.a.entries[k]; {
		case e == nil:
		case e.state == StateLive:
			m.restFrom(ID([]byte{byte(id)}))
		case e.state == StatePending && m.clock.t.Sub(m.a.base) < e.until:
			m.busy[id] = m.clock.t.Add(q)
		}
	}
	m.boot()
	return true
}

// inspect checks what must hold in every state.
func (m *model) inspect() {
	if err := verify(m.a); err != nil {
		m.fail("%v", err)
	}
	if m.slot[0].l != nil && m.slot[1].l != nil && m.slot[0].l.ID() == m.slot[1].l.ID() {
		m.fail("%v is live twice", m.slot[0].l.ID()) // I1
	}
	for i := range m.slot {
		if l := m.slot[i].l; l != nil {
			if s, h := m.a.Lookup(l.ID()); s != StateLive || h != modelHolders[i] {
				m.fail("live %v of %v is %v of %v", l.ID(), modelHolders[i], s, h)
			}
		}
	}
	for id := range modelIDs { // I4
		if e := m.a.entries[key(1<<56|id)]; e == nil && m.clock.t.Before(m.busy[id]) && m.used(id) {
			m.fail("%d is free, busy for %v", id, m.busy[id].Sub(m.clock.t))
		}
	}
}

func (m *model) used(id int) bool { return !m.busy[id].IsZero() }

// signature is equal for two states from which the same can happen.
func (m *model) signature() string {
	now := m.clock.t.Sub(m.a.base)
	var b []byte
	for id := range modelIDs {
		e := m.a.entries[key(1<<56|id)]
		if e == nil {
			b = fmt.Appendf(b, "free %d,", max(0, m.busy[id].Sub(m.clock.t)))
			continue
		}
		until := time.Duration(0)
		if e.in != nil {
			until = max(0, e.until-now)
		}
		b = fmt.Appendf(b, "%d %d %d %d %v %v %d", e.state, e.holder.Source, until, max(0, e.notBefore-now), e.orphan, e.unvalidated, max(0, m.busy[id].Sub(m.clock.t)))
		for i := range m.slot {
			mine := m.slot[i].p != nil && m.slot[i].p.held.v.Load() == e || m.slot[i].l != nil && m.slot[i].l.held.v.Load() == e
			b = fmt.Append(b, " ", mine)
		}
		if m.journal != nil {
			h := m.journal.held[e.key.id()]
			b = fmt.Append(b, " ", h.State, h.Holder.Source, max(0, h.NotBefore.Sub(m.clock.t)))
		}
		b = append(b, ',')
	}
	for i := range m.slot {
		b = fmt.Append(b, m.slot[i].p != nil, m.slot[i].l != nil)
	}
	return string(b)
}

var modelDeeper = flag.Int("idalloc.deeper", 0, "how many calls deeper TestModel goes")

func TestModel(t *testing.T) {
	for _, test := range []struct {
		name    string
		journal bool
		depth   int
	}{{"memory", false, 9}, {"journal", true, 5}} {
		t.Run(test.name, func(t *testing.T) {
			depth := test.depth + *modelDeeper
			if testing.Short() {
				depth = 5
			}
			steps := modelSteps(test.journal)
			seen := map[string]bool{newModel(test.journal).signature(): true}
			frontier := [][]byte{nil}
			for d := 1; d <= depth && len(frontier) > 0; d++ {
				var next [][]byte
				for _, path := range frontier {
					for s := range steps {
						m := newModel(test.journal)
						for _, i := range path {
							steps[i].run(m)
						}
						if !steps[s].run(m) {
							continue
						}
						m.inspect()
						if m.err != nil {
							for _, i := range append(path, byte(s)) {
								t.Log(steps[i].name)
							}
							t.Fatal(m.err)
						}
						if sig := m.signature(); !seen[sig] {
							seen[sig] = true
							next = append(next, append(path[:len(path):len(path)], byte(s)))
						}
					}
				}
				frontier = next
				t.Logf("depth %d: %d states, %d new", d, len(seen), len(next))
			}
		})
	}
}
