package rs

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
)

func after(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// wantLog compares what happened since the last call.
func (s *server) wantLog(want string) {
	s.t.Helper()
	if got := s.log.take(); got != want {
		s.t.Errorf("events:\n%s\nwant\n%s", got, want)
	}
}

// TestReplayedPost is the attack of behaviour 27: whoever saw the post repeats it,
// as often as he wants, and does not know the key.
//
//spec:9200-5.10.1-6
func TestReplayedPost(t *testing.T) {
	s := newServer(t, func(c *Config) { c.MaxTokens, c.MaxUnconfirmed, c.MaxUnconfirmedPerClient = 4, 3, 2 })
	token := encrypt(t, s.key, goodClaims("c1"))
	if err := errors.Join(s.postToken("client", token, start), s.Confirm("client", start)); err != nil {
		t.Fatal(err)
	}
	s.wantLog("client confirmed")
	for i := range 50 {
		if err := s.postToken(fmt.Sprintf("attacker-%d", i), token, after(i)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Authorize("client", 1, "/s/temp", after(i)); err != nil {
			t.Fatalf("27 after %d replays the client gets %v", i+1, err)
		}
		if n := s.Stats(); n.Unconfirmed > 2 || n.Confirmed != 1 {
			t.Fatalf("after %d replays: %+v", i+1, n)
		}
	}
	for i := range 3 {
		s.mustPost(fmt.Sprintf("other-%d", i), goodClaims(fmt.Sprintf("o%d", i)), after(50), true)
	}
	if n := s.Stats(); n.Confirmed != 4 {
		t.Errorf("%+v, want 4 confirmed", n)
	}
	before := s.snapshot()
	wantCode(t, s.post("fifth", goodClaims("c5"), after(50)), ServiceUnavailable)
	if after := s.snapshot(); after != before {
		t.Errorf("a refused token has changed the table from\n%s\nto\n%s", before, after)
	}
	if err := s.postToken("client again", token, after(50)); err != nil {
		t.Errorf("a full table refuses a client that has a place: %v", err)
	}
}

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

// TestReplacement is behaviour 28.
func TestReplacement(t *testing.T) {
	bob := sub("bob")
	tests := []struct {
		name     string
		old, new *ace.Claims
		replaced bool
	}{
		{"28 same cnf", goodClaims("c1"), goodClaims("c1", cti("x")), true},
		{"28 same token", goodClaims("c1"), goodClaims("c1"), true},
		{"28 same iss and sub", goodClaims("c1", bob), goodClaims("c2", bob), true},
		{"another sub", goodClaims("c1", bob), goodClaims("c2", sub("eve")), false},
		{"no sub in both", goodClaims("c1"), goodClaims("c2"), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, nil)
			s.mustPost("old", test.old, start, true)
			s.mustPost("new", test.new, start, false)
			if !s.Contains("old") {
				t.Fatal("an unconfirmed token has replaced a confirmed one")
			}
			s.log.take()
			if err := s.Confirm("new", start); err != nil {
				t.Fatal(err)
			}
			want := "new confirmed"
			if test.replaced {
				want += ", old ends: replaced, old removed"
			}
			s.wantLog(want)
			if s.Contains("old") == test.replaced {
				t.Errorf("table: %s", s.snapshot())
			}
			s.snapshot()
		})
	}
}

func TestIssuersAreApart(t *testing.T) {
	second := newKey(t, "coaps://as2.example.com", "k2", 2)
	s := newServer(t, func(c *Config) { c.Keys = append(c.Keys, second) })
	claims := goodClaims("c1", sub("bob"))
	s.mustPost("a", claims, start, true)
	claims.Issuer = second.Issuer()
	if err := s.postToken("b", encrypt(t, second, claims), start); err != nil {
		t.Fatal(err)
	}
	if err := s.Confirm("b", start); err != nil {
		t.Fatal(err)
	}
	if !s.Contains("a") {
		t.Error("a token of one AS has replaced that of another")
	}
	claims.Issuer = issuer
	_, err := s.Verify(encrypt(t, second, claims), start)
	wantCode(t, err, Unauthorized)
}

