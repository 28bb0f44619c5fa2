package idalloc

import (
	"errors"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A world is an allocator with a journal and what the peers remember of it.
type world struct {
	clock   *fakeClock
	journal *fakeJournal
	cfg     Config
	a       *Allocator

	pendings []*Pending
	lives    []*Live

	used    map[ID]time.Time // when somebody could last use it in earnest
	promise map[ID]time.Time // RestUntil that returned nil
	owned   map[ID]Holder    // acknowledged live ones
}

func newWorld(t rapid.TB, n byte, seed byte) *world {
	w := &world{
		clock: newClock(), journal: newJournal(),
		used: make(map[ID]time.Time), promise: make(map[ID]time.Time), owned: make(map[ID]Holder),
	}
	w.cfg = onlyIDs(n, w.clock)
	w.cfg.Rand = seeded(seed)
	w.cfg.Journal = w.journal
	w.cfg.PendingTTL = 60 * time.Second
	w.boot(t)
	return w
}

func (w *world) boot(t rapid.TB) {
	w.cfg.Holdings = w.journal.holdings()
	w.a = mustNew(t, w.cfg)
	w.pendings, w.lives = nil, nil
}

// given checks an identifier that was just given out (I1, I4).
func (w *world) given(t rapid.TB, id ID) {
	if h, live := w.owned[id]; live {
		t.Fatalf("%v given out, which %v holds", id, h)
	}
	if last, ok := w.used[id]; ok && w.clock.t.Before(last.Add(q)) {
		t.Fatalf("%v given out %v after its last use", id, w.clock.t.Sub(last))
	}
	if w.clock.t.Before(w.promise[id]) {
		t.Fatalf("%v given out %v too early", id, w.promise[id].Sub(w.clock.t))
	}
	delete(w.promise, id)
	w.used[id] = w.clock.t
}

// TestCrashes crashes the process at random points, with a journal that may
// fail before or after it has written (I1 to I4 and I14).
func TestCrashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n = 12
		w := newWorld(t, n, rapid.Byte().Draw(t, "seed"))
		holders := []Holder{{SourceACE, "a"}, {SourceOCF, "b"}}
		t.Repeat(map[string]func(*rapid.T){
			"allocate": func(t *rapid.T) {
				p, err := w.a.Allocate(holders[0])
				if err != nil {
					if !errors.Is(err, ErrExhausted) && !errors.Is(err, errDisk) {
						t.Fatal(err)
					}
					return
				}
				w.given(t, p.ID())
				w.pendings = append(w.pendings, p)
			},
			"confirm": func(t *rapid.T) {
				if len(w.pendings) == 0 {
					t.Skip("none")
				}
				p := w.pendings[0]
				w.pendings = w.pendings[1:]
				l, err := p.Confirm()
				if errors.Is(err, ErrExpired) {
					return
				}
				w.used[p.ID()] = w.clock.t
				if err == nil {
					w.owned[l.ID()] = holders[0]
					w.lives = append(w.lives, l)
				}
			},
			"abort": func(t *rapid.T) {
				if len(w.pendings) == 0 {
					t.Skip("none")
				}
				if s, _ := w.a.Lookup(w.pendings[0].ID()); s == StatePending {
					w.used[w.pendings[0].ID()] = w.clock.t
				}
				if err := w.pendings[0].Abort(); err != nil {
					t.Fatal(err)
				}
				w.pendings = w.pendings[1:]
			},
			"claim": func(t *rapid.T) {
				id := ID([]byte{rapid.ByteRange(0, n+2).Draw(t, "id")})
				h := rapid.SampledFrom(holders).Draw(t, "holder")
				state, holder := w.a.Lookup(id)
				mine := state == StateLive && holder == h // restored, comes back to it
				l, err := w.a.Claim(id, h)
				if err != nil {
					return
				}
				if !mine {
					w.given(t, id)
				}
				w.owned[id] = h
				w.lives = append(w.lives, l)
			},
			"restUntil": func(t *rapid.T) {
				if len(w.lives) == 0 {
					t.Skip("none")
				}
				l := rapid.SampledFrom(w.lives).Draw(t, "live")
				until := w.clock.t.Add(time.Duration(rapid.IntRange(1, 2000).Draw(t, "s")) * time.Second)
				if err := l.RestUntil(until); err == nil && until.After(w.promise[l.ID()]) {
					w.promise[l.ID()] = until
				}
			},
			"release": func(t *rapid.T) {
				if len(w.lives) == 0 {
					t.Skip("none")
				}
				l := w.lives[0]
				w.lives = w.lives[1:]
				if err := l.Release(); err != nil {
					t.Fatal(err)
				}
				delete(w.owned, l.ID())
				w.used[l.ID()] = w.clock.t
			},
			"wait": func(*rapid.T) {
				w.clock.advance(time.Duration(rapid.SampledFrom([]int{1, 59, 60, 123, 246, 247, 500}).Draw(t, "s")) * time.Second)
			},
			"flush": func(t *rapid.T) {
				if err := w.a.Flush(); err != nil && !errors.Is(err, errDisk) {
					t.Fatal(err)
				}
			},
			"disk": func(t *rapid.T) {
				w.journal.fail = rapid.SampledFrom([]string{"", "", "before", "after"}).Draw(t, "fail")
			},
			"crash": func(t *rapid.T) {
				for _, p := range w.pendings { // the peers may use them until now
					if s, _ := w.a.Lookup(p.ID()); s == StatePending {
						w.used[p.ID()] = w.clock.t
					}
				}
				w.clock.advance(time.Duration(rapid.IntRange(0, 100).Draw(t, "down")) * time.Second)
				w.journal.fail = ""
				w.boot(t)
				for _, id := range slices.Sorted(maps.Keys(w.owned)) { // what was acknowledged is still there
					h := w.owned[id]
					if s, got := w.a.Lookup(id); s != StateLive || got != h {
						t.Fatalf("%v is %v of %v after the crash, want live of %v", id, s, got, h)
					}
					if rapid.Bool().Draw(t, "keep") {
						l, err := w.a.Claim(id, h)
						if err != nil {
							t.Fatalf("owner claims %v after the crash: %v", id, err)
						}
						w.lives = append(w.lives, l)
						continue
					}
					delete(w.owned, id) // its context is lost
					w.used[id] = w.clock.t
				}
			},
			"": func(t *rapid.T) {
				if err := verify(w.a); err != nil {
					t.Fatal(err)
				}
			},
		})
		// In the end nothing has leaked: all comes back but what has an owner.
		w.journal.fail = ""
		w.boot(t)
		w.clock.advance(2*q + 2000*time.Second)
		if err := w.a.Flush(); err != nil {
			t.Fatal(err)
		}
		if s := w.a.Stats().Lengths[0]; s.Free != n {
			t.Fatalf("%d of %d are free in the end: %+v", s.Free, n, s)
		}
		if len(w.journal.held) != 0 {
			t.Fatalf("journal still holds %v", w.journal.holdings())
		}
	})
}

