package rs

import (
	"errors"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
)

// TestUnconfirmedEviction: the oldest goes, and never a confirmed one.
func TestUnconfirmedEviction(t *testing.T) {
	s := newServer(t, func(c *Config) { c.MaxUnconfirmed, c.MaxUnconfirmedPerClient = 3, 2 })
	s.mustPost("a1", goodClaims("a"), start, false)
	s.mustPost("b1", goodClaims("b"), start, false)
	s.mustPost("b2", goodClaims("b"), start, false)
	s.wantLog("")
	s.mustPost("b3", goodClaims("b"), start, false)
	s.wantLog("b1 ends: evicted, b1 removed")
	s.mustPost("d1", goodClaims("d"), start, false)
	s.wantLog("a1 ends: evicted, a1 removed")
	wantCode(t, s.Confirm("a1", start), Unauthorized)
}

func TestUnconfirmedExpires(t *testing.T) {
	s := newServer(t, func(c *Config) { c.UnconfirmedLifetime = time.Minute })
	s.mustPost("a", goodClaims("a"), start, false)
	s.mustPost("b", goodClaims("b"), start, true)
	s.mustPost("c", goodClaims("c"), start, false)
	s.log.take()
	e := wantCode(t, s.Confirm("a", after(60)), Unauthorized)
	if !e.Discarded {
		t.Error("the association of an unconfirmed token is not discarded")
	}
	s.wantLog("a ends: expired, a removed")
	if n, err := s.Expire(after(60)); n != 1 || err != nil {
		t.Errorf("Expire = %d, %v, want 1", n, err)
	}
	s.wantLog("c ends: expired, c removed")
}

// TestRevoke is behaviour 30.
func TestRevoke(t *testing.T) {
	revoked := map[string]bool{}
	s := newServer(t, func(c *Config) { c.Revoked = func(hash []byte) bool { return revoked[string(hash)] } })
	token := encrypt(t, s.key, goodClaims("c1"))
	hash := ace.TokenHash(token)
	if err := errors.Join(s.postToken("a", token, start), s.Confirm("a", start)); err != nil {
		t.Fatal(err)
	}
	v, err := s.Verify(token, start)
	if err != nil {
		t.Fatal(err)
	}
	s.log.take()
	if n := s.Revoke([]byte("another"), hash); n != 1 {
		t.Errorf("Revoke = %d, want 1", n)
	}
	s.wantLog("a ends: revoked, a removed")
	revoked[string(hash)] = true
	wantCode(t, s.postToken("b", token, start), Unauthorized)
	wantCode(t, s.Add(Entry{Token: v, Subject: "b", Binding: &binding{log: s.log}}, start), Unauthorized)
	if got := s.snapshot(); got != "" {
		t.Errorf("table holds %s", got)
	}
}

func TestRemove(t *testing.T) {
	s := newServer(t, nil)
	s.mustPost("a", goodClaims("c1"), start, true)
	s.log.take()
	if !s.Remove("a") || s.Remove("a") || s.Remove("") {
		t.Error("Remove does not report what was there")
	}
	s.wantLog("a ends: discarded, a removed")
}

func TestReasonString(t *testing.T) {
	for r, want := range map[Reason]string{Expired: "expired", Discarded: "discarded", 0: "none", 99: "unknown"} {
		if got := r.String(); got != want {
			t.Errorf("Reason(%d) = %q, want %q", r, got, want)
		}
	}
}
