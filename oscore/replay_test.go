package oscore

import (
	"crypto/cipher"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/internal/cose"
)

// windowModel remembers everything: the window that is meant.
type windowModel struct {
	size  uint64
	begun bool
	top   uint64
	taken map[uint64]bool
}

func (m *windowModel) take(n uint64) bool {
	if m.taken[n] || m.begun && n <= m.top && m.top-n >= m.size {
		return false
	}
	m.taken[n] = true
	if !m.begun || n > m.top {
		m.begun, m.top = true, n
	}
	return true
}

func newWindow(size int) *window {
	w := new(window)
	w.init(size)
	return w
}

//spec:8613-7.4-1
func TestWindowModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{1, 2, 31, 32, 33, 63, 64, 65, 100, 128, 4096}).Draw(t, "size")
		w, m := newWindow(size), &windowModel{size: uint64(size), taken: map[uint64]bool{}}
		at := rapid.SampledFrom([]uint64{0, 5, 1 << 20, maxSequence - 5000}).Draw(t, "start")
		steps := rapid.SliceOfN(rapid.IntRange(-3*size, 3*size), 1, 200).Draw(t, "steps")
		for _, step := range steps {
			n := at + uint64(step)
			if step < 0 && uint64(-step) > at {
				n = 0
			}
			n = min(n, maxSequence)
			want := m.take(n)
			if fresh, _ := w.check(n); fresh != want {
				t.Fatalf("check(%d) = %t, want %t (size %d, top %d)", n, fresh, want, size, m.top)
			}
			if got := w.take(n); got != want {
				t.Fatalf("take(%d) = %t, want %t (size %d, top %d)", n, got, want, size, m.top)
			}
			at = max(at, n)
		}
	})
}

// TestWindowWalk is the model over many numbers near the top, where the bits are
// reused.
func TestWindowWalk(t *testing.T) {
	for _, size := range []int{1, 32, 64, 96, 1000} {
		w, m := newWindow(size), &windowModel{size: uint64(size), taken: map[uint64]bool{}}
		state := uint64(size)
		var top uint64
		for i := range 200_000 {
			state = state*6364136223846793005 + 1442695040888963407
			span := uint64(size)*2 + 3
			n := top + (state>>33)%span
			if n < span/2 {
				n = 0
			} else {
				n -= span / 2
			}
			if got, want := w.take(n), m.take(n); got != want {
				t.Fatalf("size %d, step %d: take(%d) = %t, want %t", size, i, n, got, want)
			}
			top = m.top
		}
	}
}

// Sequences that windows have got wrong elsewhere.
//
//spec:8613-7.4-1
//spec:8613-7.4-2
func TestWindowRegressions(t *testing.T) {
	type step struct {
		number uint64
		want   bool
	}
	for name, steps := range map[string][]step{
		"3 5 4":               {{3, true}, {5, true}, {4, true}, {4, false}, {3, false}},
		"10 7 10":             {{10, true}, {7, true}, {10, false}, {7, false}},
		"0":                   {{0, true}, {0, false}, {1, true}, {0, false}},
		"left edge":           {{40, true}, {9, true}, {8, false}, {9, false}},
		"jump over all":       {{1, true}, {1 << 39, true}, {1, false}, {1<<39 - 31, true}, {1<<39 - 32, false}},
		"highest number":      {{maxSequence, true}, {maxSequence, false}, {maxSequence - 1, true}, {0, false}},
		"below the first":     {{100, true}, {99, true}, {68, false}, {69, true}},
		"jump by the ring":    {{1, true}, {65, true}, {64, true}, {34, true}, {33, false}},
		"jump below the ring": {{1, true}, {2, true}, {64, true}, {63, true}, {33, true}, {32, false}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWindow(defaultWindow)
			for i, s := range steps {
				if got := w.take(s.number); got != s.want {
					t.Errorf("step %d: take(%d) = %t, want %t", i, s.number, got, s.want)
				}
			}
		})
	}
}

// TestReplay is the window from the outside: the same bytes a second time, and after
// others.
//
//spec:8613-7.4-2
//spec:8613-8.2-5
func TestReplay(t *testing.T) {
	for _, size := range []int{0, 1, 32, 64, 200} {
		params := testParams()
		c := mustContext(t, Config{Params: params})
		s := mustContext(t, Config{Params: params.mirror(), ReplayWindow: size})
		var sent []Protected
		for range 300 {
			p, _, err := c.ProtectRequest(getRequest)
			if err != nil {
				t.Fatal(err)
			}
			sent = append(sent, wire(t, p))
		}
		for i, p := range sent {
			if _, _, err := s.VerifyRequest(p); err != nil {
				t.Fatalf("window %d: request %d: %v", size, i, err)
			}
			for _, old := range sent[:i+1] {
				if _, _, err := s.VerifyRequest(old); err != error(errReplay) {
					t.Fatalf("window %d: replay of an old request: %v, want %v", size, err, errReplay)
				}
			}
		}
		if got := s.Usage().Failures; got != 0 {
			t.Errorf("window %d: replays count as %d failures, want 0", size, got)
		}
	}
}

