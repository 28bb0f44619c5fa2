package oscore

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

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
					if p, x, err = c.ProtectRequest(getRequest); err != nil { // request #2
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

// TestReadings is a peer that does not wrap the random strings, and one that begins a run
// with its old kid context after the server has lost it.
func TestReadings(t *testing.T) {
	t.Run("client does not wrap", func(t *testing.T) {
		c, s := b2Pair(t, B2Required, B2Required)
		var x *ClientExchange
		var y *ServerExchange
		for range 2 {
			p, exchange, err := c.ProtectRequest(getRequest)
			if err != nil {
				t.Fatal(err)
			}
			p = wire(t, p)
			p.header.kidContext, _ = unwrap(p.header.kidContext)
			if _, y, err = s.VerifyRequest(p); err != nil {
				assertRetry(t, exchange, err)
			}
			x = exchange
		}
		finish(t, x, y)
		assertSame(t, c, s)
	})
	t.Run("random string that looks wrapped", func(t *testing.T) {
		c := mustAssociation(t, b2Config(B2Required, false, func(cfg *Config) {
			cfg.Rand = strings.NewReader("unused..\x47random!")
		}))
		s := mustAssociation(t, b2Config(B2Required, true))
		p, x, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		p = wire(t, p)
		p.header.kidContext, _ = unwrap(p.header.kidContext)
		if r, ok := unwrap(p.header.kidContext); !ok || string(r) != "random!" {
			t.Fatalf("kid context %q", p.header.kidContext)
		}
		_, _, err = s.VerifyRequest(p)
		var challenge *Challenge
		if !errors.As(err, &challenge) {
			t.Fatalf("request #1: %v, want response #1", err)
		}
		if _, err := x.open(&challenge.Protected, secondOf(t, c, challenge), &x.context.sender.base); err != nil {
			t.Error(err)
		}
	})
	t.Run("server does not wrap", func(t *testing.T) {
		c, s := b2Pair(t, B2Required, B2Required)
		p, x, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.VerifyRequest(wire(t, p))
		var challenge *Challenge
		if !errors.As(err, &challenge) {
			t.Fatal(err)
		}
		answer := wire(t, challenge.Protected)
		answer.header.kidContext, _ = unwrap(answer.header.kidContext)
		var retry *Retry
		if _, err := x.VerifyResponse(answer); !errors.As(err, &retry) {
			t.Fatalf("response #1: %v, want a Retry", err)
		}
		_, x, y, _ := retried(t, c, s, getRequest)
		finish(t, x, y)
		assertSame(t, c, s)
	})
	t.Run("client wraps afterwards too", func(t *testing.T) {
		c, s := b2Pair(t, B2Required, B2Required)
		_, x, y, _ := retried(t, c, s, getRequest)
		finish(t, x, y)
		p, _, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		p = wire(t, p)
		p.header.kidContext = wrap(p.header.kidContext)
		if _, _, err := s.VerifyRequest(p); err != nil {
			t.Error(err)
		}
	})
	t.Run("response #1 with the nonce of the request", func(t *testing.T) {
		// RFC 8613, Section 5.2 can be read with the Common IV of either context.
		for _, second := range []bool{false, true} {
			c, s := b2Pair(t, B2Required, B2Required)
			p, x, err := c.ProtectRequest(getRequest)
			if err != nil {
				t.Fatal(err)
			}
			p = wire(t, p)
			id1, _ := unwrap(p.header.kidContext)
			first, err := s.derive(id1, stepFirst)
			if err != nil {
				t.Fatal(err)
			}
			context, r2, err := s.second(id1)
			if err != nil {
				t.Fatal(err)
			}
			base := &first.recipient.base
			if second {
				base = &context.recipient.base
			}
			v := cover{
				nonceBase: base, noncePIV: p.header.piv.number(),
				requestKID: p.header.kid, requestPIV: p.header.piv,
				header: header{kidContext: wrap(r2), hasKIDContext: true},
			}
			answer, err := context.protect(new(work), new(buffer), &Message{Code: 0x81}, &v)
			if err != nil {
				t.Fatal(err)
			}
			var retry *Retry
			if _, err := x.VerifyResponse(wire(t, answer)); !errors.As(err, &retry) {
				t.Fatalf("response #1, second Common IV %t: %v, want a Retry", second, err)
			}
			_, x, y, _ := retried(t, c, s, getRequest)
			finish(t, x, y)
			assertSame(t, c, s)
		}
	})
}

// secondOf derives the context of the response #1 to a request #1 of c.
func secondOf(t *testing.T, c *Association, challenge *Challenge) *Context {
	t.Helper()
	r2, ok := unwrap(challenge.Protected.header.kidContext)
	if !ok {
		t.Fatal("R2 is not wrapped")
	}
	second, err := c.derive(concat(r2, c.b2.first.common.idContext), stepSecond)
	if err != nil {
		t.Fatal(err)
	}
	return second
}

// TestRunForgeries: whatever is not from the peer begins and ends nothing.
func TestRunForgeries(t *testing.T) {
	c, s := b2Pair(t, B2Allowed, B2Allowed)
	roundTrip(t, c, s)
	before := s.Current()
	for name, kidContext := range map[string][]byte{
		"R1": wrap([]byte("random 1")), "raw": []byte("random 1"), "empty": {}, "empty string": {0x40},
		"R2 || R3": wrap([]byte("random 1random 2random 3")), "very long": bytes.Repeat([]byte{1}, 240),
	} {
		p, _, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		p = wire(t, p)
		p.header.kidContext, p.header.hasKIDContext = kidContext, true
		if _, _, err := s.VerifyRequest(p); err != error(errNoContext) {
			t.Errorf("request with kid context %s: %v, want %v", name, err, errNoContext)
		}
	}
	x, y := request(t, c, s, getRequest)
	answer := respond(t, y, content)
	forged := answer
	forged.header.kidContext, forged.header.hasKIDContext = wrap([]byte("random 1random 2")), true
	forged.payload = append(bytes.Clone(forged.payload), 1)
	if _, err := x.VerifyResponse(forged); err == nil {
		t.Error("forged response #1 was accepted")
	}
	verify(t, x, answer)
	if s.Current() != before || c.b2.third != nil {
		t.Error("a forgery has changed something")
	}
	// A request #1 waits for response #1 and nothing else.
	if err := c.Rederive(); err != nil {
		t.Fatal(err)
	}
	p, x, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	p = wire(t, p)
	id1, _ := unwrap(p.header.kidContext)
	first, err := s.derive(id1, stepFirst)
	if err != nil {
		t.Fatal(err)
	}
	_, y, err = first.verifyRequest(&p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.VerifyResponse(respond(t, y, content)); err != error(errNotResponse1) {
		t.Errorf("ordinary response to request #1: %v, want %v", err, errNotResponse1)
	}
}

// TestB2Off: an association without Appendix B.2 knows nothing of it.
func TestB2Off(t *testing.T) {
	c, s := b2Pair(t, B2Allowed, B2Off)
	if err := s.Rederive(); !errors.Is(err, errConfig) {
		t.Errorf("Rederive = %v, want %v", err, errConfig)
	}
	if err := c.Rederive(); err != nil {
		t.Fatal(err)
	}
	p, _, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.VerifyRequest(wire(t, p)); err != error(errNoContext) {
		t.Errorf("request #1: %v, want %v", err, errNoContext)
	}
}

// TestB2Randomness: when there is none in the middle of a run, nothing is sent and nothing
// accepted.
//
//spec:8613-B.2-2
func TestB2Randomness(t *testing.T) {
	source := &limitedRand{left: 1 << 20}
	c, s := b2Pair(t, B2Required, B2Required, func(cfg *Config) { cfg.Rand = source })
	source.left = 0
	if _, _, err := c.ProtectRequest(getRequest); err == nil {
		t.Error("request #1 without randomness")
	}
	source.left = 8
	p, x, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.VerifyRequest(wire(t, p)); err == nil || isChallenge(err) {
		t.Errorf("response #1 without randomness: %v", err)
	}
	source.left = 40
	_, _, err = s.VerifyRequest(wire(t, p))
	var challenge *Challenge
	if !errors.As(err, &challenge) {
		t.Fatal(err)
	}
	if _, err := x.VerifyResponse(challenge.Protected); err == nil || c.b2.third != nil {
		t.Errorf("R3 without randomness: %v", err)
	}
	source.left = 8
	assertRetry(t, x, challenge)
}

type limitedRand struct{ left, n int }

func (r *limitedRand) Read(p []byte) (int, error) {
	if r.left < len(p) {
		return 0, errors.New("no randomness")
	}
	r.left -= len(p)
	for i := range p {
		r.n++
		p[i] = byte(r.n * 7)
	}
	return len(p), nil
}
