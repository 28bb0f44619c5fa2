package idalloc

import (
	"fmt"
	"testing"
	"time"
)

// busy returns an allocator with n live identifiers, warmed up so that as many
// rest as 1000 cycles in a quarantine leave behind.
func busy(tb testing.TB, n int) (*Allocator, func()) {
	c := newClock()
	a := mustNew(tb, Config{Now: c.now, Lengths: []int{3}, Rand: seeded(4)})
	h := Holder{SourceACE, "bench"}
	for range n {
		p, err := a.Allocate(h)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := p.Confirm(); err != nil {
			tb.Fatal(err)
		}
	}
	cycle := func() {
		c.advance(q / 1000)
		p, err := a.Allocate(h, "\x00\x00\x00")
		if err != nil {
			tb.Fatal(err)
		}
		l, err := p.Confirm()
		if err != nil {
			tb.Fatal(err)
		}
		if err := l.Release(); err != nil {
			tb.Fatal(err)
		}
	}
	for range 2000 {
		cycle()
	}
	return a, cycle
}

// BenchmarkCycle is allocate, confirm, release. Its ns/op must not grow with
// the number of live identifiers.
func BenchmarkCycle(b *testing.B) {
	for _, n := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("live=%d", n), func(b *testing.B) {
			_, cycle := busy(b, n)
			b.ReportAllocs()
			for b.Loop() {
				cycle()
			}
		})
	}
}

// The work of a cycle does not grow with the number of live identifiers: the
// allocations are the same, and the entries that a sweep visits are those due.
func TestCostIsConstant(t *testing.T) {
	var allocs [2]float64
	for i, n := range []int{100, 100_000} {
		a, cycle := busy(t, n)
		allocs[i] = testing.AllocsPerRun(1000, cycle)
		if got := len(a.entries) - n; got > 1100 {
			t.Errorf("%d live: %d others are remembered", n, got)
		}
	}
	if allocs[0] != allocs[1] || allocs[0] > 4 {
		t.Errorf("allocations per cycle: %v with 100 live, %v with 100000; want the same, at most 4", allocs[0], allocs[1])
	}
}

// Memory follows the number of identifiers in use, not the space of 2^56.
func TestLargeSpaceIsNotMaterialised(t *testing.T) {
	c := newClock()
	a := mustNew(t, Config{Now: c.now, Lengths: []int{7}, Rand: seeded(4)})
	for range 2000 {
		c.advance(q / 10)
		if err := mustConfirm(t, mustAllocate(t, a)).Release(); err != nil {
			t.Fatal(err)
		}
		if n := len(a.entries) + len(a.classes[0].urn.swapped); n > 40 {
			t.Fatalf("%d words for at most 12 identifiers in use", n)
		}
	}
	if s := a.Stats().Lengths[0]; s.Free+s.Quarantined != 1<<56 {
		t.Errorf("stats %+v", s)
	}
	check(t, a)
	c.advance(time.Hour)
	if s := a.Stats().Lengths[0]; s.Free != 1<<56 || len(a.classes[0].urn.swapped) != 0 {
		t.Errorf("all rested: %+v", s)
	}
}
