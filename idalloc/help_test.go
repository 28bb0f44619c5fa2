package idalloc

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"
)

const q = exchangeLifetime

// A fakeClock is set by the test.
type fakeClock struct{ t time.Time }

func newClock() *fakeClock { return &fakeClock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *fakeClock) now() time.Time          { return c.t }
func (c *fakeClock) advance(d time.Duration) { c.t = c.t.Add(d) }

// seeded is a reproducible Config.Rand.
func seeded(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

// A fakeJournal is a disk that can fail before or after it has written.
type fakeJournal struct {
	held   map[ID]Holding
	writes int
	fail   string // "", "before", "after"
}

var errDisk = errors.New("disk on fire")

func newJournal() *fakeJournal { return &fakeJournal{held: make(map[ID]Holding)} }

func (j *fakeJournal) Write(hs []Holding) error {
	j.writes++
	if j.fail == "before" {
		return errDisk
	}
	for _, h := range hs {
		if h.State == StateFree {
			delete(j.held, h.ID)
		} else {
			j.held[h.ID] = h
		}
	}
	if j.fail == "after" {
		return errDisk
	}
	return nil
}

func (j *fakeJournal) holdings() []Holding {
	return slices.SortedFunc(maps.Values(j.held), compareHoldings)
}

func mustNew(t rapid.TB, cfg Config) *Allocator {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return a
}

func mustAllocate(t rapid.TB, a *Allocator, avoid ...ID) *Pending {
	t.Helper()
	p, err := a.Allocate(Holder{SourceEDHOC, "t"}, avoid...)
	if err != nil {
		t.Fatalf("Allocate: %v", err)
	}
	return p
}

func mustConfirm(t rapid.TB, p *Pending) *Live {
	t.Helper()
	l, err := p.Confirm()
	if err != nil {
		t.Fatalf("Confirm: %v", err)
	}
	return l
}

// onlyIDs is a Config whose free identifiers are one-byte values 0..n-1.
func onlyIDs(n byte, c *fakeClock) Config {
	return Config{Now: c.now, Lengths: []int{1}, Reserved: []Range{{ID([]byte{n}), "\xff"}}}
}

// verify checks what must hold of a's own books at any moment (I3).
func verify(a *Allocator) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var states [MaxLen + 1][StateQuarantined + 1]uint64
	queued := make(map[*entry]*queue)
	for _, qu := range []*queue{&a.waiting, &a.orphans, &a.resting} {
		var prev *entry
		for e := qu.first; e != nil; prev, e = e, e.next {
			if e.prev != prev || prev != nil && prev.until > e.until || e.heap != 0 {
				return fmt.Errorf("list broken at %v", e.key.id())
			}
			queued[e] = qu
		}
		if qu.last != prev {
			return errors.New("list end broken")
		}
		for i, e := range qu.heap {
			if e.heap != i+1 || qu.heap[(i+1)/2-min(1, (i+1)/2)].until > e.until {
				return fmt.Errorf("heap broken at %v", e.key.id())
			}
			queued[e] = qu
		}
	}
	unvalidated := 0
	inBlock := make(map[*entry]bool)
	for _, c := range a.classes {
		for _, e := range c.block {
			inBlock[e] = true
		}
	}
	used := make(map[*class]uint64)
	for k, e := range a.entries {
		states[k.length()][e.state]++
		if e.unvalidated {
			unvalidated++
		}
		want := map[State]*queue{StatePending: &a.waiting, StateQuarantined: &a.resting}[e.state]
		if e.orphan {
			want = &a.orphans
		}
		if e.key != k || e.in != want || queued[e] != want {
			return fmt.Errorf("%v %v is in the wrong queue", k.id(), e.state)
		}
		if e.state == StateFree || inBlock[e] != (e.state == StateReserved) {
			return fmt.Errorf("%v is %v and in a block: %v", k.id(), e.state, inBlock[e])
		}
		if c, number := a.classOf(k); c != nil {
			used[c]++
			if c.urn.take(number) {
				return fmt.Errorf("%v is %v and free", k.id(), e.state)
			}
		}
	}
	for _, c := range a.classes {
		if c.urn.taken != used[c] || uint64(len(c.urn.swapped)) > 2*c.urn.taken {
			return fmt.Errorf("urn of length %d: taken %d of %d used, %d words", c.length, c.urn.taken, used[c], len(c.urn.swapped))
		}
	}
	if states != a.states || unvalidated != a.unvalidated {
		return fmt.Errorf("counted %v, %d; want %v, %d", a.states, a.unvalidated, states, unvalidated)
	}
	return nil
}

func check(t rapid.TB, a *Allocator) {
	t.Helper()
	if err := verify(a); err != nil {
		t.Fatal(err)
	}
}
