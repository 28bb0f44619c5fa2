package idalloc

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestShortestFirst(t *testing.T) {
	for _, journal := range []Journal{nil, newJournal()} {
		a := mustNew(t, Config{Now: newClock().now, Rand: seeded(2), Journal: journal})
		seen := make(map[ID]bool)
		for i := range 600 {
			id := mustAllocate(t, a).ID()
			want := 2
			if i < 256 {
				want = 1
			}
			cheap := len(id) == 1 && (id[0] <= 0x17 || id[0] >= 0x20 && id[0] <= 0x37)
			if len(id) != want || cheap != (i < 48) || seen[id] {
				t.Fatalf("allocation %d: %v, want length %d, sent in one byte: %v, not before: %v", i, id, want, i < 48, !seen[id])
			}
			seen[id] = true
		}
		check(t, a)
	}
}

func TestOrderIsRandom(t *testing.T) {
	first := make(map[ID]bool)
	for seed := range byte(20) {
		a := mustNew(t, Config{Now: newClock().now, Rand: seeded(seed)})
		first[mustAllocate(t, a).ID()] = true
	}
	if len(first) < 10 {
		t.Errorf("20 seeds gave %d different first identifiers", len(first))
	}
}

//spec:9528-3.3.3-1
func TestAvoid(t *testing.T) {
	for _, journal := range []Journal{nil, newJournal()} {
		c := newClock()
		cfg := onlyIDs(3, c)
		cfg.Journal = journal
		a := mustNew(t, cfg)
		p := mustAllocate(t, a, "\x00", "\x02", "\x01\x01", "")
		if p.ID() != "\x01" {
			t.Errorf("got %v, want 01", p.ID())
		}
		if p, err := a.Allocate(Holder{}, "\x00", "\x02"); !errors.Is(err, ErrExhausted) {
			t.Errorf("all free ones avoided: got %v, %v, want ErrExhausted", p, err)
		}
		mustAllocate(t, a, "\x00")
		mustAllocate(t, a, "\x02")
		if _, err := a.Allocate(Holder{}); !errors.Is(err, ErrExhausted) {
			t.Errorf("got %v, want ErrExhausted", err)
		}
		check(t, a)
	}
}

