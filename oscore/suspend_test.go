package oscore

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/nonceoracle"
)

// TestSuspend restarts a server cleanly: nobody sees it, and nothing is accepted twice.
//
//spec:8613-7.5-1
//spec:8613-7.5-2
func TestSuspend(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"RAM":         func(*Config) {},
		"store":       func(c *Config) { c.Sequence = &memoryStore{} },
		"wide window": func(c *Config) { c.ReplayWindow = 200 },
		"ID Context":  func(c *Config) { c.IDContext = []byte("context") },
		"Echo":        func(c *Config) { c.Sequence, c.RecoverWindow = &memoryStore{}, true },
		"B2":          func(c *Config) { c.B2 = B2Allowed },
		"B2 required": func(c *Config) { c.B2 = B2Required },
	} {
		t.Run(name, func(t *testing.T) {
			oracle := nonceoracle.New(t)
			cfg := Config{Params: testParams(), DangerNewAEAD: oracle.NewAEAD}
			change(&cfg)
			serverCfg := cfg
			serverCfg.Params = cfg.mirror()
			cfg.Sequence, cfg.RecoverWindow = nil, false
			c, s := mustAssociation(t, cfg), mustAssociation(t, serverCfg)
			var sent []Protected
			for range 4 {
				for range 10 {
					p, _, err := c.ProtectRequest(getRequest)
					if err != nil {
						t.Fatal(err)
					}
					sent = append(sent, wire(t, p))
				}
				_, x, y, _ := retried(t, c, s, getRequest)
				finish(t, x, y)
				late := sent[len(sent)-1] // out of order, and in the window
				_, _, lateErr := s.VerifyRequest(late)
				x, y = request(t, s, c, getRequest)
				finish(t, x, y)
				number := s.Current().sender.sequence.position()
				usage := s.Current().Usage()

				state, err := s.Suspend()
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := s.ProtectRequest(getRequest); err != ErrDiscarded {
					t.Errorf("suspended: %v, want %v", err, ErrDiscarded)
				}
				resumed := serverCfg
				resumed.Resume = state
				s = mustAssociation(t, resumed)
				if got := s.Current().sender.sequence.position(); got != number {
					t.Errorf("next number %d, want %d", got, number)
				}
				if got := s.Current().Usage(); got != usage {
					t.Errorf("usage %v, want %v", got, usage)
				}
				if _, _, err := s.VerifyRequest(late); lateErr == nil && err != error(errReplay) {
					t.Errorf("replay after the restart: %v, want %v", err, errReplay)
				}
				if _, _, _, rounds := retried(t, c, s, getRequest); rounds != 1 {
					t.Errorf("%d exchanges after the restart, want 1", rounds)
				}
			}
		})
	}
}

// TestResumeRefuses is state of another version, of another association, or damaged.
func TestResumeRefuses(t *testing.T) {
	a := mustAssociation(t, Config{Params: testParams()})
	state, err := a.Suspend()
	if err != nil {
		t.Fatal(err)
	}
	other := testParams()
	other.IDContext = []byte("other")
	if _, err := NewAssociation(Config{Params: other, Resume: state}); !errors.Is(err, errResume) {
		t.Errorf("state of another ID Context: %v, want %v", err, errResume)
	}
	c, s := b2Pair(t, B2Required, B2Required)
	_, x, y, _ := retried(t, c, s, getRequest)
	finish(t, x, y)
	rerun, err := c.Suspend()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewAssociation(Config{Params: testParams(), Resume: rerun}); !errors.Is(err, errResume) {
		t.Errorf("state of a B.2 run without B2: %v, want %v", err, errResume)
	}
	for i := range state {
		if _, err := NewAssociation(Config{Params: testParams(), Resume: state[:i]}); i > 0 && !errors.Is(err, errResume) {
			t.Errorf("%d of %d bytes: %v, want %v", i, len(state), err, errResume)
		}
	}
	if _, err := parseSuspended(append(bytes.Clone(state), 0)); !errors.Is(err, errResume) {
		t.Errorf("a byte more: %v, want %v", err, errResume)
	}
	high := suspendedState(2, 5, 3)
	if _, err := parseSuspended(high); !errors.Is(err, errResume) {
		t.Errorf("next above end: %v, want %v", err, errResume)
	}
	if _, err := parseSuspended(suspendedState(1, 0, maxSequence+2)); !errors.Is(err, errResume) {
		t.Errorf("end above 2^40: %v, want %v", err, errResume)
	}
}

func suspendedState(version, next, end uint64) []byte {
	b := cborseq.AppendBool(cborseq.AppendNull(cborseq.AppendUint(nil, version)), false)
	for _, n := range []uint64{next, end, 0, 0} {
		b = cborseq.AppendUint(b, n)
	}
	b = cborseq.AppendBool(cborseq.AppendBool(b, false), false)
	return cborseq.AppendBytes(cborseq.AppendUint(b, 0), nil)
}

