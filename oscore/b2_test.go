package oscore

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/internal/nonceoracle"
)

// b2Config is a side of a pair with Appendix B.2.
func b2Config(mode B2Mode, mirrored bool, change ...func(*Config)) Config {
	cfg := Config{Params: testParams(), B2: mode}
	if mirrored {
		cfg.Params = cfg.Params.mirror()
	}
	for _, f := range change {
		f(&cfg)
	}
	return cfg
}

// b2Pair is a client and a server with Appendix B.2 in the given modes.
func b2Pair(t testing.TB, client, server B2Mode, change ...func(*Config)) (c, s *Association) {
	t.Helper()
	oracle := nonceoracle.New(t)
	change = append(change, func(cfg *Config) { cfg.DangerNewAEAD = oracle.NewAEAD })
	return mustAssociation(t, b2Config(client, false, change...)), mustAssociation(t, b2Config(server, true, change...))
}

// assertSame checks that both sides use the same context, which came of a run.
func assertSame(t testing.TB, c, s *Association) {
	t.Helper()
	a, b := c.Current(), s.Current()
	if a == nil || b == nil || !bytes.Equal(a.IDContext(), b.IDContext()) {
		t.Fatalf("contexts %v and %v, want the same", a, b)
	}
	if got := len(a.IDContext()); got != sizeR2+sizeR3 {
		t.Fatalf("ID Context of %d bytes, want %d", got, sizeR2+sizeR3)
	}
	if a.SenderID()[0] != b.RecipientID()[0] {
		t.Error("the IDs have changed")
	}
}

// finish sends the answer of a run's last request.
func finish(t testing.TB, x *ClientExchange, y *ServerExchange) {
	t.Helper()
	assertMessage(t, verify(t, x, respond(t, y, content)), content)
}

// TestRun is a whole run, message by message as in Figure 14 of RFC 8613, and the messages
// after it.
//
//spec:8613-3.1-1
//spec:8613-B.2-1
func TestRun(t *testing.T) {
	var replaced []*Context
	c, s := b2Pair(t, B2Required, B2Required, func(cfg *Config) {
		cfg.OnReplaced = func(old, new *Context) { replaced = append(replaced, old, new) }
	})
	if c.Current() != nil || s.Current() != nil {
		t.Fatal("there is a context before the first run")
	}
	// Request #1, kid context = R1 in a CBOR byte string.
	p, x, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	r1, _ := p.KIDContext()
	if len(r1) != 9 || r1[0] != 0x48 {
		t.Errorf("kid context of request #1 = %x, want 48 and 8 bytes", r1)
	}
	// Response #1, kid context = R2.
	_, _, err = s.VerifyRequest(wire(t, p))
	var challenge *Challenge
	if !errors.As(err, &challenge) || challenge.Section != "B.2" {
		t.Fatalf("request #1: %v, want response #1", err)
	}
	if s.Current() != nil {
		t.Error("request #1 has made a context")
	}
	r2, _ := challenge.Protected.KIDContext()
	if len(r2) != 17 || r2[0] != 0x50 {
		t.Errorf("kid context of response #1 = %x, want 50 and 16 bytes", r2)
	}
	if _, own := challenge.Protected.PartialIV(); own {
		t.Error("response #1 has a Partial IV, which Californium's clients do not use for the nonce")
	}
	if out, _ := challenge.Protected.Message(); out.Code != 0x44 {
		t.Errorf("outer Code of response #1 = %v, want 2.04", out.Code)
	}
	assertRetry(t, x, err)
	if c.Current() != nil {
		t.Error("response #1 has made a context")
	}
	// Request #2, kid context = R2 || R3.
	p, x, err = c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	id3, _ := p.KIDContext()
	if len(id3) != 26 || id3[0] != 0x58 || id3[1] != 24 || !bytes.Equal(id3[2:18], r2[1:]) {
		t.Errorf("kid context of request #2 = %x, want 5818, R2 %x and 8 bytes", id3, r2[1:])
	}
	m, y, err := s.VerifyRequest(wire(t, p))
	if err != nil {
		t.Fatalf("request #2: %v", err)
	}
	assertMessage(t, m, getRequest)
	if s.Current() == nil || c.Current() != nil {
		t.Errorf("after request #2: client %v, server %v", c.Current(), s.Current())
	}
	// Response #2.
	answer := respond(t, y, content)
	if _, has := answer.KIDContext(); has {
		t.Error("response #2 has a kid context")
	}
	assertMessage(t, verify(t, x, answer), content)
	assertSame(t, c, s)
	if len(replaced) != 4 || replaced[0] != nil || replaced[1] != s.Current() || replaced[2] != nil || replaced[3] != c.Current() {
		t.Errorf("OnReplaced was told %v", replaced)
	}
	// Afterwards the ID Context is the kid context, as it is.
	p, _, err = c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := p.KIDContext(); !bytes.Equal(got, id3[2:]) {
		t.Errorf("kid context afterwards = %x, want %x", got, id3[2:])
	}
	roundTrip(t, c, s)
	roundTrip(t, s, c) // the server may ask too
}

