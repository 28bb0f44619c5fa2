package as_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/ace/as/astest"
)

// TestUpdate asks again and again for other rights with the same key.
//
//spec:9203-3.1-2
//spec:9203-3.1-3
//spec:9203-3.2-9
//spec:9203-3.2-10
func TestUpdate(t *testing.T) {
	w := newWorld(t)
	first, _ := w.granted("alice", read())
	id := first.Cnf.OSCORE.ID
	for n, scope := range []string{"write", "write delete", "read"} {
		w.now = w.now.Add(time.Minute)
		if n == 1 {
			w.restart()
		}
		answer, claims := w.granted("alice", update(scope, id))
		want := &ace.TokenResponse{AccessToken: answer.AccessToken, ExpiresIn: 3600}
		if !reflect.DeepEqual(answer, want) {
			t.Errorf("answer %+v, want %+v", answer, want)
		}
		if !reflect.DeepEqual(claims.Cnf, &ace.Confirmation{KID: id}) || claims.Scope.String() != scope {
			t.Errorf("claims %+v", claims)
		}
		live, err := w.ledger.LiveToken(t.Context(), "alice", "rs1", id, w.now)
		if err != nil || !bytes.Equal(live.CTI, claims.CWTID) || live.KeyUse != as.SameKey || !live.Expires.Equal(w.now.Add(time.Hour)) {
			t.Errorf("live token %+v, %v, want that of the update", live, err)
		}
	}
	if n := len(w.ledger.Tokens()); n != 4 {
		t.Errorf("%d tokens, want 4", n)
	}
	// Not after it has expired, whatever the clock says then.
	w.now = w.now.Add(time.Hour)
	w.refused("alice", update("read", id).Append(nil), ace.InvalidRequest)
}

// TestUpdateOfWhat is not theirs, not there or not live.
//
//spec:9203-3.1-4
func TestUpdateOfWhat(t *testing.T) {
	w := newWorld(t)
	// Nothing is known of any token.
	w.refused("alice", update("read", []byte{1}).Append(nil), ace.InvalidRequest)
	answer, _ := w.granted("alice", read())
	id := answer.Cnf.OSCORE.ID
	w.refused("bob", update("read", id).Append(nil), ace.InvalidRequest)
	elsewhere := update("read", id)
	elsewhere.Audience = "rs2"
	w.refused("alice", elsewhere.Append(nil), ace.InvalidRequest)
	w.refused("alice", update("read", id[:len(id)-1]).Append(nil), ace.InvalidRequest)
	w.refused("alice", update("read", append(id, 0)).Append(nil), ace.InvalidRequest)
	w.refused("alice", update("read", bytes.Repeat(id, 20)).Append(nil), ace.InvalidRequest)

	w.ledger.Revoke(w.ledger.Tokens()[0].CTI)
	w.refused("alice", update("read", id).Append(nil), ace.InvalidRequest)
}

// TestUpdateRefused: a refused update changes nothing.
func TestUpdateRefused(t *testing.T) {
	w := newWorld(t)
	w.policy = policies(t, `permit (principal, action, resource == Scope::"read");`)
	w.restart()
	answer, claims := w.granted("alice", read())
	id := answer.Cnf.OSCORE.ID
	w.refused("alice", update("write", id).Append(nil), ace.InvalidScope)
	w.setAlice(func(c *as.Client) { c.Profiles = []ace.Profile{ace.ProfileMQTTTLS} })
	w.refused("alice", update("read", id).Append(nil), ace.IncompatibleACEProfiles)
	live, err := w.ledger.LiveToken(t.Context(), "alice", "rs1", id, w.now)
	if err != nil || !bytes.Equal(live.CTI, claims.CWTID) {
		t.Errorf("live token %+v, %v, want the first one", live, err)
	}
}

