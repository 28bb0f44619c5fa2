package oscore

import (
	"errors"
	"testing"
)

// TestProtectedLimit protects as many messages as a key may, and no more, whatever their
// nonce is.
func TestProtectedLimit(t *testing.T) {
	const limit = 10
	params := testParams()
	cfg := Config{Params: params, Limits: Limits{Protected: limit}}
	mirrored := cfg
	mirrored.Params = params.mirror()
	c, s := mustContext(t, cfg), mustContext(t, mirrored)
	var exchanges []*ServerExchange
	for i := range limit {
		if got := c.Usage().Protected; got != uint64(i) {
			t.Errorf("usage = %d, want %d", got, i)
		}
		_, y := request(t, c, s, getRequest)
		exchanges = append(exchanges, y)
	}
	for range 3 {
		if _, _, err := c.ProtectRequest(getRequest); !errors.Is(err, ErrKeyLimit) {
			t.Errorf("one request more: %v, want %v", err, ErrKeyLimit)
		}
	}
	if got := c.Usage().Protected; got != limit {
		t.Errorf("usage = %d, want %d", got, limit)
	}
	for i, y := range exchanges {
		if i%2 == 0 {
			respond(t, y, content)
			continue
		}
		respond(t, exchanges[0], content) // a second response, with its own Partial IV
	}
	if _, err := exchanges[1].ProtectResponse(content); !errors.Is(err, ErrKeyLimit) {
		t.Errorf("one response more: %v, want %v", err, ErrKeyLimit)
	}
}

// TestFailureLimit: after as many forgeries as a key may see, nothing is decrypted any
// more; replays do not count.
func TestFailureLimit(t *testing.T) {
	const limit = 10
	params := testParams()
	c := mustContext(t, Config{Params: params})
	s := mustContext(t, Config{Params: params.mirror(), Limits: Limits{Failures: limit}})
	good := func() Protected {
		p, _, err := c.ProtectRequest(getRequest)
		if err != nil {
			t.Fatal(err)
		}
		return wire(t, p)
	}
	replay := good()
	if _, _, err := s.VerifyRequest(replay); err != nil {
		t.Fatal(err)
	}
	for i := range limit + 1 { // the draft aborts when the limit is exceeded
		forged := good()
		forged.payload[3] ^= 4
		if _, _, err := s.VerifyRequest(forged); err != error(errDecrypt) {
			t.Errorf("forgery %d: %v, want %v", i, err, errDecrypt)
		}
		if _, _, err := s.VerifyRequest(replay); err != error(errReplay) {
			t.Errorf("replay: %v, want %v", err, errReplay)
		}
		if got := s.Usage().Failures; got != uint64(i)+1 {
			t.Errorf("failures = %d, want %d", got, i+1)
		}
		if i < limit {
			if _, _, err := s.VerifyRequest(good()); err != nil {
				t.Errorf("request after forgery %d: %v", i, err)
			}
		}
	}
	if _, _, err := s.VerifyRequest(good()); err != error(errWorn) || !errors.Is(err, ErrKeyLimit) {
		t.Errorf("beyond the limit: %v, want %v", err, errWorn)
	}
	if m := ErrorMessage(errWorn); m.Code != 0x81 {
		t.Errorf("ErrorMessage = %v, want 4.01", m.Code)
	}
}

// TestUsedBefore: what the keys did before the restart counts.
func TestUsedBefore(t *testing.T) {
	params := testParams()
	c := mustContext(t, Config{
		Params: params, Limits: Limits{Protected: 10, Failures: 10}, Used: Usage{Protected: 9, Failures: 11},
	})
	if _, _, err := c.ProtectRequest(getRequest); err != nil {
		t.Error(err)
	}
	if _, _, err := c.ProtectRequest(getRequest); !errors.Is(err, ErrKeyLimit) {
		t.Errorf("ProtectRequest = %v, want %v", err, ErrKeyLimit)
	}
	p, _, err := mustContext(t, Config{Params: params.mirror()}).ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.VerifyRequest(p); err != error(errWorn) {
		t.Errorf("VerifyRequest = %v, want %v", err, errWorn)
	}
	// After a loss of the window, the numbers tell.
	s := mustContext(t, Config{Params: params.mirror(), Sequence: &memoryStore{next: 5000}, RecoverWindow: true})
	client := mustContext(t, Config{Params: params})
	client.sender.sequence.next = 3000
	retried(t, client, s, getRequest)
	if got := s.Usage().Protected; got < 8000 {
		t.Errorf("usage after the recovery = %d, want 8000 or more", got)
	}
}

// TestWornClientRenews: at half of its limit, a client with Appendix B.2 asks for a new
// key, and nothing is refused on the way.
func TestWornClientRenews(t *testing.T) {
	limit := func(cfg *Config) { cfg.Limits.Protected = 40 }
	c, s := b2Pair(t, B2Allowed, B2Allowed, limit)
	renewed := 0
	for range 200 {
		before := c.Current()
		_, x, y, _ := retried(t, c, s, getRequest)
		finish(t, x, y)
		if c.Current() != before {
			renewed++
		}
	}
	// And one that has used half of its numbers.
	before := c.Current()
	before.sender.sequence.next = maxSequence/2 + 1
	_, x, y, _ := retried(t, c, s, getRequest)
	finish(t, x, y)
	if c.Current() == before {
		t.Error("not renewed after half of the numbers")
	}
	if renewed < 8 {
		t.Errorf("renewed %d times in 200 exchanges, want every 20", renewed)
	}
	assertSame(t, c, s)
}

// TestSpentServerRenews: a server whose Sender Key is used up begins the run itself,
// because it can not answer otherwise.
func TestSpentServerRenews(t *testing.T) {
	params := testParams()
	c := mustAssociation(t, Config{Params: params, B2: B2Allowed})
	s := mustAssociation(t, Config{Params: params.mirror(), B2: B2Allowed, Limits: Limits{Protected: 10}})
	for range 50 {
		_, x, y, _ := retried(t, c, s, getRequest)
		finish(t, x, y)
	}
	assertSame(t, c, s)
	// And one whose numbers are used up.
	c, s = b2Pair(t, B2Allowed, B2Allowed)
	s.Current().sender.sequence.next = maxSequence
	x, y := request(t, s.Current(), c, getRequest)
	finish(t, x, y)
	if !s.Current().sender.sequence.exhausted() {
		t.Fatal("the numbers are not used up")
	}
	_, x, y, rounds := retried(t, c, s, getRequest)
	if rounds != 2 {
		t.Errorf("%d exchanges, want 2", rounds)
	}
	finish(t, x, y)
	roundTrip(t, c, s)
}

// TestAttackedServerRenews: forgeries use up the Recipient Key; the server begins a run
// while it still can.
func TestAttackedServerRenews(t *testing.T) {
	c, s := b2Pair(t, B2Allowed, B2Allowed)
	for range 3 {
		before := s.Current()
		for range 1 << 14 / 4 * 3 {
			p, _, err := c.ProtectRequest(getRequest)
			if err != nil {
				t.Fatal(err)
			}
			p.payload[0] ^= 1
			if _, _, err := s.VerifyRequest(p); err != error(errDecrypt) {
				t.Fatalf("forged request: %v, want %v", err, errDecrypt)
			}
		}
		_, x, y, rounds := retried(t, c, s, getRequest)
		if rounds != 2 || s.Current() == before {
			t.Errorf("%d exchanges, want 2 and a new context", rounds)
		}
		finish(t, x, y)
		assertSame(t, c, s)
		roundTrip(t, c, s)
	}
}
