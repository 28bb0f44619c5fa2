package rs

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
)

const (
	get    = 1
	post   = 2
	put    = 3
	remove = 4
)

// TestAuthorize is behaviour 31.
//
//spec:9200-5.10.2-2
//spec:9200-5.10.2-3
//spec:9200-5.10.2-4
//spec:9200-5.10.2-5
//spec:9203-4.4-1
func TestAuthorize(t *testing.T) {
	s := newServer(t, nil)
	s.mustPost("a", goodClaims("c1", scope(
		ace.Permission{Path: "/s/temp", Methods: ace.GET},
		ace.Permission{Path: "/a/led", Methods: ace.GET | ace.PUT},
		ace.Permission{Path: "/q?u=C", Methods: ace.GET},
		ace.Permission{Path: "/none"},
		ace.Permission{Path: "/"},
	)), start, true)
	tests := []struct {
		name    string
		subject string
		method  uint8
		path    string
		want    uint8 // 0: granted
	}{
		{"31 covered", "a", get, "/s/temp", 0},
		{"31 covered, second method", "a", put, "/a/led", 0},
		{"31 covered with query", "a", get, "/q?u=C", 0},
		{"31 uncovered method", "a", put, "/s/temp", MethodNotAllowed},
		{"31 no method at all", "a", get, "/none", MethodNotAllowed},
		{"31 method that AIF does not know", "a", 8, "/s/temp", MethodNotAllowed},
		{"31 response code for a method", "a", 69, "/s/temp", MethodNotAllowed},
		{"31 empty code", "a", 0, "/s/temp", MethodNotAllowed},
		{"31 uncovered resource", "a", get, "/other", Forbidden},
		{"31 longer path", "a", get, "/s/temp/x", Forbidden},
		{"31 shorter path", "a", get, "/s", Forbidden},
		{"31 other case", "a", get, "/S/temp", Forbidden},
		{"31 trailing slash", "a", get, "/s/temp/", Forbidden},
		{"31 no path", "a", get, "", Forbidden},
		{"31 query not covered", "a", get, "/s/temp?u=C", Forbidden},
		{"31 without the query", "a", get, "/q", Forbidden},
		{"31 no token", "b", get, "/s/temp", Unauthorized},
		{"31 no association", "", get, "/s/temp", Unauthorized},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g, err := s.Authorize(test.subject, test.method, test.path, start)
			if test.want == 0 {
				if err != nil || !g.Permits(test.method, test.path) {
					t.Errorf("Authorize = %+v, %v", g, err)
				}
				return
			}
			if g != (Grant{}) {
				t.Errorf("a refusal comes with the grant %+v", g)
			}
			e := wantCode(t, err, test.want)
			if e.Discarded {
				t.Error("the association is discarded")
			}
			r := ErrorResponse(err)
			if test.want == Unauthorized {
				h, err := ace.ParseCreationHints(r.Payload)
				if err != nil || h.AS != issuer+"/token" || h.Audience != audience || r.ContentFormat != ace.ContentFormat {
					t.Errorf("hints = %+v, %v in %+v", h, err, r)
				}
			} else if r.Payload != nil {
				t.Errorf("payload = %x, want none", r.Payload)
			}
		})
	}
}

// TestExpiredToken: no request is served with it, whether Expire was called or not,
// and the answer is not protected.
//
//spec:9203-4.3-18
//spec:9203-4.3-19
//spec:9203-6-6
//spec:9200-5.10.3-5
func TestExpiredToken(t *testing.T) {
	s := newServer(t, nil)
	s.mustPost("a", goodClaims("c1"), start, true)
	s.mustPost("b", goodClaims("c2"), start, true)
	g, err := s.Authorize("a", get, "/s/temp", start.Add(time.Hour-1))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := g.Expires(), start.Add(time.Hour); !got.Equal(want) {
		t.Errorf("Expires() = %v, want %v", got, want)
	}
	s.log.take()
	_, err = s.Authorize("a", get, "/s/temp", start.Add(time.Hour))
	e := wantCode(t, err, Unauthorized)
	if !e.Discarded || !ErrorResponse(err).Unprotected || len(e.Hints) == 0 {
		t.Errorf("31 error = %+v, want an unprotected one with hints", e)
	}
	s.wantLog("a ends: expired, a removed")
	if err := s.Recheck(g, start.Add(time.Hour)); err == nil {
		t.Error("the grant outlives the token")
	}
	if n, err := s.Expire(start.Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("Expire = %d, %v, want 1", n, err)
	}
	s.wantLog("b ends: expired, b removed")
}

func TestZeroGrant(t *testing.T) {
	var g Grant
	if g.Permits(0, "") || g.Permits(get, "/s/temp") || g.Claims() != nil || g.Subject() != "" || !g.Expires().IsZero() {
		t.Errorf("the zero grant says %+v", g)
	}
	s := newServer(t, nil)
	if err := s.Recheck(g, start); !errors.Is(err, ErrGrant) {
		t.Errorf("Recheck = %v, want ErrGrant", err)
	}
	if err := s.Created(g, "/x"); !errors.Is(err, ErrGrant) {
		t.Errorf("Created = %v, want ErrGrant", err)
	}
}

func TestGrantIsForOneRequest(t *testing.T) {
	s := newServer(t, nil)
	s.mustPost("a", goodClaims("c1"), start, true)
	g, err := s.Authorize("a", get, "/a/led", start)
	if err != nil {
		t.Fatal(err)
	}
	if g.Permits(put, "/a/led") || g.Permits(get, "/s/temp") {
		t.Error("the grant permits what was not asked")
	}
	if g.Subject() != "a" || string(g.Claims().CWTID) != "cti-c1" {
		t.Errorf("grant of %s, %s", g.Subject(), g.Claims().CWTID)
	}
}

