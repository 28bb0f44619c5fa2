package rs

import (
	"errors"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/ace"
)

// TestDuplicateCTI is behaviour 24: two clients' tokens never share a cti.
func TestDuplicateCTI(t *testing.T) {
	s := newServer(t, nil)
	s.mustPost("a", goodClaims("c1", cti("same")), start, true)
	before := s.snapshot()
	wantCode(t, s.post("b", goodClaims("c2", cti("same")), start), BadRequest)
	if got := s.snapshot(); got != before {
		t.Errorf("table: %s, want %s", got, before)
	}
	s.mustPost("b", goodClaims("c2", cti("other")), start, true)
	before = s.snapshot()
	wantCode(t, s.update("b", goodClaims("u1", kid("c2"), cti("same")), start), Unauthorized)
	if got := s.snapshot(); got != before {
		t.Errorf("table: %s, want %s", got, before)
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
