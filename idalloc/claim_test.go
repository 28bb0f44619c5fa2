package idalloc

import (
	"errors"
	"strings"
	"testing"
)

func TestClaim(t *testing.T) {
	for _, journal := range []Journal{nil, newJournal()} {
		c := newClock()
		cfg := Config{Now: c.now, Lengths: []int{1}, Reserved: []Range{{"\x00", "\x10"}}, Journal: journal}
		a := mustNew(t, cfg)
		pump := Holder{SourceLwM2M, "pump-7"}
		ids := []ID{"", "\x05", "\x80", "\x01\x02\x03\x04\x05\x06\x07", "ab"} // reserved, free, of other lengths
		for _, id := range ids {
			l, err := a.Claim(id, pump)
			if err != nil {
				t.Fatalf("Claim(%v): %v", id, err)
			}
			var conflict *ConflictError
			if _, err := a.Claim(id, Holder{SourceOCF, "valve"}); !errors.As(err, &conflict) || conflict.Holder != pump || conflict.State != StateLive {
				t.Errorf("Claim(%v) twice: %v", id, err)
			} else if !strings.Contains(err.Error(), "lwm2m:pump-7") || !strings.Contains(err.Error(), id.String()) {
				t.Errorf("error %q names neither holder nor identifier", err)
			}
			if err := l.Release(); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Claim(id, pump); !errors.As(err, &conflict) || conflict.State != StateQuarantined {
				t.Errorf("Claim(%v) too soon: %v", id, err)
			}
		}
		p := mustAllocate(t, a)
		var conflict *ConflictError
		if _, err := a.Claim(p.ID(), pump); !errors.As(err, &conflict) || conflict.State != StatePending || conflict.Holder != (Holder{SourceEDHOC, "t"}) {
			t.Errorf("Claim of a pending one: %v", err)
		}
		if _, err := a.Claim("12345678", pump); err == nil {
			t.Error("8 bytes claimed")
		}
		c.advance(q)
		for i, id := range ids {
			want := StateReserved
			if i == 2 {
				want = StateFree
			}
			if got, _ := a.Lookup(id); got != want {
				t.Errorf("%v at the end: %v, want %v", id, got, want)
			}
		}
		check(t, a)
	}
}

// Every identifier that Allocate could give out can be claimed, also when it is
// drawn already; afterwards none is given out.
func TestClaimAll(t *testing.T) {
	cfg := onlyIDs(100, newClock())
	cfg.Journal = newJournal()
	a := mustNew(t, cfg)
	first := mustAllocate(t, a).ID()
	for v := range byte(100) {
		if id := ID([]byte{v}); id != first {
			if _, err := a.Claim(id, Holder{SourceKNX, "x"}); err != nil {
				t.Fatalf("Claim(%v): %v", id, err)
			}
		}
	}
	check(t, a)
	if _, err := a.Allocate(Holder{}); !errors.Is(err, ErrExhausted) {
		t.Errorf("got %v, want ErrExhausted", err)
	}
}

func TestReservedIsNeverAllocated(t *testing.T) {
	a := mustNew(t, Config{
		Now: newClock().now, Lengths: []int{1},
		Reserved: []Range{{"\x20", "\x80"}, {"\x10", "\x30"}, {"\x00\x00", "\x7f\xff"}},
	})
	for {
		p, err := a.Allocate(Holder{})
		if errors.Is(err, ErrExhausted) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if id := p.ID(); id[0] >= 0x10 && id[0] <= 0x80 {
			t.Errorf("reserved %v given out", id)
		}
	}
	s := a.Stats()
	if got, want := s.Lengths[0], (LengthStats{Length: 1, Reserved: 0x71, Pending: 256 - 0x71}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	if s.Exhausted != 1 {
		t.Errorf("exhausted %d times, want 1", s.Exhausted)
	}
}
