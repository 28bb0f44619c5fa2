package oscoreprofile

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// TestRepost is behaviour 25: a post of the same token makes a new context, which
// replaces the old one when it is used.
//
//spec:9203-6-7
func TestRepost(t *testing.T) {
	s := newServer(t, nil)
	c := newClient(t)
	token := s.token(claims("c1"))
	old := c.establish(s, token, material("c1"))
	if !c.works(s, old) {
		t.Fatal("the first context does not work")
	}
	renewed := c.establish(s, token, material("c1"))
	if !c.works(s, old) {
		t.Error("25 the old context ended before the new one was used")
	}
	if !c.works(s, renewed) {
		t.Fatal("25 the new context does not work")
	}
	if _, clear, _ := c.do(s, old, message(get, "/s/temp", nil)); clear != oscore.Code(rs.Unauthorized) {
		t.Errorf("25 the old context gets %v, want 4.01 in clear", clear)
	}
	if got, want := s.state(), "{Confirmed:1 Unconfirmed:0}, 1 contexts, 0 pending ids, 1 live ids"; got != want {
		t.Errorf("stored: %s, want %s", got, want)
	}
	if !slices.Equal(s.removed, []string{"replaced"}) {
		t.Errorf("removed: %v", s.removed)
	}

	rebooted := newServer(t, nil)
	if _, clear, _ := c.do(rebooted, renewed, message(get, "/s/temp", nil)); clear != oscore.Code(rs.Unauthorized) {
		t.Errorf("25 after a reboot: %v, want 4.01 in clear", clear)
	}
	if a := c.establish(rebooted, token, material("c1")); !c.works(rebooted, a) {
		t.Error("25 the same token does not work after a reboot")
	}
}

// TestTokenExpires: the context ends with the token (RFC 9203, Section 6).
//
//spec:9203-4.3-18
//spec:9203-4.3-19
//spec:9203-6-6
func TestTokenExpires(t *testing.T) {
	for _, sweep := range []bool{false, true} {
		s := newServer(t, nil)
		c := newClient(t)
		a := c.establish(s, s.token(claims("c1")), material("c1"))
		if !c.works(s, a) {
			t.Fatal("the context does not work")
		}
		s.clock.add(time.Hour)
		if sweep {
			if n, err := s.tokens.Expire(s.clock.get()); n != 1 || err != nil {
				t.Errorf("Expire = %d, %v", n, err)
			}
		}
		for range 2 {
			if code, clear, _ := c.do(s, a, message(get, "/s/temp", nil)); clear != oscore.Code(rs.Unauthorized) {
				t.Errorf("31 sweep %v: %v protected, %v in clear; want 4.01 in clear", sweep, code, clear)
			}
		}
		if got, want := s.state(), "{Confirmed:0 Unconfirmed:0}, 0 contexts, 0 pending ids, 0 live ids"; got != want {
			t.Errorf("stored: %s, want %s", got, want)
		}
		if !slices.Equal(s.removed, []string{"expired"}) {
			t.Errorf("removed: %v", s.removed)
		}
	}
}

// TestRevoked is behaviour 30.
func TestRevoked(t *testing.T) {
	revoked := map[string]bool{}
	s := newServer(t, func(c *serverConfig) {
		c.rs.Revoked = func(hash []byte) bool { return revoked[string(hash)] }
	})
	c := newClient(t)
	token := s.token(claims("c1"))
	a := c.establish(s, token, material("c1"))
	if !c.works(s, a) {
		t.Fatal("the context does not work")
	}
	revoked[string(ace.TokenHash(token))] = true
	s.tokens.Revoke(ace.TokenHash(token))
	if _, clear, _ := c.do(s, a, message(get, "/s/temp", nil)); clear != oscore.Code(rs.Unauthorized) {
		t.Errorf("30 the context of a revoked token gets %v, want 4.01 in clear", clear)
	}
	_, err := s.post(c.upload(token, material("c1")).Payload())
	wantCode(t, err, rs.Unauthorized)
	if got, want := s.state(), "{Confirmed:0 Unconfirmed:0}, 0 contexts, 0 pending ids, 0 live ids"; got != want {
		t.Errorf("stored: %s, want %s", got, want)
	}
}

