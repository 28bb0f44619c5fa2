package rs

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
)

func newNonces(t testing.TB, cfg ClientNoncesConfig) *ClientNonces {
	t.Helper()
	n, err := NewClientNonces(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

//spec:9200-5.3.1-1
//spec:9200-5.3.1-4
//spec:9200-5.3.1-5
//spec:9200-5.3.1-6
func TestClientNonce(t *testing.T) {
	nonces := newNonces(t, ClientNoncesConfig{Lifetime: time.Minute})
	s := newServer(t, func(c *Config) { c.ClientNonces = nonces })
	issue := func(now time.Time) []byte {
		hints, err := s.Hints(1, "/s/temp", now)
		if err != nil {
			t.Fatal(err)
		}
		h, err := ace.ParseCreationHints(hints)
		if err != nil {
			t.Fatal(err)
		}
		return h.CNonce
	}
	with := func(nonce []byte) claimsOption { return func(c *ace.Claims) { c.CNonce = nonce } }

	fresh := issue(start)
	forged := bytes.Clone(fresh)
	forged[nonceTime] ^= 1
	younger := bytes.Clone(fresh)
	younger[3]++
	elsewhere, err := newNonces(t, ClientNoncesConfig{}).Issue(start)
	if err != nil {
		t.Fatal(err)
	}
	before := s.snapshot()
	for name, test := range map[string]struct {
		nonce []byte
		now   time.Time
	}{
		"29 missing":             {nil, start},
		"29 too short":           {fresh[:15], start},
		"29 too long":            {append(bytes.Clone(fresh), 0), start},
		"29 forged":              {forged, start},
		"29 made younger":        {younger, start},
		"29 from before restart": {elsewhere, start},
		"29 expired":             {fresh, start.Add(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, s.post("a", goodClaims("c1", with(test.nonce)), test.now), Unauthorized)
			if after := s.snapshot(); after != before {
				t.Errorf("table is %s, want %s", after, before)
			}
		})
	}

	nonce := issue(start.Add(2 * time.Minute))
	now := start.Add(2 * time.Minute)
	token := encrypt(t, s.key, goodClaims("c1", with(nonce)))
	if err := s.postToken("a", token, now); err != nil {
		t.Fatal(err)
	}
	t.Run("29 replayed in another token", func(t *testing.T) {
		wantCode(t, s.post("b", goodClaims("c2", with(nonce)), now), Unauthorized)
	})
	t.Run("25 the same token again", func(t *testing.T) {
		if err := s.postToken("c", token, now.Add(59*time.Second)); err != nil {
			t.Error(err)
		}
		wantCode(t, s.postToken("d", token, now.Add(60*time.Second)), Unauthorized)
	})
	t.Run("the first request may come when the nonce is old", func(t *testing.T) {
		if err := s.Confirm("c", now.Add(2*time.Minute)); err != nil {
			t.Error(err)
		}
	})
	t.Run("two tokens race for one nonce", func(t *testing.T) {
		nonce := issue(now)
		first, err1 := s.Verify(encrypt(t, s.key, goodClaims("c3", with(nonce))), now)
		second, err2 := s.Verify(encrypt(t, s.key, goodClaims("c4", with(nonce))), now)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		e := Entry{Token: first, Subject: "e", Binding: &binding{log: s.log}}
		if err := s.Add(e, now); err != nil {
			t.Fatal(err)
		}
		e.Token, e.Subject = second, "f"
		wantCode(t, s.Add(e, now), Unauthorized)
	})
}

func TestClientNoncesAreBounded(t *testing.T) {
	n := newNonces(t, ClientNoncesConfig{Lifetime: time.Minute, Max: 2})
	use := func(now time.Time) error {
		nonce, err := n.Issue(now)
		if err != nil {
			t.Fatal(err)
		}
		return n.use(nonce, "token"+string(nonce), now)
	}
	if err := errors.Join(use(start), use(start)); err != nil {
		t.Fatal(err)
	}
	if use(start) == nil {
		t.Error("a third nonce is remembered, want an error")
	}
	if err := use(start.Add(time.Minute)); err != nil {
		t.Errorf("when the others are old: %v", err)
	}
	if len(n.used) != 1 {
		t.Errorf("%d nonces are remembered, want 1", len(n.used))
	}
}

func TestClientNoncesNeverRepeat(t *testing.T) {
	n := newNonces(t, ClientNoncesConfig{})
	seen := map[string]bool{}
	for range 1000 {
		nonce, err := n.Issue(start)
		if err != nil || len(nonce) != nonceSize || seen[string(nonce)] {
			t.Fatalf("Issue = %x, %v", nonce, err)
		}
		seen[string(nonce)] = true
	}
}

func TestClientNoncesWithoutRandomness(t *testing.T) {
	if _, err := NewClientNonces(ClientNoncesConfig{Rand: bytes.NewReader(nil)}); err == nil {
		t.Error("a key is made of nothing")
	}
	if _, err := NewClientNonces(ClientNoncesConfig{Lifetime: -1}); err == nil {
		t.Error("a negative lifetime is accepted")
	}
	nonces := newNonces(t, ClientNoncesConfig{Rand: io.LimitReader(rand.Reader, 32)})
	if _, err := nonces.Issue(start); err == nil {
		t.Error("a nonce is made of nothing")
	}
	s := newServer(t, func(c *Config) { c.ClientNonces = nonces })
	_, err := s.Authorize("", 1, "/s/temp", start)
	if e := wantCode(t, err, Unauthorized); e.Hints != nil || e.Err == nil {
		t.Errorf("hints %x, cause %v; want no hints and a cause", e.Hints, e.Err)
	}
}

func TestUptime(t *testing.T) {
	var u uptime
	steps := []struct {
		at   time.Duration // of the clock
		want time.Duration
	}{
		{0, 0},
		{10 * time.Second, 10 * time.Second},
		{10*time.Second - time.Millisecond, 10 * time.Second}, // overtaken, not set back
		{10*time.Second + time.Millisecond, 10*time.Second + time.Millisecond},
		{-time.Hour, 10*time.Second + time.Millisecond},
		{-time.Hour + time.Second, 11*time.Second + time.Millisecond},
	}
	for _, s := range steps {
		if got := u.at(start.Add(s.at)); got != s.want {
			t.Errorf("at %v: %v, want %v", s.at, got, s.want)
		}
	}
}