// TestUpdateRevokedMeanwhile: between the look and the record.
func TestUpdateRevokedMeanwhile(t *testing.T) {
	w := newWorld(t)
	answer, claims := w.granted("alice", read())
	w.ledger.Fail = func(method string) error {
		if method == "Record" {
			w.ledger.Fail = nil
			w.ledger.Revoke(claims.CWTID)
		}
		return nil
	}
	w.refused("alice", update("read", answer.Cnf.OSCORE.ID).Append(nil), ace.InvalidRequest)
}

// TestExi gives tokens to an RS without a clock.
//
//spec:9200-5.10.3-2
//spec:9200-5.10.3-3
func TestExi(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"rs1", "rs2"} {
		w.set(name, func(rs *as.ResourceServer) {
			rs.ExpiresIn, rs.Lifetime, rs.Claims.NoCTI = true, 2*time.Minute, true
		})
	}
	request := func(audience string) *ace.TokenRequest {
		return &ace.TokenRequest{Audience: audience, Scope: ace.TextScope("read")}
	}
	var id []byte
	for i, c := range []struct {
		rs     string
		number uint64
	}{{"rs1", 1}, {"rs1", 2}, {"rs2", 1}, {"rs1", 3}, {"rs2", 2}} {
		if i == 3 {
			w.restart()
		}
		answer, claims := w.granted("alice", request(c.rs))
		number, ok := ace.ExpiresInNumber(claims.CWTID, c.rs)
		if !ok || number != c.number {
			t.Errorf("token %d has cti %q, want number %d", i, claims.CWTID, c.number)
		}
		if claims.ExpiresIn != 120 || !claims.Expiration.IsZero() || answer.ExpiresIn != 120 {
			t.Errorf("token %d has exi %d, exp %v, expires_in %d, want 120 seconds", i, claims.ExpiresIn, claims.Expiration.Time(), answer.ExpiresIn)
		}
		issued := w.ledger.Tokens()[i]
		if want := start.Add(2*time.Minute + 30*24*time.Hour); issued.ExpiresIn != 120 || !issued.Expires.Equal(want) || !bytes.Equal(issued.CTI, claims.CWTID) {
			t.Errorf("recorded %+v, want it to expire at %v", issued, want)
		}
		id = answer.Cnf.OSCORE.ID
	}
	// An update has exi, too.
	r := update("write", id)
	r.Audience = "rs2"
	if _, claims := w.granted("alice", r); claims.ExpiresIn != 120 || !bytes.HasPrefix(claims.CWTID, []byte("rs2")) {
		t.Errorf("claims of the update %+v", claims)
	}
	// A number that was taken for nothing does not come back.
	w.ledger.Fail = func(method string) error {
		if method == "Record" {
			return errors.New("disk full")
		}
		return nil
	}
	w.refused("alice", request("rs1").Append(nil), 0)
	w.ledger.Fail = nil
	if _, claims := w.granted("alice", request("rs1")); !bytes.Equal(claims.CWTID, ace.ExpiresInID("rs1", 5)) {
		t.Errorf("cti after a failure %q", claims.CWTID)
	}
}

// TestClock: a clock that goes back does not bring an expired token to life, nor
// does it after a restart.
func TestClock(t *testing.T) {
	w := newWorld(t)
	answer, _ := w.granted("alice", read())
	id := answer.Cnf.OSCORE.ID
	w.now = start.Add(2 * time.Hour)
	w.granted("bob", read())
	for _, restart := range []bool{false, true} {
		w.now = start.Add(-24 * time.Hour)
		if restart {
			w.restart()
		}
		w.refused("alice", update("read", id).Append(nil), ace.InvalidRequest)
		_, claims := w.granted("bob", read())
		if want := start.Add(2 * time.Hour); !claims.IssuedAt.Time().Equal(want) || !claims.Expiration.Time().Equal(want.Add(time.Hour)) {
			t.Errorf("iat %v, exp %v, want %v and an hour later", claims.IssuedAt.Time(), claims.Expiration.Time(), want)
		}
	}
	// Whole seconds.
	w.now = start.Add(3*time.Hour + 999*time.Millisecond)
	_, claims := w.granted("bob", read())
	if want := start.Add(3 * time.Hour); !claims.IssuedAt.Time().Equal(want) || !w.ledger.Tokens()[len(w.ledger.Tokens())-1].IssuedAt.Equal(want) {
		t.Errorf("iat %v, want %v", claims.IssuedAt.Time(), want)
	}
}