// TestMasterSecretIsErased: an application that prints claims cannot show it.
func TestMasterSecretIsErased(t *testing.T) {
	s := newServer(t, nil)
	c := newClient(t)
	a := c.establish(s, s.token(claims("c1")), material("c1"))
	g, err := s.tokens.Authorize(serverSide(t, s, a).Subject(), get, "/s/temp", start)
	if err != nil {
		t.Fatal(err)
	}
	if ms := g.Claims().Cnf.OSCORE.MasterSecret; !bytes.Equal(ms, make([]byte, 16)) {
		t.Error("the Master Secret is still in the claims")
	}
}

// TestDiscard: when sequence numbers end, the server removes the token.
//
//spec:9203-6-5
func TestDiscard(t *testing.T) {
	working := false
	s := newServer(t, func(c *serverConfig) {
		c.authz.OnDiscard = func(a *oscore.Association, why rs.Reason) { working = a.Current() != nil && why == rs.Discarded }
	})
	c := newClient(t)
	a := c.establish(s, s.token(claims("c1")), material("c1"))
	own := serverSide(t, s, a)
	if !s.tokens.Remove(own.Subject()) {
		t.Fatalf("no token of %s", own.Subject())
	}
	if own.Current() != nil || s.contexts.Len() != 0 {
		t.Error("the context is still there")
	}
	if !working {
		t.Error("OnDiscard was not called while the context worked")
	}
	if !strings.HasPrefix(own.Subject(), "ace:"+issuer+":6331:") {
		t.Errorf("subject = %q", own.Subject())
	}
}

// TestIdentifiersRest: after the context has ended against the client's knowledge, its
// Recipient ID rests for as long as the client may go on.
func TestIdentifiersRest(t *testing.T) {
	s := newServer(t, nil)
	c := newClient(t)
	a := c.establish(s, s.token(claims("c1")), material("c1"))
	if !c.works(s, a) {
		t.Fatal("the context does not work")
	}
	own := serverSide(t, s, a)
	id := idalloc.ID(own.RecipientID())
	s.tokens.Remove(own.Subject())
	if n := s.ids.Stats().Unvalidated; n != 0 {
		t.Errorf("%d identifiers count as those of strangers, want 0", n)
	}
	s.clock.add(59 * time.Minute)
	if got, _ := s.ids.Lookup(id); got != idalloc.StateQuarantined {
		t.Errorf("a minute before the token expires the identifier is %v, want quarantined", got)
	}
	s.clock.add(2 * time.Minute)
	if got, _ := s.ids.Lookup(id); got != idalloc.StateFree {
		t.Errorf("after the token has expired the identifier is %v, want free", got)
	}
}

// TestIdentifiersRestAfterUpdate: what counts is the token of the last update.
func TestIdentifiersRestAfterUpdate(t *testing.T) {
	s := newServer(t, nil)
	c := newClient(t)
	a := c.establish(s, s.token(claims("c1")), material("c1"))
	later := func(c *ace.Claims) { c.Expiration = ace.Date(start.Add(5 * time.Hour)) }
	code, _, _ := c.do(s, a, message(post, "/authz-info", UpdatePayload(s.token(claims("c1", update("c1"), later)))))
	if code != oscore.Code(rs.Created) {
		t.Fatalf("update: %v", code)
	}
	own := serverSide(t, s, a)
	s.tokens.Remove(own.Subject())
	s.clock.add(4 * time.Hour)
	if got, _ := s.ids.Lookup(idalloc.ID(own.RecipientID())); got != idalloc.StateQuarantined {
		t.Errorf("an hour before the token expires the identifier is %v, want quarantined", got)
	}
}

// TestLateConfirm: an identifier that waited too long takes the context along.
func TestLateConfirm(t *testing.T) {
	s := newServer(t, func(c *serverConfig) { c.ids.PendingTTL = time.Minute })
	c := newClient(t)
	a := c.establish(s, s.token(claims("c1")), material("c1"))
	s.clock.add(2 * time.Minute)
	if code, clear, _ := c.do(s, a, message(get, "/s/temp", nil)); clear != oscore.Code(rs.Unauthorized) {
		t.Errorf("%v protected, %v in clear; want 4.01 in clear", code, clear)
	}
	if got, want := s.state(), "{Confirmed:0 Unconfirmed:0}, 0 contexts, 0 pending ids, 0 live ids"; got != want {
		t.Errorf("stored: %s, want %s", got, want)
	}
}