func TestQuarantine(t *testing.T) {
	c := newClock()
	a := mustNew(t, onlyIDs(1, c))
	l := mustConfirm(t, mustAllocate(t, a))
	if s, h := a.Lookup("\x00"); s != StateLive || h.Ref != "t" {
		t.Errorf("Lookup = %v, %v", s, h)
	}
	c.advance(1000 * time.Hour)
	if _, err := a.Allocate(Holder{}); !errors.Is(err, ErrExhausted) {
		t.Fatalf("live identifier given out: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	c.advance(q - 1)
	if _, err := a.Allocate(Holder{}); !errors.Is(err, ErrExhausted) {
		t.Fatalf("after %v: %v, want ErrExhausted", q-1, err)
	}
	if s, _ := a.Lookup("\x00"); s != StateQuarantined {
		t.Errorf("state %v, want quarantined", s)
	}
	c.advance(1)
	mustAllocate(t, a)
	check(t, a)
}

func TestRestUntil(t *testing.T) {
	c := newClock()
	a := mustNew(t, onlyIDs(2, c))
	l := mustConfirm(t, mustAllocate(t, a))
	other := mustConfirm(t, mustAllocate(t, a))
	for _, d := range []time.Duration{2 * q, 3 * q, q} { // the latest counts
		if err := l.RestUntil(c.t.Add(d)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.Release(), other.Release()); err != nil {
		t.Fatal(err)
	}
	c.advance(q)
	if got := mustAllocate(t, a).ID(); got != other.ID() {
		t.Errorf("got %v, want %v", got, other.ID())
	}
	c.advance(2*q - 1)
	if s, _ := a.Lookup(l.ID()); s != StateQuarantined {
		t.Errorf("before its time: %v, want quarantined", s)
	}
	c.advance(1)
	if s, _ := a.Lookup(l.ID()); s != StateFree {
		t.Errorf("after its time: %v, want free", s)
	}
	check(t, a)
}

func TestPendingTTL(t *testing.T) {
	c := newClock()
	cfg := onlyIDs(1, c)
	cfg.PendingTTL = 30 * time.Second
	a := mustNew(t, cfg)
	p := mustAllocate(t, a)
	c.advance(30 * time.Second)
	if _, err := p.Confirm(); !errors.Is(err, ErrExpired) {
		t.Errorf("Confirm = %v, want ErrExpired", err)
	}
	c.advance(q - 1)
	if _, err := a.Allocate(Holder{}); !errors.Is(err, ErrExhausted) {
		t.Errorf("got %v, want ErrExhausted", err)
	}
	c.advance(1) // counted from the end of the TTL, whenever that was noticed
	mustConfirm(t, mustAllocate(t, a))
	if s := a.Stats(); s.Expired != 1 || s.Confirmed != 1 {
		t.Errorf("stats %+v", s)
	}
	check(t, a)
}

func TestHandlesAreSpentOnce(t *testing.T) {
	a := mustNew(t, Config{Now: newClock().now})
	var (
		zeroP Pending
		zeroL Live
	)
	zeroP.Validate()
	if _, err := zeroP.Confirm(); !errors.Is(err, ErrSpent) {
		t.Errorf("zero Pending: %v", err)
	}
	if err := zeroP.Abort(); !errors.Is(err, ErrSpent) {
		t.Errorf("zero Pending: %v", err)
	}
	if err := zeroL.Release(); !errors.Is(err, ErrSpent) {
		t.Errorf("zero Live: %v", err)
	}
	if err := zeroL.RestUntil(time.Now()); !errors.Is(err, ErrSpent) {
		t.Errorf("zero Live: %v", err)
	}

	p := mustAllocate(t, a)
	l := mustConfirm(t, p)
	if err := p.Abort(); !errors.Is(err, ErrSpent) {
		t.Errorf("Abort after Confirm: %v", err)
	}
	if s, _ := a.Lookup(l.ID()); s != StateLive {
		t.Errorf("Abort after Confirm left %v", s)
	}
	if _, err := p.Confirm(); !errors.Is(err, ErrSpent) {
		t.Errorf("second Confirm: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Errorf("Release: %v", err)
	}
	if err := l.Release(); !errors.Is(err, ErrSpent) {
		t.Errorf("second Release: %v", err)
	}
	if err := l.RestUntil(time.Now()); !errors.Is(err, ErrSpent) {
		t.Errorf("RestUntil after Release: %v", err)
	}
	if p.ID() != l.ID() || p.ID() == "" {
		t.Errorf("identifiers %v, %v", p.ID(), l.ID())
	}
}

// A flood of first messages with forged sources must not take the identifiers
// away from others (pending-session flood).
func TestUnvalidatedQuota(t *testing.T) {
	c := newClock()
	cfg := onlyIDs(20, c)
	cfg.MaxUnvalidated = 4
	cfg.PendingTTL = 10 * time.Second
	a := mustNew(t, cfg)
	var got []*Pending
	for range 100 {
		c.advance(time.Second)
		if a.RefusesUnvalidated() != (len(got) == 4) {
			t.Errorf("refuses with %d", len(got))
		}
		p, err := a.AllocateUnvalidated(Holder{SourceEDHOC, "?"})
		if err == nil {
			got = append(got, p)
		} else if !errors.Is(err, ErrUnvalidated) {
			t.Fatal(err)
		}
	}
	if len(got) != 4 { // though their TTL is over: they rest
		t.Fatalf("%d identifiers for unvalidated peers, want 4", len(got))
	}
	if s := a.Stats(); s.Unvalidated != 4 || s.Refused != 2*96 || s.Expired != 4 {
		t.Errorf("stats %+v", s)
	}
	for range 16 {
		mustAllocate(t, a)
	}
	c.advance(q)
	if a.RefusesUnvalidated() {
		t.Error("refuses after they have rested")
	}
	p, err := a.AllocateUnvalidated(Holder{})
	if err != nil {
		t.Fatalf("after they have rested: %v", err)
	}
	p.Validate()
	p.Validate()
	if s := a.Stats(); s.Unvalidated != 0 {
		t.Errorf("%d unvalidated after Validate", s.Unvalidated)
	}
	p, err = a.AllocateUnvalidated(Holder{})
	if err != nil {
		t.Fatal(err)
	}
	mustConfirm(t, p)
	if s := a.Stats(); s.Unvalidated != 0 {
		t.Errorf("%d unvalidated after Confirm", s.Unvalidated)
	}
	check(t, a)

	cfg.MaxUnvalidated = -1
	if _, err := mustNew(t, cfg).AllocateUnvalidated(Holder{}); !errors.Is(err, ErrUnvalidated) {
		t.Errorf("quota of none: %v", err)
	}
}

// A failing unvalidated allocation gives its place back.
func TestUnvalidatedQuotaDoesNotLeak(t *testing.T) {
	cfg := onlyIDs(20, newClock())
	j := newJournal()
	cfg.Journal, cfg.MaxUnvalidated = j, 2
	a := mustNew(t, cfg)
	j.fail = "before"
	for range 10 {
		if _, err := a.AllocateUnvalidated(Holder{}); !errors.Is(err, errDisk) {
			t.Fatalf("got %v, want %v", err, errDisk)
		}
	}
	j.fail = ""
	if _, err := a.AllocateUnvalidated(Holder{}); err != nil {
		t.Errorf("after the journal is back: %v", err)
	}
	check(t, a)
}

func TestClockGoesBack(t *testing.T) {
	c := newClock()
	a := mustNew(t, onlyIDs(1, c))
	if err := mustAllocate(t, a).Abort(); err != nil {
		t.Fatal(err)
	}
	c.advance(q / 2)
	a.Stats()
	c.advance(-10 * q)
	if s, _ := a.Lookup("\x00"); s != StateQuarantined {
		t.Errorf("clock back: %v", s)
	}
	c.advance(10*q + q/2)
	if s, _ := a.Lookup("\x00"); s != StateFree {
		t.Errorf("clock forth again: %v", s)
	}
	// What was released while the clock was back rests no shorter for that.
	l := mustConfirm(t, mustAllocate(t, a))
	c.advance(-q)
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	c.advance(q)
	if s, _ := a.Lookup("\x00"); s != StateQuarantined {
		t.Errorf("released while the clock was back: %v", s)
	}
}

// However many are due at once, a free one is found.
func TestManyDueAtOnce(t *testing.T) {
	c := newClock()
	cfg := onlyIDs(30, c)
	cfg.PendingTTL = q
	a := mustNew(t, cfg)
	first := mustAllocate(t, a)
	for range 29 {
		mustAllocate(t, a)
	}
	if err := first.Abort(); err != nil {
		t.Fatal(err)
	}
	c.advance(q) // the first has rested, the others begin to
	if got := mustAllocate(t, a).ID(); got != first.ID() {
		t.Errorf("got %v, want %v", got, first.ID())
	}
	check(t, a)
}

// One identifier that rests for a year does not make the queue slow.
func TestDistantDeadline(t *testing.T) {
	c := newClock()
	a := mustNew(t, Config{Now: c.now})
	for i := range 100 {
		l := mustConfirm(t, mustAllocate(t, a))
		if i == 0 {
			if err := l.RestUntil(c.t.AddDate(1, 0, 0)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(a.resting.heap); n != 1 {
		t.Errorf("%d entries in the heap, want 1", n)
	}
	check(t, a)
}

func TestNewRefuses(t *testing.T) {
	now := newClock().now
	for name, cfg := range map[string]Config{
		"no clock":          {},
		"length 0":          {Now: now, Lengths: []int{0, 1}},
		"length 8":          {Now: now, Lengths: []int{8}},
		"descending":        {Now: now, Lengths: []int{2, 1}},
		"range of lengths":  {Now: now, Reserved: []Range{{"a", "bb"}}},
		"range upside down": {Now: now, Reserved: []Range{{"b", "a"}}},
		"range too long":    {Now: now, Reserved: []Range{{"12345678", "12345678"}}},
		"held twice":        {Now: now, Holdings: []Holding{{ID: "a", State: StateLive}, {ID: "a", State: StateReserved}}},
		"held free":         {Now: now, Holdings: []Holding{{ID: "a"}}},
		"held unknown":      {Now: now, Holdings: []Holding{{ID: "a", State: 77}}},
		"held too long":     {Now: now, Holdings: []Holding{{ID: "12345678", State: StateLive}}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestEverythingReserved(t *testing.T) {
	for _, lengths := range [][]int{{}, {1}} {
		a := mustNew(t, Config{Now: newClock().now, Lengths: lengths, Reserved: []Range{{"\x00", "\xff"}}})
		if _, err := a.Allocate(Holder{}); !errors.Is(err, ErrExhausted) {
			t.Errorf("got %v, want ErrExhausted", err)
		}
	}
}

func TestRandFails(t *testing.T) {
	for _, journal := range []Journal{nil, newJournal()} {
		a := mustNew(t, Config{Now: newClock().now, Rand: strings.NewReader("12345678abc"), Journal: journal})
		var err error
		for range 2 {
			_, err = a.Allocate(Holder{})
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want EOF", err)
		}
		check(t, a)
	}
}

func TestConcurrentUse(t *testing.T) {
	for _, journal := range []Journal{nil, newJournal()} {
		cfg := onlyIDs(60, newClock())
		cfg.Journal, cfg.Lengths = journal, []int{1, 2}
		cfg.Now = time.Now
		a := mustNew(t, cfg)
		var (
			wg   sync.WaitGroup
			mu   sync.Mutex
			live = make(map[ID]bool)
		)
		for range 8 {
			wg.Go(func() {
				for i := range 300 {
					p, err := a.Allocate(Holder{SourceACE, "c"})
					if err != nil {
						t.Error(err)
						return
					}
					l, err := p.Confirm()
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if live[l.ID()] {
						t.Errorf("%v given out twice", l.ID())
					}
					live[l.ID()] = true
					mu.Unlock()
					switch i % 3 {
					case 0:
						err = l.RestUntil(time.Now().Add(time.Hour))
					case 1:
						err = l.Release()
					}
					if err != nil {
						t.Error(err)
					}
					a.Lookup(l.ID())
				}
			})
		}
		wg.Wait()
		if err := a.Flush(); err != nil {
			t.Fatal(err)
		}
		check(t, a)
		if s := a.Stats(); s.Confirmed != 2400 || s.Released != 800 || len(live) != 2400 {
			t.Errorf("stats %+v, %d identifiers", s, len(live))
		}
	}
}

// One handle, many goroutines: one of them gets it.
func TestConcurrentConfirm(t *testing.T) {
	a := mustNew(t, Config{Now: newClock().now})
	p := mustAllocate(t, a)
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		won int
	)
	for range 16 {
		wg.Go(func() {
			if _, err := p.Confirm(); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d goroutines confirmed", won)
	}
}