// TestLedgerFails: no token without a record, and the fault is ours.
func TestLedgerFails(t *testing.T) {
	for _, method := range []string{"NextSequence", "Record", "LiveToken", "LastIssued"} {
		for _, err := range []error{errors.New("disk full"), as.ErrDuplicate, as.ErrNotLive, as.ErrUnknown} {
			if method == "LiveToken" && errors.Is(err, as.ErrNotLive) {
				continue // that is an answer
			}
			w := newWorld(t)
			id := []byte{1}
			if method != "LastIssued" {
				answer, _ := w.granted("alice", read())
				id = answer.Cnf.OSCORE.ID
			}
			w.set("rs1", func(rs *as.ResourceServer) { rs.ExpiresIn = true })
			w.ledger.Fail = func(m string) error {
				if m == method {
					return err
				}
				return nil
			}
			r := read()
			if method == "LiveToken" {
				r = update("read", id)
			}
			w.refused("alice", r.Append(nil), 0)
			w.ledger.Fail = nil
			w.granted("alice", read()) // and recovers
		}
	}
}

// TestUnknownOutcome: the ledger has kept the token and does not know it.
func TestUnknownOutcome(t *testing.T) {
	w := newWorld(t)
	w.ledger.FailAfter = func() error { return errors.New("connection lost") }
	answer, err := w.server.Token(t.Context(), "alice", read().Append(nil))
	if e, ok := errors.AsType[*as.Error](err); !ok || e.Code != ace.InternalServerError || answer != nil {
		t.Fatalf("Token = %x, %v, want a 5.00", answer, err)
	}
	kept := w.ledger.Tokens()
	if len(kept) != 1 {
		t.Fatalf("%d tokens kept, want 1", len(kept))
	}
	w.ledger.FailAfter = nil
	if _, claims := w.granted("alice", read()); bytes.Equal(claims.CWTID, kept[0].CTI) {
		t.Error("the next token has the same cti")
	}
}

func TestRegistriesFail(t *testing.T) {
	w := newWorld(t)
	lost := errors.New("database is gone")
	for name, c := range map[string]as.Config{
		"clients":       {Clients: failing{lost}, ResourceServers: w.servers},
		"RSs":           {Clients: w.clients, ResourceServers: failing{lost}},
		"RSs, stranger": {Clients: astest.Clients{}, ResourceServers: failing{lost}},
	} {
		c.Issuer, c.Policy, c.Ledger, c.Clock = issuer, w.policy, w.ledger, func() time.Time { return w.now }
		var err error
		if w.server, err = as.New(c); err != nil {
			t.Fatal(err)
		}
		if e := w.refused("alice", read().Append(nil), 0); !errors.Is(e, lost) {
			t.Errorf("%s: the cause is lost: %v", name, e)
		}
	}
}

func TestRandomFails(t *testing.T) {
	w := newWorld(t)
	w.random.fail = errors.New("no entropy")
	w.refused("alice", read().Append(nil), 0)
	w.random.fail = nil
	w.granted("alice", read())
}

func TestCancelled(t *testing.T) {
	w := newWorld(t)
	ctx := cancelled(t)
	if answer, err := w.server.Token(ctx, "alice", read().Append(nil)); err == nil || answer != nil || len(w.ledger.Tokens()) != 0 {
		t.Errorf("Token under a cancelled context = %x, %v", answer, err)
	}
}