// TestRecheck: an update of access rights reaches long-running requests.
func TestRecheck(t *testing.T) {
	s := newServer(t, nil)
	s.mustPost("a", goodClaims("c1"), start, true)
	g, err := s.Authorize("a", get, "/s/temp", start)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Recheck(g, start); err != nil {
		t.Error(err)
	}
	if err := s.update("a", goodClaims("u1", kid("c1"), scope(ace.Permission{Path: "/a/led", Methods: ace.GET})), start); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Recheck(g, start), Forbidden)
	s.Remove("a")
	wantCode(t, s.Recheck(g, start), Unauthorized)
}

// TestCreated is the model of RFC 9237, Section 2.3.
func TestCreated(t *testing.T) {
	coffee := scope(
		ace.Permission{Path: "/a/make-coffee", Methods: ace.POST | (ace.GET | ace.DELETE).Dynamic()},
		ace.Permission{Path: "/a/tea", Methods: ace.POST},
		ace.Permission{Path: "/a/juice", Methods: ace.POST | ace.PUT.Dynamic()},
	)
	s := newServer(t, func(c *Config) { c.MaxCreated = 2 })
	s.mustPost("a", goodClaims("c1", coffee), start, true)
	s.mustPost("b", goodClaims("c2", coffee), start, true)
	grant := func(subject, path string) Grant {
		g, err := s.Authorize(subject, post, path, start)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	g := grant("a", "/a/make-coffee")
	if err := s.Created(g, "/coffee/1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Created(grant("a", "/a/tea"), "/tea/1"); err != nil {
		t.Fatal(err)
	}
	check := func(subject string, method uint8, path string, want uint8) {
		t.Helper()
		_, err := s.Authorize(subject, method, path, start)
		if want == 0 && err != nil {
			t.Errorf("%s: %d %s: %v", subject, method, path, err)
		}
		if want != 0 {
			wantCode(t, err, want)
		}
	}
	check("a", get, "/coffee/1", 0)
	check("a", remove, "/coffee/1", 0)
	check("a", put, "/coffee/1", MethodNotAllowed)
	check("a", get, "/a/make-coffee", MethodNotAllowed)
	check("a", get, "/tea/1", Forbidden)
	check("b", get, "/coffee/1", Forbidden)

	if err := s.Created(g, "/coffee/2"); err != nil {
		t.Fatal(err)
	}
	if err := s.Created(g, "/coffee/2"); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if err := s.Created(g, "/coffee/3"); !errors.Is(err, ErrTooManyCreated) {
		t.Errorf("Created = %v, want ErrTooManyCreated", err)
	}
	s.Deleted("/coffee/2")
	check("a", get, "/coffee/2", Forbidden)

	s.mustPost("a2", goodClaims("c1", coffee), start, true) // takes over what is a's
	check("a2", get, "/coffee/1", 0)
	if err := s.Created(g, "/coffee/4"); !errors.Is(err, ErrGrant) {
		t.Errorf("grant of a removed token: %v, want ErrGrant", err)
	}
	if err := s.update("a2", goodClaims("u1", kid("c1")), start); err != nil {
		t.Fatal(err)
	}
	check("a2", get, "/coffee/1", Forbidden)
}

func TestHints(t *testing.T) {
	s := newServer(t, func(c *Config) {
		c.SuggestScope = func(method uint8, path string) ace.Scope {
			return ace.AIFScope(ace.AIF{{Path: path, Methods: ace.MethodOf(method)}})
		}
	})
	b, err := s.Hints(put, "/a/led", start)
	if err != nil {
		t.Fatal(err)
	}
	h, err := ace.ParseCreationHints(b)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := h.Scope.String(), `[["/a/led",4]]`; got != want {
		t.Errorf("scope = %s, want %s", got, want)
	}
	if h.KID != nil || h.CNonce != nil {
		t.Errorf("hints = %+v, want no kid and no cnonce", h)
	}
	s = newServer(t, func(c *Config) { c.Hints = ace.CreationHints{} })
	if b, err := s.Hints(get, "/", start); err != nil || !bytes.Equal(b, []byte{0xa0}) {
		t.Errorf("hints = %x, %v, want an empty map", b, err)
	}
}

// TestErrorResponse knows every code that leaves this package.
func TestErrorResponse(t *testing.T) {
	for _, code := range []uint8{BadRequest, Unauthorized, Forbidden, MethodNotAllowed, ServiceUnavailable} {
		err := fmt.Errorf("wrapped: %w", &Error{Code: code, Reason: "not for the peer", Err: errors.New("cause")})
		if r := ErrorResponse(err); r.Code != code || r.Payload != nil || r.Unprotected {
			t.Errorf("ErrorResponse(%v) = %+v", err, r)
		}
	}
	if r := ErrorResponse(&ace.Error{Code: ace.BadRequest}); r.Code != BadRequest {
		t.Errorf("response = %+v", r)
	}
	if r := ErrorResponse(ErrSubject); r.Code != InternalError || r.Payload != nil {
		t.Errorf("response = %+v", r)
	}
	e := &Error{Code: Unauthorized, Section: "RFC 1", Reason: "why", Err: errors.New("cause")}
	if got, want := e.Error(), "rs: 4.01: why (RFC 1): cause"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}
