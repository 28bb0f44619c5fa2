package as_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
)

// failing is a registry that fails.
type failing struct{ err error }

func (f failing) Client(context.Context, string) (as.Client, error) { return as.Client{}, f.err }

func (f failing) ResourceServer(context.Context, string) (as.ResourceServer, error) {
	return as.ResourceServer{}, f.err
}

func (f failing) Audience(context.Context, string) ([]as.ResourceServer, error) { return nil, f.err }

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// seen fails a test that sees an identifier or secret a second time.
type seen struct {
	mu  sync.Mutex
	all map[string]string
}

func (s *seen) add(t interface{ Errorf(string, ...any) }, what string, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]string{}
	}
	if before, ok := s.all[string(b)]; ok || len(b) == 0 {
		t.Errorf("%s %x was the %s before", what, b, before)
	}
	s.all[string(b)] = what
}

// addToken looks at an answer, and at the token, whose cti is not known here.
func (s *seen) addToken(t interface{ Errorf(string, ...any) }, answer *ace.TokenResponse, claims *ace.Claims) {
	s.add(t, "cti", claims.CWTID)
	s.add(t, "token hash", ace.TokenHash(answer.AccessToken))
	if answer.Cnf == nil {
		return
	}
	m := answer.Cnf.OSCORE
	s.add(t, "id", m.ID)
	s.add(t, "ms", m.MasterSecret)
	s.add(t, "salt", m.Salt)
	if m.ContextID != nil && string(m.ContextID) != string(m.ID) {
		t.Errorf("contextId %x is not the id %x", m.ContextID, m.ID)
	}
}

// TestUniqueness issues tokens for many clients and RSs, through failures,
// rollbacks and restarts: no id, contextId, cti, Master Secret or salt comes
// twice.
//
//spec:9203-3.2-8
//spec:9200-6.1-4
func TestUniqueness(t *testing.T) {
	var s seen // over all runs: identifiers of one issuer and ledger differ from those of another by chance
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.set("rs2", func(rs *as.ResourceServer) { rs.ExpiresIn, rs.ContextID = true, true })
		exi := map[string]bool{}
		var ids [][]byte
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			r := &ace.TokenRequest{Audience: rapid.SampledFrom([]string{"rs1", "rs2"}).Draw(rt, "audience"), Scope: ace.TextScope("read")}
			client := rapid.SampledFrom([]string{"alice", "bob"}).Draw(rt, "client")
			switch rapid.IntRange(0, 9).Draw(rt, "event") {
			case 0:
				w.restart()
				continue
			case 1, 2:
				method := rapid.SampledFrom([]string{"NextSequence", "Record", "LastIssued"}).Draw(rt, "method")
				w.ledger.Fail = func(m string) error {
					if m == method {
						return errors.New("failure")
					}
					return nil
				}
			case 3:
				w.ledger.FailAfter = func() error { return errors.New("unknown outcome") }
			case 4:
				if len(ids) > 0 {
					r.ReqCnf = &ace.Confirmation{KID: rapid.SampledFrom(ids).Draw(rt, "id")}
				}
			}
			payload, err := w.server.Token(t.Context(), client, r.Append(nil))
			w.ledger.Fail, w.ledger.FailAfter = nil, nil
			if err != nil {
				continue
			}
			answer, err := ace.ParseTokenResponse(payload)
			if err != nil {
				rt.Fatal(err)
			}
			claims := w.open(r.Audience, answer.AccessToken)
			if answer.Cnf != nil {
				ids = append(ids, answer.Cnf.OSCORE.ID)
			}
			if claims.ExpiresIn != 0 { // another ledger counts from 1 again
				if exi[string(claims.CWTID)] {
					rt.Errorf("cti %q comes again", claims.CWTID)
				}
				exi[string(claims.CWTID)] = true
				claims.CWTID = append(claims.CWTID, ace.TokenHash(answer.AccessToken)...)
			}
			s.addToken(rt, answer, claims)
		}
		// What was recorded, answered or not, differs too.
		recorded := map[string]bool{}
		for _, i := range w.ledger.Tokens() {
			ids := map[string][]byte{"cti": i.CTI, "hash": i.Hash}
			if i.KeyUse == as.NewKey {
				// Without the random part, too: chance is not what makes it unique.
				ids["number of id"] = i.KeyID[:len(i.KeyID)-8]
			}
			for what, b := range ids {
				if recorded[what+string(b)] {
					rt.Errorf("%s %x was recorded twice", what, b)
				}
				recorded[what+string(b)] = true
			}
		}
	})
}

// TestConcurrent issues tokens from several goroutines and two servers on one
// ledger.
func TestConcurrent(t *testing.T) {
	w := newWorld(t)
	first := w.server
	w.restart()
	w.set("rs2", func(rs *as.ResourceServer) { rs.ExpiresIn = true })
	var s seen
	var wg sync.WaitGroup
	for n := range 8 {
		server := w.server
		if n%2 == 0 {
			server = first
		}
		wg.Go(func() {
			for i := range 40 {
				audience := fmt.Sprintf("rs%d", 1+i%2)
				r := &ace.TokenRequest{Audience: audience, Scope: ace.TextScope("read")}
				payload, err := server.Token(t.Context(), "alice", r.Append(nil))
				if err != nil {
					t.Error(err)
					return
				}
				answer, err := ace.ParseTokenResponse(payload)
				if err != nil {
					t.Error(err)
					return
				}
				s.addToken(t, answer, w.open(audience, answer.AccessToken))
			}
		})
	}
	wg.Wait()
	if got := len(w.ledger.Tokens()); got != 8*40 {
		t.Errorf("%d tokens recorded, want %d", got, 8*40)
	}
}

// TestRestoredLedger: a copy of the ledger from yesterday gives the same numbers
// again. It should not; the random part of an identifier is for that day.
func TestRestoredLedger(t *testing.T) {
	var s seen
	for range 2 {
		w := newWorld(t)
		for range 100 {
			answer, claims := w.granted("alice", read())
			s.addToken(t, answer, claims)
		}
	}
}