func TestCrashLosesOneBlockForOneQuarantine(t *testing.T) {
	w := newWorld(t, 200, 7)
	w.cfg.Lengths = []int{2}
	w.cfg.Reserved = nil
	w.boot(t)
	p := mustAllocate(t, w.a)
	for range 10 { // and crash after crash no more is lost: a block each
		w.boot(t)
		mustAllocate(t, w.a)
	}
	s := w.a.Stats().Lengths[0]
	if want := uint64(10 * blockSize); s.Quarantined != want || s.Pending != 1 {
		t.Errorf("after 10 crashes: %+v, want %d quarantined", s, want)
	}
	if s, _ := w.a.Lookup(p.ID()); s != StateQuarantined {
		t.Errorf("pending at the crash: %v", s)
	}
	w.clock.advance(q)
	if s := w.a.Stats().Lengths[0]; s.Quarantined != 1 || s.Reserved != blockSize-1 { // the pending one
		t.Errorf("rested: %+v", s)
	}
}

func TestBlockSavesWrites(t *testing.T) {
	w := newWorld(t, 1, 9)
	w.cfg.Lengths = []int{3}
	w.boot(t)
	for range 10 * blockSize {
		mustAllocate(t, w.a)
	}
	if w.journal.writes != 10 {
		t.Errorf("%d writes for %d allocations, want 10", w.journal.writes, 10*blockSize)
	}
}

