package client

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/oscore"
)

// TestUpdate is RFC 9203, Figures 3, 7 and 8.
//
//spec:9203-4.1-8
//spec:9203-4.1-9
func TestUpdate(t *testing.T) {
	w := newWorld(t, nil)
	s := w.open()
	for i, scope := range []ace.Scope{writeScope, readScope, writeScope} {
		if err := s.Update(t.Context(), scope); err != nil {
			t.Fatalf("update %d: %v", i, err)
		}
		r := w.requests[len(w.requests)-1]
		if r.ReqCnf == nil || string(r.ReqCnf.KID) != "\x01" || r.Scope != scope || r.Audience != audience {
			t.Errorf("the AS got %+v", r)
		}
		if got := s.Access(); got.Scope != scope {
			t.Errorf("Access() = %+v", got)
		}
	}
	if r, err := s.Do(t.Context(), putTemp); err != nil || r.Code != 69 {
		t.Errorf("25 PUT = %v, %v", r.Code, err)
	}
	if r, err := s.Do(t.Context(), getTemp); err != nil || r.Code != 4<<5|5 {
		t.Errorf("25 GET = %v, %v, want 4.05", r.Code, err)
	}
	if len(w.posts) != 1 {
		t.Errorf("%d posts in clear, want 1", len(w.posts))
	}
}

func TestUpdateErrors(t *testing.T) {
	w := newWorld(t, nil)
	s := w.open()
	var peer *ace.PeerError
	if err := s.Update(t.Context(), ace.TextScope("forbidden")); !errors.As(err, &peer) || peer.ErrorResponse.Code != ace.InvalidScope {
		t.Errorf("the AS refuses: %v", err)
	}
	w.answerToken = func(_ *ace.TokenRequest, r *ace.TokenResponse) {
		r.Cnf = &ace.Confirmation{OSCORE: &ace.OSCOREInputMaterial{ID: []byte{9}, MasterSecret: make([]byte, 16)}}
	}
	if err := s.Update(t.Context(), writeScope); !errors.Is(err, ErrProfile) {
		t.Errorf("new material: %v, want ErrProfile", err)
	}
	w.answerToken = func(_ *ace.TokenRequest, r *ace.TokenResponse) { r.AccessToken = []byte("garbage") }
	var refused *UnauthorizedError
	if err := s.Update(t.Context(), writeScope); !errors.As(err, &refused) || !refused.Protected {
		t.Errorf("the RS refuses: %v", err)
	}
	if s.Access().Scope != readScope {
		t.Error("a failed update counts")
	}
	if _, err := s.Do(t.Context(), getTemp); err != nil {
		t.Errorf("after failed updates: %v", err)
	}
	s.Close()
	n := len(w.requests)
	if err := s.Update(t.Context(), writeScope); !errors.Is(err, ErrDiscarded) || len(w.requests) != n {
		t.Errorf("after Close: %v, want ErrDiscarded and no request", err)
	}
}

// TestRepost is behaviour 25 seen from the client.
//
//spec:9203-6-4
func TestRepost(t *testing.T) {
	w := newWorld(t, nil)
	s := w.open()
	if _, err := s.Do(t.Context(), getTemp); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), writeScope); err != nil {
		t.Fatal(err)
	}
	old := s.association
	w.reboot()
	var refused *UnauthorizedError
	if _, err := s.Do(t.Context(), putTemp); !errors.As(err, &refused) || refused.Protected || refused.Discarded {
		t.Errorf("after a reboot of the RS: %v", err)
	}
	if err := s.Repost(t.Context()); err != nil {
		t.Fatal(err)
	}
	if old.Current() != nil {
		t.Error("the old context was not discarded")
	}
	if r, err := s.Do(t.Context(), putTemp); err != nil || r.Code != 69 {
		t.Errorf("PUT = %v, %v: the update was not posted again", r.Code, err)
	}
	if len(w.requests) != 2 {
		t.Errorf("the AS was asked %d times, want 2", len(w.requests))
	}
	first, err1 := ace.ParseAuthzInfoRequest(w.posts[0].Payload)
	second, err2 := ace.ParseAuthzInfoRequest(w.posts[1].Payload)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if string(first.Nonce1) == string(second.Nonce1) || string(first.ClientRecipientID) == string(second.ClientRecipientID) {
		t.Errorf("33 both posts have N1 %x, ID1 %x", first.Nonce1, first.ClientRecipientID)
	}
	if n := w.idsInUse(); n != 1 {
		t.Errorf("%d identifiers in use, want 1", n)
	}
}

// TestRepostFails: the old context stays in use.
func TestRepostFails(t *testing.T) {
	w := newWorld(t, nil)
	s := w.open()
	lost := errors.New("lost")
	w.tamper = func(_ string, m oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error) {
		if !hasOSCORE(m) {
			return oscore.Message{}, lost
		}
		return next()
	}
	if err := s.Repost(t.Context()); !errors.Is(err, lost) {
		t.Errorf("Repost = %v, want %v", err, lost)
	}
	if _, err := s.Do(t.Context(), getTemp); err != nil {
		t.Errorf("the old context: %v", err)
	}
}

