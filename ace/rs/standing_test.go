package rs

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/ace"
)

const peerPath = "/valve"

func (s *server) stand(subject, peer string, permissions ...ace.Permission) error {
	return s.AddStanding(Standing{
		Subject: subject, Source: "peers", Peer: peer, Permissions: permissions,
		Ended: func(x Removed) { s.log.add("%s ended, token %v", x.Subject, x.Token) },
	})
}

func (s *server) mustStand(subject, peer string, permissions ...ace.Permission) {
	s.t.Helper()
	if err := s.stand(subject, peer, permissions...); err != nil {
		s.t.Fatal(err)
	}
}

func TestStanding(t *testing.T) {
	s := newServer(t, nil)
	s.mustStand("e1", "pump", ace.Permission{Path: peerPath, Methods: ace.GET})
	s.mustStand("e2", "nobody")
	for _, c := range []struct {
		subject string
		method  uint8
		path    string
		want    uint8 // 0: allowed
	}{
		{"e1", get, peerPath, 0},
		{"e1", put, peerPath, MethodNotAllowed},
		{"e1", get, "/other", Forbidden},
		{"e2", get, peerPath, Forbidden},
		{"e3", get, peerPath, Unauthorized},
		{"pump", get, peerPath, Unauthorized}, // a name is not an association
	} {
		g, err := s.Authorize(c.subject, c.method, c.path, start.Add(1000*time.Hour))
		if c.want != 0 {
			if e := wantCode(t, err, c.want); e.Discarded {
				t.Errorf("%s: the answer is not protected", c.subject)
			}
			if g.Permits(c.method, c.path) {
				t.Errorf("%s: a grant comes with the error", c.subject)
			}
			continue
		}
		source, peer := g.Standing()
		if err != nil || !g.Permits(c.method, c.path) || source != "peers" || peer != "pump" || g.Claims() != nil || !g.Expires().IsZero() {
			t.Errorf("%s: got %+v, %v", c.subject, g, err)
		}
	}
}

// TestStandingEnds: with Remove, and then at once; nothing else ends it.
func TestStandingEnds(t *testing.T) {
	s := newServer(t, nil)
	s.mustStand("e1", "pump", ace.Permission{Path: peerPath, Methods: ace.GET})
	g, err := s.Authorize("e1", get, peerPath, start)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Expire(start.Add(1000 * time.Hour)); n != 0 || err != nil {
		t.Errorf("Expire: got %d, %v", n, err)
	}
	if n := s.Revoke(nil, []byte{}, ace.TokenHash(nil)); n != 0 {
		t.Errorf("Revoke: got %d", n)
	}
	if err := s.Recheck(g, start); err != nil {
		t.Errorf("Recheck: %v", err)
	}
	if got := s.Stats(); got != (Stats{}) {
		t.Errorf("a standing right is counted as a token: %+v", got)
	}
	if !s.Remove("e1") || s.Remove("e1") {
		t.Error("Remove does not say that there was one")
	}
	if got, want := s.log.take(), "e1 ends: discarded, e1 ended, token <nil>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	wantCode(t, s.Recheck(g, start), Unauthorized)
	if err := s.Created(g, "/new"); !errors.Is(err, ErrGrant) {
		t.Errorf("Created: got %v, want ErrGrant", err)
	}
	if s.Contains("e1") {
		t.Error("the subject is still there")
	}
}

// TestStandingEndsMeanwhile: a request that has found a right which has ended since, gets
// nothing by it, also if another has its subject.
func TestStandingEndsMeanwhile(t *testing.T) {
	s := newServer(t, nil)
	right := ace.Permission{Path: peerPath, Methods: ace.GET}
	s.mustStand("e1", "pump", right)
	found := s.stands("e1")
	s.Remove("e1")
	s.mustStand("e1", "lamp", right)
	_, err := s.grantStanding(found, get, peerPath)
	wantCode(t, err, Unauthorized)
}

func TestStandingCreates(t *testing.T) {
	s := newServer(t, nil)
	s.mustStand("e1", "pump", ace.Permission{Path: "/a", Methods: ace.POST | ace.GET.Dynamic()})
	g, err := s.Authorize("e1", post, "/a", start)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Created(g, "/a/1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authorize("e1", get, "/a/1", start); err != nil {
		t.Errorf("what it created: %v", err)
	}
	s.Deleted("/a/1")
	_, err = s.Authorize("e1", get, "/a/1", start)
	wantCode(t, err, Forbidden)
}