// TestResumeWithNewStore: a store that was not there before knows nothing of the
// numbers that were used, and after a crash would give them out again.
func TestResumeWithNewStore(t *testing.T) {
	oracle := nonceoracle.New(t)
	cfg := Config{Params: testParams(), DangerNewAEAD: oracle.NewAEAD}
	protect := func(a *Association) {
		t.Helper()
		if _, _, err := a.ProtectRequest(getRequest); err != nil {
			t.Fatal(err)
		}
	}
	a := mustAssociation(t, cfg)
	protect(a)
	state, err := a.Suspend()
	if err != nil {
		t.Fatal(err)
	}
	stored := cfg
	stored.Sequence, stored.Resume = &memoryStore{}, state
	if a, err = NewAssociation(stored); err == nil {
		protect(a)
		stored.Resume, stored.RecoverWindow = nil, true // a crash
		protect(mustAssociation(t, stored))
	}
	if !errors.Is(err, errResume) {
		t.Errorf("numbers without a store: %v, want %v", err, errResume)
	}
}

// TestResumeOtherWindow: a window of another size accepts nothing twice, and everything
// that is new.
//
//spec:8613-7.5-2
func TestResumeOtherWindow(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		sizes := rapid.SampledFrom([]int{1, 2, 31, 32, 33, 63, 64, 65, 128, 500})
		params := testParams()
		c := mustAssociation(r, Config{Params: params})
		s := mustAssociation(r, Config{Params: params.mirror(), ReplayWindow: sizes.Draw(r, "before")})
		var sent []Protected
		accepted := map[int]bool{}
		for range 200 {
			p, _, err := c.ProtectRequest(getRequest)
			if err != nil {
				r.Fatal(err)
			}
			sent = append(sent, wire(r, p))
		}
		arrive := func(limit int) {
			for range rapid.IntRange(0, 60).Draw(r, "arrivals") {
				i := rapid.IntRange(0, limit-1).Draw(r, "request")
				_, _, err := s.VerifyRequest(sent[i])
				if err == nil && accepted[i] {
					r.Fatalf("request %d was accepted twice", i)
				}
				accepted[i] = accepted[i] || err == nil
			}
		}
		arrive(150)
		state, err := s.Suspend()
		if err != nil {
			r.Fatal(err)
		}
		s = mustAssociation(r, Config{Params: params.mirror(), Resume: state, ReplayWindow: sizes.Draw(r, "after")})
		arrive(150)
		if _, _, err := s.VerifyRequest(sent[199]); err != nil {
			r.Errorf("a new request: %v", err)
		}
	})
	// A window that has received nothing stays so.
	s := mustAssociation(t, Config{Params: testParams().mirror()})
	state, err := s.Suspend()
	if err != nil {
		t.Fatal(err)
	}
	s = mustAssociation(t, Config{Params: testParams().mirror(), Resume: state, ReplayWindow: 64})
	roundTrip(t, mustAssociation(t, Config{Params: testParams()}), s)
}

// TestSuspendWhileInUse suspends in the middle of traffic: no number comes twice, and no
// request.
//
//spec:8613-7.2-1
//spec:8613-7.5-1
//spec:8613-7.5-2
func TestSuspendWhileInUse(t *testing.T) {
	oracle := nonceoracle.New(t)
	params := testParams()
	cfg := Config{Params: params.mirror(), DangerNewAEAD: oracle.NewAEAD}
	c, s := mustAssociation(t, Config{Params: params}), mustAssociation(t, cfg)
	var mu sync.Mutex
	accepted := map[uint64]int{}
	for range 20 {
		var all sync.WaitGroup
		var sent []Protected
		for range 64 {
			p, _, err := c.ProtectRequest(getRequest)
			if err != nil {
				t.Fatal(err)
			}
			sent = append(sent, wire(t, p))
		}
		deliver := func(s *Association, p Protected) {
			m, y, err := s.VerifyRequest(p)
			if err != nil {
				return
			}
			number, _ := p.PartialIV()
			mu.Lock()
			accepted[number]++
			mu.Unlock()
			_, _ = y.ProtectResponse(Message{Code: 0x45, Payload: []byte{byte(number), byte(m.Code)}})
			_, _ = y.ProtectResponse(Message{Code: 0x45, Payload: []byte{byte(number), 2}})
		}
		for _, p := range sent {
			all.Go(func() { deliver(s, p) })
		}
		state, err := s.Suspend()
		if err != nil {
			t.Fatal(err)
		}
		all.Wait()
		cfg.Resume = state
		s = mustAssociation(t, cfg)
		for _, p := range sent {
			deliver(s, p)
		}
	}
	for number, n := range accepted {
		if n != 1 {
			t.Errorf("request %d was accepted %d times", number, n)
		}
	}
}

// TestSuspendedIsDeterministic: state that is accepted is the state of what it makes.
func TestSuspendedRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		params := testParams()
		c, s := mustAssociation(r, Config{Params: params}), mustAssociation(r, Config{Params: params.mirror()})
		for range rapid.IntRange(0, 50).Draw(r, "requests") {
			p, _, err := c.ProtectRequest(getRequest)
			if err != nil {
				r.Fatal(err)
			}
			if rapid.Bool().Draw(r, "arrives") {
				if _, _, err := s.VerifyRequest(p); err != nil {
					r.Fatal(err)
				}
			}
		}
		state, err := s.Suspend()
		if err != nil {
			r.Fatal(err)
		}
		again, err := mustAssociation(r, Config{Params: params.mirror(), Resume: state}).Suspend()
		if err != nil {
			r.Fatal(err)
		}
		if !bytes.Equal(state, again) {
			r.Errorf("state %x, and again %x", state, again)
		}
	})
}
