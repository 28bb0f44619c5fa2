package store

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary/idalloc"
)

func testJournal(t *testing.T, open opener) {
	dir := t.TempDir()
	s := open(t, dir)
	j := s.Journal("as")
	want := []idalloc.Holding{
		{ID: "", State: idalloc.StateReserved},
		{ID: "\x00\xff", State: idalloc.StateQuarantined, Holder: idalloc.Holder{Source: idalloc.SourceEDHOC}},
		{ID: "a", State: idalloc.StateLive, Holder: idalloc.Holder{Source: idalloc.SourceOCF, Ref: "pümp"}, NotBefore: start.Add(time.Hour + time.Millisecond)},
	}
	gone := idalloc.Holding{ID: "gone", State: idalloc.StateLive}
	first := append([]idalloc.Holding{{ID: "a", State: idalloc.StateReserved}, gone}, want[:2]...)
	gone.State = idalloc.StateFree
	for _, changes := range [][]idalloc.Holding{first, {want[2], gone}, nil} {
		if err := j.Write(changes); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Journal("rs").Write([]idalloc.Holding{{ID: "a", State: idalloc.StateReserved}}); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, dir).Journal("as").Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if n := got[i].NotBefore; !n.IsZero() && (n.Before(want[i].NotBefore) || n.After(want[i].NotBefore.Add(time.Second))) {
			t.Errorf("not before %v, want %v and not earlier", n, want[i].NotBefore)
		}
		got[i].NotBefore = want[i].NotBefore
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A write is all or nothing.
func TestJournalIsAtomic(t *testing.T) {
	s, f := openFaulty(t, false)
	j := s.Journal("as")
	f.set(&f.before, failing("INSERT INTO id_holdings", 2))
	err := j.Write([]idalloc.Holding{{ID: "a", State: idalloc.StateLive}, {ID: "b", State: idalloc.StateLive}})
	if !errors.Is(err, errFault) {
		t.Fatalf("Write = %v", err)
	}
	if got, err := j.Holdings(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("half of it is there: %+v, %v", got, err)
	}
}

// The allocator on the store: what was acknowledged survives its process.
func testAllocatorOnStore(t *testing.T, open opener) {
	dir := t.TempDir()
	c := newClock()
	boot := func() *idalloc.Allocator {
		j := open(t, dir).Journal("as")
		held, err := j.Holdings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a, err := idalloc.New(idalloc.Config{Now: c.now, Lengths: []int{1}, Journal: j, Holdings: held})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	pump := idalloc.Holder{Source: idalloc.SourceLwM2M, Ref: "pump"}
	a := boot()
	p, err := a.Allocate(pump)
	if err != nil {
		t.Fatal(err)
	}
	live, err := p.Confirm()
	if err != nil {
		t.Fatal(err)
	}
	if err := live.RestUntil(c.t.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	seen, err := a.Allocate(pump)
	if err != nil {
		t.Fatal(err)
	}

	a = boot()
	if state, _ := a.Lookup(seen.ID()); state != idalloc.StateQuarantined {
		t.Errorf("pending before the crash: %v, want quarantined", state)
	}
	if _, err := a.Claim(live.ID(), pump); err != nil {
		t.Errorf("its holder claims it: %v", err)
	}
	a = boot()
	c.add(30 * time.Minute) // nobody claims it
	if state, holder := a.Lookup(live.ID()); state != idalloc.StateQuarantined || holder != pump {
		t.Errorf("after a second crash: %v of %v, want quarantined", state, holder)
	}
	c.add(time.Hour)
	if state, _ := a.Lookup(live.ID()); state != idalloc.StateFree {
		t.Errorf("in the end: %v, want free", state)
	}
}