// TestForgedNumber: a forged Partial IV, however high, moves nothing.
//
//spec:8613-8.2-4
//spec:8613-8.2-5
func TestForgedNumber(t *testing.T) {
	params := testParams()
	c, s := mustContext(t, Config{Params: params}), mustContext(t, Config{Params: params.mirror()})
	roundTrip(t, c, s)
	p, _, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	forged := wire(t, p)
	forged.header.piv = newPartialIV(1 << 39)
	if _, _, err := s.VerifyRequest(forged); err != error(errDecrypt) {
		t.Fatalf("forged request: %v, want %v", err, errDecrypt)
	}
	if _, _, err := s.VerifyRequest(wire(t, p)); err != nil {
		t.Errorf("request after the forgery: %v", err)
	}
	if got := s.Usage().Failures; got != 1 {
		t.Errorf("failures = %d, want 1", got)
	}
}

// A barrier makes AEADs whose Open waits until as many goroutines are in it: all of them
// have looked at the window, and none has changed it.
type barrier struct{ sync.WaitGroup }

func (b *barrier) newAEAD(a cose.Algorithm, key []byte) (cipher.AEAD, error) {
	aead, err := a.NewAEAD(key)
	return &waiting{AEAD: aead, barrier: b}, err
}

type waiting struct {
	cipher.AEAD
	barrier *barrier
}

func (w *waiting) Open(dst, nonce, ciphertext, aad []byte) ([]byte, error) {
	w.barrier.Done()
	w.barrier.Wait()
	return w.AEAD.Open(dst, nonce, ciphertext, aad)
}

// atOnce gives p to n goroutines and returns how many accept it.
func atOnce(s *Context, b *barrier, p Protected, n int) int {
	b.Add(n)
	var accepted atomic.Int32
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if _, _, err := s.VerifyRequest(p); err == nil {
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	return int(accepted.Load())
}

// TestOneOfManyAccepts gives the same request to 64 goroutines, all of which find its
// number fresh.
//
//spec:8613-7.4-3
func TestOneOfManyAccepts(t *testing.T) {
	var b barrier
	params := testParams()
	c := mustContext(t, Config{Params: params})
	s := mustContext(t, Config{Params: params.mirror(), DangerNewAEAD: b.newAEAD})
	for range 20 {
		p, _, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		if got := atOnce(s, &b, wire(t, p), 64); got != 1 {
			t.Fatalf("accepted %d times, want 1", got)
		}
	}
}

// TestClosedWindow: after suspend, no number is taken and no window recovered.
//
//spec:8613-7.5-2
func TestClosedWindow(t *testing.T) {
	w := newWindow(defaultWindow)
	w.take(1)
	w.suspend(nil)
	if w.take(2) {
		t.Error("take = true")
	}
	w = newWindow(defaultWindow)
	w.lost = true
	w.suspend(nil)
	if w.recover(2) {
		t.Error("recover = true")
	}
	var s sequence
	s.init(nil)
	s.suspend(nil)
	if n, err := s.take(); err != ErrDiscarded {
		t.Errorf("take = %d, %v, want %v", n, err, ErrDiscarded)
	}
}

// TestReplayAlwaysOn: no setting turns the window off.
//
//spec:8613-7.4-1
//spec:8613-7.4-2
func TestReplayAlwaysOn(t *testing.T) {
	for _, mode := range []B2Mode{B2Off, B2Allowed, B2Required} {
		for _, lost := range []bool{false, true} {
			for _, own := range []bool{false, true} {
				c, s := b2Pair(t, mode, mode, func(cfg *Config) {
					cfg.OwnPartialIV = own
					if lost {
						cfg.Sequence, cfg.RecoverWindow = &memoryStore{}, true
					}
				})
				_, x, y, _ := retried(t, c, s, getRequest)
				finish(t, x, y)
				p, x, err := c.ProtectRequest(getRequest)
				if err != nil {
					t.Fatal(err)
				}
				_, y, err = s.VerifyRequest(wire(t, p))
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if _, _, err := s.VerifyRequest(wire(t, p)); err != error(errReplay) {
						t.Errorf("B2 %d, lost %t, own %t: replay: %v, want %v", mode, lost, own, err, errReplay)
					}
				}
				finish(t, x, y)
			}
		}
	}
}