// TestDuplicateCTI is behaviour 24: two clients' tokens never share a cti.
func TestDuplicateCTI(t *testing.T) {
	s := newServer(t, nil)
	s.mustPost("a", goodClaims("c1", cti("same")), start, true)
	before := s.snapshot()
	wantCode(t, s.post("b", goodClaims("c2", cti("same")), start), BadRequest)
	if got := s.snapshot(); got != before {
		t.Errorf("table: %s, want %s", got, before)
	}
	wantCode(t, s.update("a", goodClaims("c2", kid("c2"), cti("same")), start), Unauthorized)
}

// TestDTLSStays is behaviour 28: an OSCORE token does not replace a DTLS one.
func TestDTLSStays(t *testing.T) {
	s := newServer(t, nil)
	bob := sub("bob")
	add := func(subject string, c *ace.Claims, profile ace.Profile) error {
		v, err := s.Verify(encrypt(t, s.key, c), start)
		if err != nil {
			t.Fatal(err)
		}
		return s.Add(Entry{
			Token: v, Subject: subject, Profile: profile,
			Binding: &binding{log: s.log, subject: subject},
		}, start)
	}
	if err := add("waiting", goodClaims("c0", bob), ace.ProfileCoAPOSCORE); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(add("dtls", goodClaims("c1", bob), ace.ProfileCoAPDTLS), s.Confirm("dtls", start)); err != nil {
		t.Fatal(err)
	}
	wantCode(t, add("oscore", goodClaims("c2", bob), ace.ProfileCoAPOSCORE), BadRequest)
	wantCode(t, s.Confirm("waiting", start), Unauthorized)
	if !s.Contains("dtls") || s.Contains("oscore") || s.Contains("waiting") {
		t.Errorf("table: %s", s.snapshot())
	}
	if err := errors.Join(add("dtls2", goodClaims("c3", bob), ace.ProfileCoAPDTLS), s.Confirm("dtls2", start)); err != nil {
		t.Fatal(err)
	}
	if s.Contains("dtls") {
		t.Error("a DTLS token does not replace another")
	}
}

func TestAddRefuses(t *testing.T) {
	s := newServer(t, nil)
	v, err := s.Verify(encrypt(t, s.key, goodClaims("c1")), start)
	if err != nil {
		t.Fatal(err)
	}
	good := Entry{Token: v, Subject: "a", Binding: &binding{log: s.log}}
	for name, change := range map[string]func(*Entry){
		"no token":   func(e *Entry) { e.Token = nil },
		"no subject": func(e *Entry) { e.Subject = "" },
		"no binding": func(e *Entry) { e.Binding = nil },
	} {
		e := good
		change(&e)
		if err := s.Add(e, start); !errors.Is(err, ErrSubject) {
			t.Errorf("%s: %v, want ErrSubject", name, err)
		}
	}
	if err := s.Add(good, start); err != nil {
		t.Fatal(err)
	}
	if err := s.Add(good, start); !errors.Is(err, ErrSubject) {
		t.Errorf("subject in use: %v, want ErrSubject", err)
	}
	good.Subject = "b"
	wantCode(t, s.Add(good, start.Add(time.Hour)), Unauthorized)
	v, err = s.Verify(encrypt(t, s.key, goodClaims("c2", func(c *ace.Claims) { c.Cnf = new(ace.Confirmation) })), start)
	if err != nil {
		t.Fatal(err)
	}
	good.Token = v
	wantCode(t, s.Add(good, start), BadRequest)
	good.Client = "the profile knows"
	if err := s.Add(good, start); err != nil {
		t.Error(err)
	}
}

// TestUpdate is behaviour 25.
//
//spec:9203-4.2-7
//spec:9203-4.2-8
//spec:9203-4.2-10
//spec:9200-5.10.1-7
func TestUpdate(t *testing.T) {
	led := scope(ace.Permission{Path: "/a/led", Methods: ace.PUT})
	s := newServer(t, nil)
	s.mustPost("a", goodClaims("c1"), start, true)
	s.mustPost("b", goodClaims("c2"), start, true)
	s.log.take()

	before := s.snapshot()
	for name, claims := range map[string]*ace.Claims{
		"25 kid of another client": goodClaims("u1", kid("c2"), led),
		"25 kid of nobody":         goodClaims("u1", kid("c9"), led),
		"25 input material":        goodClaims("c1", led),
		"25 no method":             goodClaims("u1", led, func(c *ace.Claims) { c.Cnf = new(ace.Confirmation) }),
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, s.update("a", claims, start), Unauthorized)
			if got := s.snapshot(); got != before {
				t.Errorf("table: %s, want %s", got, before)
			}
		})
	}
	wantCode(t, s.update("nobody", goodClaims("u1", kid("c1"), led), start), Unauthorized)

	for i := range 3 { // works again and again
		if err := s.update("a", goodClaims(fmt.Sprint("u", i), kid("c1"), led), start); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Authorize("a", 3, "/a/led", start); err != nil {
			t.Errorf("PUT after update %d: %v", i, err)
		}
		_, err := s.Authorize("a", 1, "/s/temp", start)
		wantCode(t, err, Forbidden)
	}
	s.wantLog("")
	if got := s.Stats(); got != (Stats{Confirmed: 2}) {
		t.Errorf("Stats = %+v", got)
	}
}

