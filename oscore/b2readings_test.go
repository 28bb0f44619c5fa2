package oscore

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

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
	_, y, err = first.verifyRequest(&p, nil)
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
