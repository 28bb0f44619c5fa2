package oscore

import (
	"errors"
	"testing"
	"time"
)

// TestRunLosses loses each message of a run. The client sends anew, as an application
// does that hears nothing.
func TestRunLosses(t *testing.T) {
	for lost := 1; lost <= 4; lost++ {
		for _, established := range []bool{false, true} {
			mode := B2Required
			if established {
				mode = B2Allowed
			}
			c, s := b2Pair(t, mode, mode)
			if established {
				roundTrip(t, c, s)
				if err := c.Rederive(); err != nil {
					t.Fatal(err)
				}
			}
			p, x, err := c.ProtectRequest(getRequest) // request #1
			if err != nil {
				t.Fatal(err)
			}
			if lost > 1 {
				_, _, err = s.VerifyRequest(wire(t, p))
				if lost > 2 {
					assertRetry(t, x, err)
					if p, _, err = c.ProtectRequest(getRequest); err != nil { // request #2
						t.Fatal(err)
					}
					if lost > 3 {
						if _, _, err := s.VerifyRequest(wire(t, p)); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			_, x, y, rounds := retried(t, c, s, getRequest)
			if rounds > 2 {
				t.Errorf("message %d lost: %d more exchanges, want 2 or fewer", lost, rounds)
			}
			finish(t, x, y)
			assertSame(t, c, s)
			roundTrip(t, c, s)
		}
	}
}

// TestRunReplays repeats each message at each later time. A request #1 is answered, which
// nobody waits for; a request #2 is not accepted.
//
//spec:8613-B.2-4
//spec:8613-B.2.1-1
func TestRunReplays(t *testing.T) {
	c, s := b2Pair(t, B2Required, B2Required)
	p1, x1, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	p1 = wire(t, p1)
	replay1 := func(when string) {
		t.Helper()
		before := s.Current()
		if _, _, err := s.VerifyRequest(p1); !isChallenge(err) {
			t.Errorf("request #1 again, %s: %v, want response #1", when, err)
		}
		if s.Current() != before {
			t.Errorf("request #1 again, %s: the context has changed", when)
		}
	}
	_, _, err = s.VerifyRequest(p1)
	replay1("before response #1 arrives")
	assertRetry(t, x1, err)
	p2, x2, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	p2 = wire(t, p2)
	replay1("before request #2 arrives")
	_, y, err := s.VerifyRequest(p2)
	if err != nil {
		t.Fatal(err)
	}
	replay1("after request #2")
	if _, _, err := s.VerifyRequest(p2); err != error(errReplay) {
		t.Errorf("request #2 again: %v, want %v", err, errReplay)
	}
	finish(t, x2, y)
	roundTrip(t, c, s)
	if _, _, err := s.VerifyRequest(p2); err != error(errReplay) {
		t.Errorf("request #2 again, later: %v, want %v", err, errReplay)
	}
	replay1("after the run")
	// After the next run, request #2 of this one belongs to no context: at best it is
	// answered as a request #1.
	if err := c.Rederive(); err != nil {
		t.Fatal(err)
	}
	_, x, y, _ := retried(t, c, s, getRequest)
	finish(t, x, y)
	before := s.Current()
	if _, _, err := s.VerifyRequest(p2); err == nil || s.Current() != before {
		t.Errorf("request #2 after the next run: %v", err)
	}
	roundTrip(t, c, s)
	// And after a reboot of the server.
	rebooted := mustAssociation(t, b2Config(B2Required, true))
	if _, _, err := rebooted.VerifyRequest(p2); err == nil || rebooted.Current() != nil {
		t.Errorf("request #2 after a reboot: %v", err)
	}
}

// TestFlood is 10^5 requests #1: the server keeps nothing of them, and no R2 comes twice.
//
//spec:8613-B.2-3
func TestFlood(t *testing.T) {
	n := 100_000
	if raceEnabled || testing.Short() {
		n = 2000
	}
	c := mustAssociation(t, b2Config(B2Required, false))
	s := mustAssociation(t, b2Config(B2Required, true))
	p, _, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	p = wire(t, p)
	seen := map[string]bool{}
	for range n {
		_, _, err := s.VerifyRequest(p)
		var challenge *Challenge
		if !errors.As(err, &challenge) {
			t.Fatalf("request #1: %v, want response #1", err)
		}
		r2, _ := challenge.Protected.KIDContext()
		seen[string(r2)] = true
	}
	if len(seen) != n {
		t.Errorf("%d different R2s in %d responses #1", len(seen), n)
	}
	if s.Current() != nil || s.b2.first != nil || s.b2.third != nil || len(s.b2.server.key) != 32 {
		t.Error("the server keeps more than K_HMAC")
	}
	// The client is served all the same.
	_, x, y, rounds := retried(t, c, s, getRequest)
	if rounds != 2 {
		t.Errorf("%d exchanges, want 2", rounds)
	}
	finish(t, x, y)
	if s.b2.server.key != nil {
		t.Error("K_HMAC is still there after the run")
	}
}

// TestKHMACExpires: a request #2 that comes too late begins a new run.
//
//spec:8613-B.2.1-1
func TestKHMACExpires(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	c := mustAssociation(t, b2Config(B2Required, false))
	s := mustAssociation(t, b2Config(B2Required, true, func(cfg *Config) { cfg.Clock = func() time.Time { return now } }))
	for late, want := range map[time.Duration]bool{lifetime - 1: true, lifetime: false} {
		s.b2.server.erase()
		p, x, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.VerifyRequest(wire(t, p))
		assertRetry(t, x, err)
		p, x, err = c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(late)
		_, y, err := s.VerifyRequest(wire(t, p))
		if got := err == nil; got != want {
			t.Errorf("request #2 after %v: %v, want acceptance %t", late, err, want)
		}
		if err == nil {
			finish(t, x, y)
		} else {
			assertRetry(t, x, err)
			_, x, y, _ := retried(t, c, s, getRequest)
			finish(t, x, y)
		}
		assertSame(t, c, s)
		if err := c.Rederive(); err != nil {
			t.Fatal(err)
		}
	}
	// The next run, long after one that came to nothing, has a K_HMAC of its own.
	for _, client := range []B2Mode{B2Required, B2Allowed} { // with and without kid context
		c = mustAssociation(t, b2Config(client, false))
		s = mustAssociation(t, b2Config(B2Required, true, func(cfg *Config) { cfg.Clock = func() time.Time { return now } }))
		p, _, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.VerifyRequest(wire(t, p)); !isChallenge(err) {
			t.Fatal(err)
		}
		now = now.Add(lifetime)
		_, x, y, rounds := retried(t, c, s, getRequest)
		if rounds != 2 {
			t.Errorf("%d exchanges after a run that came to nothing, want 2", rounds)
		}
		finish(t, x, y)
	}
}
