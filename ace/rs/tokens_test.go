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
	v, err := s.Verify(encrypt(t, second, goodClaims("u1", kid("c1"), func(c *ace.Claims) { c.Issuer = second.Issuer() })), start)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Update("a", v, start), Unauthorized)
	claims.Issuer = issuer
	_, err = s.Verify(encrypt(t, second, claims), start)
	wantCode(t, err, Unauthorized)
}

// TestPlacesAreTakenByUse: of two clients that wait for one place, the first to use
// its token gets it.
func TestPlacesAreTakenByUse(t *testing.T) {
	s := newServer(t, func(c *Config) { c.MaxTokens, c.MaxUnconfirmed = 1, 4 })
	s.mustPost("a", goodClaims("c1"), start, false)
	s.mustPost("b", goodClaims("c2"), start, false)
	s.mustPost("b2", goodClaims("c2"), start, false)
	if err := s.Confirm("b", start); err != nil {
		t.Fatal(err)
	}
	s.log.take()
	if e := wantCode(t, s.Confirm("a", start), Unauthorized); !e.Discarded {
		t.Error("the association without a place is not discarded")
	}
	s.wantLog("a confirmed, a ends: evicted, a removed")
	if err := s.Confirm("b2", start); err != nil {
		t.Errorf("a newer token of the client that has the place: %v", err)
	}
}

// TestNewerPostStays: what the client posted last is not removed by its use of what
// it posted before.
func TestNewerPostStays(t *testing.T) {
	s := newServer(t, nil)
	s.mustPost("first", goodClaims("c1"), start, false)
	s.mustPost("second", goodClaims("c1"), start, false)
	s.mustPost("third", goodClaims("c1"), start, false)
	if err := s.Confirm("second", start); err != nil {
		t.Fatal(err)
	}
	if s.Contains("first") || !s.Contains("third") {
		t.Errorf("table: %s", s.snapshot())
	}
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

func (b *countingBinding) Remove(Removed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.removed++
}