// TestRunsAnew renews a context again and again; the old one is dead each time, on both
// sides.
//
//spec:8613-B.2-4
func TestRunsAnew(t *testing.T) {
	c, s := b2Pair(t, B2Allowed, B2Allowed)
	for i := range 5 {
		roundTrip(t, c, s)
		oldC, oldS := c.Current(), s.Current()
		waiting, open := request(t, c, s, register)
		// An established server context: request, response #1, request #2, response #2.
		if err := c.Rederive(); err != nil {
			t.Fatal(err)
		}
		early, _, err := oldC.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		notification := respond(t, open, notice)
		_, x, y, rounds := retried(t, c, s, getRequest)
		if rounds != 2 {
			t.Errorf("run %d: %d exchanges, want 2", i, rounds)
		}
		finish(t, x, y)
		assertSame(t, c, s)
		if c.Current() == oldC || s.Current() == oldS {
			t.Fatalf("run %d changed nothing", i)
		}
		if _, _, err := oldC.ProtectRequest(getRequest); err != ErrDiscarded {
			t.Errorf("old client context: %v, want %v", err, ErrDiscarded)
		}
		if _, _, err := oldS.VerifyRequest(wire(t, early)); err != ErrDiscarded {
			t.Errorf("old server context: %v, want %v", err, ErrDiscarded)
		}
		if _, err := open.ProtectResponse(notice); err != ErrDiscarded {
			t.Errorf("observation of the old context: %v, want %v", err, ErrDiscarded)
		}
		if _, err := waiting.VerifyResponse(notification); err != ErrDiscarded {
			t.Errorf("notification of the old context: %v, want %v", err, ErrDiscarded)
		}
		if oldC.keys.raw != nil || oldS.keys.raw != nil || oldC.keys.live.Load() != nil {
			t.Error("the old keys are still there")
		}
	}
}

// TestServerBegins is a server that has lost its context, and one that is asked for a new
// one. The client meets it in the middle of ordinary requests.
func TestServerBegins(t *testing.T) {
	t.Run("after a loss", func(t *testing.T) {
		c, s := b2Pair(t, B2Allowed, B2Required)
		for range 3 {
			_, x, y, rounds := retried(t, c, s, getRequest)
			if rounds != 2 {
				t.Errorf("%d exchanges, want 2", rounds)
			}
			finish(t, x, y)
			assertSame(t, c, s)
			roundTrip(t, c, s)
			s = mustAssociation(t, b2Config(B2Required, true)) // reboots
		}
	})
	t.Run("after a loss, with an ID Context that is not sent", func(t *testing.T) {
		c, s := b2Pair(t, B2Allowed, B2Required, func(cfg *Config) {
			cfg.IDContext, cfg.OmitKIDContext = []byte("context"), true
		})
		p, _, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		if _, has := p.KIDContext(); has {
			t.Error("there is a kid context")
		}
		_, x, y, rounds := retried(t, c, s, getRequest)
		if rounds != 2 {
			t.Errorf("%d exchanges, want 2", rounds)
		}
		finish(t, x, y)
		assertSame(t, c, s)
		roundTrip(t, c, s)
	})
	t.Run("asked", func(t *testing.T) {
		c, s := b2Pair(t, B2Allowed, B2Allowed)
		roundTrip(t, c, s)
		if err := s.Rederive(); err != nil {
			t.Fatal(err)
		}
		_, x, y, rounds := retried(t, c, s, getRequest)
		if rounds != 2 {
			t.Errorf("%d exchanges, want 2", rounds)
		}
		finish(t, x, y)
		assertSame(t, c, s)
		roundTrip(t, c, s)
	})
	t.Run("several requests on the way", func(t *testing.T) {
		c, s := b2Pair(t, B2Allowed, B2Required)
		var waiting []*ClientExchange
		var sent []Protected
		for range 4 {
			p, x, err := c.ProtectRequest(getRequest)
			if err != nil {
				t.Fatal(err)
			}
			waiting, sent = append(waiting, x), append(sent, wire(t, p))
		}
		var challenges []error
		for _, p := range sent {
			_, _, err := s.VerifyRequest(p)
			challenges = append(challenges, err)
		}
		assertRetry(t, waiting[0], challenges[0])
		assertRetry(t, waiting[1], challenges[1]) // before request #2
		_, x, y, _ := retried(t, c, s, getRequest)
		assertRetry(t, waiting[2], challenges[2]) // after it
		finish(t, x, y)
		assertSame(t, c, s)
		assertRetry(t, waiting[3], challenges[3]) // after the run
		roundTrip(t, c, s)
		assertSame(t, c, s)
	})
}