// TestStandingAndTokensDoNotMeet: a client whose token bears the name of a peer, or
// its subject, as its own, as its cti and as the name of its key, gains and takes
// nothing; and a peer with the names of a client neither.
func TestStandingAndTokensDoNotMeet(t *testing.T) {
	s := newServer(t, func(c *Config) { c.MaxTokens, c.MaxUnconfirmed = 2, 1 })
	valve := ace.Permission{Path: peerPath, Methods: ace.GET}
	s.mustStand("e1", "pump", valve)
	for _, name := range []string{"pump", "e1"} {
		mallory := goodClaims(name, sub(name), cti(name))
		s.mustPost("a-"+name, mallory, start, true)
		_, err := s.Authorize("a-"+name, get, peerPath, start)
		wantCode(t, err, Forbidden)
		if err := s.update("e1", goodClaims(name, kid(name), scope(valve)), start); err == nil {
			t.Error("a token updates the right of a peer")
		}
		if _, err := s.Authorize("e1", get, "/s/temp", start); err == nil {
			t.Error("the peer has the right of a token")
		}
	}
	wantCode(t, s.Confirm("e1", start), Unauthorized)

	// The subject of one is not to be had by another.
	v, err := s.Verify(encrypt(t, s.key, goodClaims("c9")), start)
	if err != nil {
		t.Fatal(err)
	}
	taken := Entry{Token: v, Subject: "e1", Profile: ace.ProfileCoAPOSCORE, Binding: &binding{log: s.log, subject: "e1"}}
	if err := s.Add(taken, start); !errors.Is(err, ErrSubject) {
		t.Errorf("token with the subject of a peer: got %v, want ErrSubject", err)
	}
	if err := s.stand("a-pump", "pump", valve); !errors.Is(err, ErrSubject) {
		t.Errorf("peer with the subject of a token: got %v, want ErrSubject", err)
	}
	if err := s.stand("", "pump", valve); !errors.Is(err, ErrSubject) {
		t.Errorf("peer without a subject: got %v, want ErrSubject", err)
	}

	// Neither takes the room of the other.
	if err := s.post("a-c3", goodClaims("c3"), start); err == nil {
		t.Error("more tokens than MaxTokens")
	}
	for i := range byte(9) {
		s.mustStand("e"+string('2'+rune(i)), "pump", valve)
	}
	for _, subject := range []string{"a-pump", "a-e1"} {
		if _, err := s.Authorize(subject, get, "/s/temp", start); err != nil {
			t.Errorf("%s: %v", subject, err)
		}
	}
	if n := s.Revoke(v.Hash()); n != 0 {
		t.Errorf("Revoke: got %d", n)
	}
	if _, err := s.Authorize("e1", get, peerPath, start); err != nil {
		t.Errorf("the peer: %v", err)
	}
}

// TestStandingModel: whatever clients post and use, with names and subjects of the
// same few, a peer has the right that it was given last until that is removed.
func TestStandingModel(t *testing.T) {
	names := rapid.SampledFrom([]string{"n1", "n2", "n3"})
	methods := rapid.SampledFrom([]ace.Methods{ace.GET, ace.PUT, ace.POST})
	rapid.Check(t, func(rt *rapid.T) {
		s := newServer(t, func(c *Config) { c.MaxTokens, c.MaxUnconfirmed = 2, 2 })
		standing := map[string]ace.Methods{} // by subject
		serial := 0
		rt.Repeat(map[string]func(*rapid.T){
			"stand": func(rt *rapid.T) {
				subject, m := names.Draw(rt, "subject"), methods.Draw(rt, "methods")
				free := !s.Contains(subject)
				err := s.stand(subject, names.Draw(rt, "peer"), ace.Permission{Path: peerPath, Methods: m})
				if (err == nil) != free {
					rt.Fatalf("AddStanding of %s: %v", subject, err)
				}
				if free {
					standing[subject] = m
				}
			},
			"remove": func(rt *rapid.T) {
				subject := names.Draw(rt, "subject")
				s.Remove(subject)
				delete(standing, subject)
			},
			"post": func(rt *rapid.T) {
				serial++
				subject, name := names.Draw(rt, "subject"), names.Draw(rt, "name")
				all := scope(ace.Permission{Path: peerPath, Methods: ace.GET | ace.PUT | ace.POST})
				err := s.post(subject, goodClaims(name, sub(name), cti(fmt.Sprint(serial)), all), start)
				if _, taken := standing[subject]; taken && !errors.Is(err, ErrSubject) {
					rt.Fatalf("token with the subject of a peer: %v", err)
				}
			},
			"use": func(rt *rapid.T) { _, _ = s.Authorize(names.Draw(rt, "subject"), get, peerPath, start) },
			"update": func(rt *rapid.T) {
				serial++
				name := names.Draw(rt, "name")
				_ = s.update(names.Draw(rt, "subject"), goodClaims(name, kid(name), cti(fmt.Sprint(serial))), start)
			},
			"expire": func(rt *rapid.T) {
				if _, err := s.Expire(start.Add(2 * time.Hour)); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				for subject, m := range standing {
					for method, bit := range map[uint8]ace.Methods{get: ace.GET, put: ace.PUT, post: ace.POST} {
						g, err := s.Authorize(subject, method, peerPath, start)
						_, peer := g.Standing()
						if (err == nil) != (m&bit != 0) || err == nil && peer == "" {
							rt.Fatalf("%s has %v: %v gives %v, %v", subject, m, bit, g, err)
						}
					}
				}
			},
		})
	})
}

// TestStandingIsCopied: whoever keeps the list that he gave changes nothing with it.
func TestStandingIsCopied(t *testing.T) {
	s := newServer(t, nil)
	permissions := []ace.Permission{{Path: peerPath, Methods: ace.GET}}
	s.mustStand("e1", "pump", permissions...)
	permissions[0].Methods = ace.PUT
	if _, err := s.Authorize("e1", put, peerPath, start); err == nil {
		t.Error("the right has grown")
	}
	if bytes.Contains([]byte(s.snapshot()), []byte("e1")) {
		t.Error("a peer is among the tokens")
	}
}
