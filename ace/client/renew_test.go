package client

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/oscore"
)

// TestSequenceEnds: a context that can protect no more goes.
//
//spec:9203-6-1
func TestSequenceEnds(t *testing.T) {
	w := newWorld(t, func(w *world) { w.limit = 3 })
	s := w.open()
	var err error
	for range 3 {
		if _, err = s.Do(t.Context(), getTemp); err != nil {
			t.Fatal(err)
		}
	}
	if _, err = s.Do(t.Context(), getTemp); !errors.Is(err, oscore.ErrKeyLimit) {
		t.Fatalf("Do = %v, want ErrKeyLimit", err)
	}
	if _, err = s.Do(t.Context(), getTemp); !errors.Is(err, ErrDiscarded) {
		t.Errorf("Do = %v, want ErrDiscarded", err)
	}
	if err := s.Repost(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.judge(s.association, oscore.Message{}, fmt.Errorf("protect: %w", oscore.ErrSequence)); !errors.Is(err, oscore.ErrSequence) {
		t.Errorf("judge = %v, want ErrSequence", err)
	}
	if s.association != nil {
		t.Error("the context was not discarded")
	}
}

// TestRenew runs Appendix B.2 of RFC 8613 between client and RS, and with the AS.
func TestRenew(t *testing.T) {
	w := newWorld(t, func(w *world) { w.b2 = oscore.B2Allowed })
	if err := w.cfg.Servers[0].Association.Rederive(); err != nil {
		t.Fatal(err)
	}
	s := w.open()
	for i := range 3 {
		if _, err := s.Do(t.Context(), getTemp); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		before := s.association.Current()
		if err := s.Renew(); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Do(t.Context(), getTemp); err != nil || string(r.Payload) != "22.5 C" {
			t.Fatalf("run %d: %v", i, err)
		}
		if now := s.association.Current(); now == before || now == nil {
			t.Errorf("run %d: the context is still the same", i)
		}
	}
	if n := w.tokens.Stats(); n.Confirmed != 1 || n.Unconfirmed != 0 {
		t.Errorf("%+v: the token does not follow its association", n)
	}
	if err := s.Update(t.Context(), writeScope); err != nil {
		t.Errorf("25 an update over the renewed context: %v", err)
	}
}

// TestTooManyChallenges: an AS that forgets everything between two messages.
func TestTooManyChallenges(t *testing.T) {
	w := newWorld(t, func(w *world) { w.b2 = oscore.B2Allowed })
	w.tamper = func(_ string, _ oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error) {
		w.asSide = new(oscore.Contexts)
		amnesiac, err := oscore.NewAssociation(oscore.Config{
			B2:     oscore.B2Required,
			Params: oscore.Params{MasterSecret: []byte("between C and AS"), SenderID: []byte("as"), RecipientID: []byte("c")},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.asSide.Add(amnesiac); err != nil {
			t.Fatal(err)
		}
		return next()
	}
	_, err := w.client().Token(t.Context(), Request{Audience: audience, Scope: readScope})
	if !errors.Is(err, ErrRetries) {
		t.Errorf("Token = %v, want ErrRetries", err)
	}
	if len(w.requests) != 0 {
		t.Error("a challenged request was processed")
	}
}

// TestConcurrentUse runs under the race detector.
func TestConcurrentUse(t *testing.T) {
	w := newWorld(t, nil)
	var lock sync.Mutex // of the world
	w.tamper = func(_ string, _ oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error) {
		return next()
	}
	w.cfg.Transport = transportFunc(func(m oscore.Message) oscore.Message {
		lock.Lock()
		defer lock.Unlock()
		return w.serveRS(m)
	})
	w.cfg.Servers[0].Association = nil
	w.cfg.Servers[0].Channel = transportFunc(func(m oscore.Message) oscore.Message {
		lock.Lock()
		defer lock.Unlock()
		r, err := ace.ParseTokenRequest(m.Payload)
		if err != nil {
			t.Error(err)
		}
		return w.issue(r)
	})
	s := w.open()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				if i == 0 {
					if err := s.Repost(t.Context()); err != nil {
						t.Error(err)
					}
				}
				_, _ = s.Do(t.Context(), getTemp)
				_ = s.Access()
			}
		})
	}
	wg.Wait()
	if err := s.Repost(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), getTemp); err != nil {
		t.Errorf("in the end: %v", err)
	}
	if n := w.idsInUse(); n != 1 {
		t.Errorf("%d identifiers in use, want 1", n)
	}
}