func TestRestoredLive(t *testing.T) {
	w := newWorld(t, 5, 3)
	mine := Holder{SourceLwM2M, "pump"}
	l, err := w.a.Claim("\x02", mine)
	if err != nil {
		t.Fatal(err)
	}
	late := w.clock.t.Add(10 * q)
	if err := l.RestUntil(late); err != nil {
		t.Fatal(err)
	}

	w.boot(t)
	var conflict *ConflictError
	if _, err := w.a.Claim("\x02", Holder{SourceLwM2M, "valve"}); !errors.As(err, &conflict) || conflict.Holder != mine {
		t.Errorf("claimed by another: %v", err)
	}
	w.clock.advance(q - 1)
	if l, err = w.a.Claim("\x02", mine); err != nil {
		t.Fatalf("claimed by its holder: %v", err)
	}
	if _, err := w.a.Claim("\x02", mine); !errors.As(err, &conflict) {
		t.Errorf("claimed twice by its holder: %v", err)
	}
	w.clock.advance(q)
	if s, _ := w.a.Lookup("\x02"); s != StateLive {
		t.Errorf("claimed, and then %v", s)
	}

	w.boot(t) // and now nobody comes for it
	w.clock.advance(q)
	if s, _ := w.a.Lookup("\x02"); s != StateQuarantined {
		t.Errorf("not claimed: %v, want quarantined", s)
	}
	w.clock.t = late.Add(-1)
	if s, _ := w.a.Lookup("\x02"); s != StateQuarantined {
		t.Errorf("before RestUntil: %v, want quarantined", s)
	}
	w.clock.t = late
	if s, _ := w.a.Lookup("\x02"); s != StateFree {
		t.Errorf("after RestUntil: %v, want free", s)
	}
	_ = l
}

// A journal that does not answer is not an identifier given out.
func TestJournalFails(t *testing.T) {
	for _, fail := range []string{"before", "after"} {
		w := newWorld(t, 40, 5)
		p := mustAllocate(t, w.a)
		w.journal.fail = fail
		if l, err := p.Confirm(); !errors.Is(err, errDisk) || l != nil {
			t.Errorf("%s: Confirm = %v, %v", fail, l, err)
		}
		if s, _ := w.a.Lookup(p.ID()); s != StateQuarantined {
			t.Errorf("%s: after Confirm: %v", fail, s)
		}
		if _, err := w.a.Claim("\x80", Holder{SourceOCF, "x"}); !errors.Is(err, errDisk) {
			t.Errorf("%s: Claim = %v", fail, err)
		}
		for range 39 {
			if _, err := w.a.Allocate(Holder{}); err != nil && !errors.Is(err, errDisk) {
				t.Errorf("%s: Allocate = %v", fail, err)
			}
		}
		if n := len(w.a.entries); n > 10 {
			t.Errorf("%s: %d entries left behind", fail, n)
		}
		if w.a.Stats().JournalErrors == 0 {
			t.Errorf("%s: no journal error counted", fail)
		}
		check(t, w.a)
		w.journal.fail = ""
		if err := w.a.Flush(); err != nil {
			t.Fatal(err)
		}
		want := w.a.Holdings()
		got := w.journal.holdings()
		if len(got) != len(want) {
			t.Errorf("%s: the journal holds %v, want %v", fail, got, want)
		}
	}
}

// claimer is a journal during whose write an identifier of the block is claimed.
type claimer struct {
	*fakeJournal
	a    *Allocator
	live chan *Live
}

func (j *claimer) Write(hs []Holding) error {
	if j.live == nil && len(hs) > 1 {
		j.live = make(chan *Live, 1)
		go func() {
			l, err := j.a.Claim(hs[0].ID, Holder{SourceOCF, "x"})
			if err != nil {
				l = nil
			}
			j.live <- l
		}()
		for s := StateReserved; s != StateLive; s, _ = j.a.Lookup(hs[0].ID) {
			runtime.Gosched()
		}
	}
	return j.fakeJournal.Write(hs)
}

func TestClaimDuringRefill(t *testing.T) {
	j := &claimer{fakeJournal: newJournal()}
	cfg := onlyIDs(80, newClock())
	cfg.Journal = j
	j.a = mustNew(t, cfg)
	given := make(map[ID]bool)
	for range 79 {
		given[mustAllocate(t, j.a).ID()] = true
	}
	l := <-j.live
	if l == nil || given[l.ID()] {
		t.Errorf("claimed %v, given out as well: %v", l, l != nil && given[l.ID()])
	}
	check(t, j.a)
}