// TestUpdateEndsOlderPosts: the update is the latest word of the client.
func TestUpdateEndsOlderPosts(t *testing.T) {
	s := newServer(t, nil)
	s.mustPost("a", goodClaims("c1"), start, true)
	s.mustPost("replayed", goodClaims("c1"), start, false)
	s.log.take()
	if err := s.update("a", goodClaims("u1", kid("c1")), start); err != nil {
		t.Fatal(err)
	}
	s.wantLog("replayed ends: replaced, replayed removed")
	s.mustPost("newer", goodClaims("c1"), start, true)
	s.wantLog("newer confirmed, a ends: replaced, a removed")
}

func TestUpdateConfirms(t *testing.T) {
	s := newServer(t, nil)
	s.mustPost("a", goodClaims("c1"), start, false)
	if err := s.update("a", goodClaims("u1", kid("c1")), start); err != nil {
		t.Fatal(err)
	}
	s.wantLog("a confirmed")
	if err := s.Update("a", nil, start); !errors.Is(err, ErrSubject) {
		t.Errorf("Update without token: %v", err)
	}
	s.Remove("a")
	v, err := s.Verify(encrypt(t, s.key, goodClaims("u2", kid("c1"))), start)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Update("a", v, start), Unauthorized)
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

// TestConfirmFails: an association that cannot be kept takes its token along, and
// leaves the client's former one.
func TestConfirmFails(t *testing.T) {
	s := newServer(t, nil)
	s.mustPost("a", goodClaims("c1"), start, true)
	v, err := s.Verify(encrypt(t, s.key, goodClaims("c1")), start)
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("journal")
	b := &binding{log: s.log, subject: "b", fail: failed}
	if err := s.Add(Entry{Token: v, Subject: "b", Binding: b}, start); err != nil {
		t.Fatal(err)
	}
	s.log.take()
	err = s.Confirm("b", start)
	if e := wantCode(t, err, Unauthorized); !e.Discarded || !errors.Is(err, failed) {
		t.Errorf("error = %+v", e)
	}
	s.wantLog("b confirmed, b ends: unconfirmed, b removed")
	if !s.Contains("a") || s.Contains("b") {
		t.Errorf("table: %s", s.snapshot())
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

// TestConcurrentConfirm: many first requests confirm once, while others come and go.
func TestConcurrentConfirm(t *testing.T) {
	s := newServer(t, func(c *Config) { c.OnRemove = nil })
	v, err := s.Verify(encrypt(t, s.key, goodClaims("c1")), start)
	if err != nil {
		t.Fatal(err)
	}
	var counts countingBinding
	for i := range 20 {
		if err := s.Add(Entry{Token: v, Subject: fmt.Sprint(i), Binding: &counts}, after(i)); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { _, _ = s.Authorize(fmt.Sprint(i), 1, "/s/temp", after(i)) })
		}
		wg.Go(func() { _, _ = s.Expire(after(i)) })
		wg.Wait()
	}
	counts.mu.Lock()
	defer counts.mu.Unlock()
	if counts.confirmed != 20 || counts.removed != 19 {
		t.Errorf("confirmed %d, removed %d times; want 20, 19", counts.confirmed, counts.removed)
	}
	s.snapshot()
}

type countingBinding struct {
	mu                 sync.Mutex
	confirmed, removed int
}

func (b *countingBinding) Confirm() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.confirmed++
	return nil
}

func (b *countingBinding) Remove(Reason) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.removed++
}

func TestReasonString(t *testing.T) {
	for r, want := range map[Reason]string{Expired: "expired", Discarded: "discarded", 0: "none", 99: "unknown"} {
		if got := r.String(); got != want {
			t.Errorf("Reason(%d) = %q, want %q", r, got, want)
		}
	}
}
