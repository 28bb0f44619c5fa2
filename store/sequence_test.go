package store

import (
	"errors"
	"slices"
	"sync"
	"testing"
)

//spec:8613-B.1.1-1
func testReserve(t *testing.T, open opener) {
	dir := t.TempDir()
	s := open(t, dir)
	q, err := s.NewSequence(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.NewSequence(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	for _, n := range []uint64{1, 100, 1 << 20} {
		first, err := q.Reserve(n)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, first)
	}
	if want := []uint64{0, 1, 101}; !slices.Equal(got, want) {
		t.Errorf("blocks begin at %d, want %d", got, want)
	}
	if first, err := other.Reserve(1); first != 0 || err != nil {
		t.Errorf("another context: %d, %v, want 0", first, err)
	}
	again := open(t, dir) // as after a crash
	if first, err := again.Sequence("a").Reserve(1); first != 101+1<<20 || err != nil {
		t.Errorf("opened again: %d, %v, want %d", first, err, 101+1<<20)
	}
}

func testReserveRefuses(t *testing.T, open opener) {
	s := open(t, t.TempDir())
	q, err := s.NewSequence(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.NewSequence(t.Context(), "a"); !errors.Is(err, ErrExists) {
		t.Errorf("NewSequence twice: %v, want ErrExists", err)
	}
	if _, err := s.Sequence("b").Reserve(1); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown context: %v, want ErrNotFound", err)
	}
	for _, n := range []uint64{0, maxBlock + 1, 1 << 63} {
		if _, err := q.Reserve(n); err == nil {
			t.Errorf("Reserve(%d) succeeded", n)
		}
	}
	if err := s.write(t.Context(), func(t *tx) error {
		_, err := t.exec("UPDATE sender_sequences SET next = $1", int64(maxSequence-1))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if first, err := q.Reserve(maxBlock); err != nil || first != maxSequence-1 {
		t.Fatalf("the last number: %d, %v", first, err)
	}
	for range 2 {
		if first, err := q.Reserve(1); !errors.Is(err, ErrSequence) {
			t.Errorf("after the last number: %d, %v, want ErrSequence", first, err)
		}
	}
}

func testReserveConcurrently(t *testing.T, open opener) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.NewSequence(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	second := open(t, dir) // a zombie of another process
	var (
		mu     sync.Mutex
		firsts []uint64
		wg     sync.WaitGroup
	)
	for w := range 8 {
		q := []*Store{s, second}[w%2].Sequence("a")
		wg.Go(func() {
			for range 25 {
				first, err := q.Reserve(10)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				firsts = append(firsts, first)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(firsts)
	for i, first := range firsts {
		if first != uint64(i)*10 {
			t.Fatalf("block %d begins at %d, want %d", i, first, i*10)
		}
	}
}

// Nothing of a block may be used if it is in doubt whether it is durable, and
// what is given later is not it.
func TestReserveInDoubt(t *testing.T) {
	for _, happened := range []bool{false, true} {
		s, f := openFaulty(t, false)
		q, err := s.NewSequence(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if happened {
			f.set(&f.after, failing("COMMIT", 1))
		} else {
			f.set(&f.before, failing("COMMIT", 1))
		}
		if first, err := q.Reserve(10); !errors.Is(err, ErrUnknownOutcome) || first != 0 {
			t.Errorf("happened %v: %d, %v, want ErrUnknownOutcome", happened, first, err)
		}
		first, err := q.Reserve(10)
		if err != nil || first != 0 && !happened || first != 10 && happened {
			t.Errorf("happened %v: then %d, %v", happened, first, err)
		}
	}
}