// TestRepostWithoutUpdate: the first token counts until the update has come through.
func TestRepostWithoutUpdate(t *testing.T) {
	w := newWorld(t, nil)
	s := w.open()
	if err := s.Update(t.Context(), writeScope); err != nil {
		t.Fatal(err)
	}
	lost := errors.New("lost")
	w.tamper = func(_ string, m oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error) {
		if hasOSCORE(m) {
			return oscore.Message{}, lost
		}
		return next()
	}
	if err := s.Repost(t.Context()); !errors.Is(err, lost) {
		t.Errorf("Repost = %v, want %v", err, lost)
	}
	w.tamper = nil
	if got := s.Access().Scope; got != readScope {
		t.Errorf("scope = %v, want that of the first token", got)
	}
	if _, err := s.Do(t.Context(), getTemp); err != nil {
		t.Errorf("GET: %v", err)
	}
}

//spec:9200-5.10.2-1
//spec:9203-6-2
func TestExpires(t *testing.T) {
	w := newWorld(t, nil)
	s := w.open()
	a := s.association
	w.add(time.Hour)
	n := len(w.sent)
	if _, err := s.Do(t.Context(), getTemp); !errors.Is(err, ErrExpired) {
		t.Errorf("Do = %v, want ErrExpired", err)
	}
	if err := s.Repost(t.Context()); !errors.Is(err, ErrExpired) {
		t.Errorf("Repost = %v, want ErrExpired", err)
	}
	if err := s.Renew(); !errors.Is(err, ErrDiscarded) {
		t.Errorf("Renew = %v, want ErrDiscarded", err)
	}
	if len(w.sent) != n {
		t.Error("something was sent")
	}
	if a.Current() != nil {
		t.Error("the context was not discarded")
	}
	if n := w.idsInUse(); n != 0 {
		t.Errorf("%d identifiers are still in use", n)
	}
}

// TestUnauthorizedInARow is AC-13: after a number of 4.01 the context goes.
//
//spec:9203-6-3
func TestUnauthorizedInARow(t *testing.T) {
	w := newWorld(t, nil)
	w.cfg.MaxUnauthorized = 2
	s := w.open()
	forged := false
	w.tamper = func(_ string, _ oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error) {
		if forged {
			return oscore.Message{Code: codeUnauthorized, Payload: []byte("anything")}, nil
		}
		return next()
	}
	var refused *UnauthorizedError
	for range 3 { // one 4.01 between good ones
		forged = true
		if _, err := s.Do(t.Context(), getTemp); !errors.As(err, &refused) || refused.Protected || refused.Discarded || refused.Hints != nil {
			t.Fatalf("a forged 4.01: %v", err)
		}
		forged = false
		if _, err := s.Do(t.Context(), getTemp); err != nil {
			t.Fatal(err)
		}
	}
	forged = true
	for i := range 2 {
		_, err := s.Do(t.Context(), getTemp)
		if !errors.As(err, &refused) || refused.Discarded != (i == 1) {
			t.Errorf("4.01 number %d: %v", i+1, err)
		}
	}
	forged = false
	if _, err := s.Do(t.Context(), getTemp); !errors.Is(err, ErrDiscarded) {
		t.Errorf("Do = %v, want ErrDiscarded", err)
	}
	if n := w.idsInUse(); n != 0 {
		t.Errorf("%d identifiers are still in use", n)
	}
	if err := s.Repost(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), getTemp); err != nil {
		t.Errorf("after Repost: %v", err)
	}
}

func TestProtectedUnauthorized(t *testing.T) {
	w := newWorld(t, nil)
	s := w.open()
	if _, err := s.Do(t.Context(), getTemp); err != nil {
		t.Fatal(err)
	}
	w.tokens.Remove("nobody")
	subject := fmt.Sprintf("ace:%s:01:1", asURI)
	if !w.tokens.Contains(subject) {
		t.Fatalf("no token of %s", subject)
	}
	w.add(30 * time.Minute)
	w.reboot()
	var refused *UnauthorizedError
	for i := range 3 {
		_, err := s.Do(t.Context(), getTemp)
		if !errors.As(err, &refused) || refused.Discarded != (i == 2) {
			t.Errorf("4.01 number %d: %v", i+1, err)
		}
	}
	if got, want := refused.Error(), "client: 4.01 Unauthorized, not protected: security context discarded"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

// TestOtherAnswersInClear: they end the exchange and say nothing.
func TestOtherAnswersInClear(t *testing.T) {
	w := newWorld(t, nil)
	s := w.open()
	code := oscore.Code(0)
	w.tamper = func(_ string, _ oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error) {
		if code != 0 {
			return oscore.Message{Code: code, Payload: []byte("22.5 C")}, nil
		}
		return next()
	}
	for _, code = range []oscore.Code{69, 128, 131, 160} {
		var clear *UnprotectedError
		if r, err := s.Do(t.Context(), getTemp); !errors.As(err, &clear) || clear.Code != code || r.Payload != nil {
			t.Errorf("%v in clear: %v, %v", code, r, err)
		}
	}
	code = 0
	if _, err := s.Do(t.Context(), getTemp); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
