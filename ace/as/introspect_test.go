package as_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
)

// introspecting makes a world whose RSs may learn the claims of their tokens.
func introspecting(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	for audience := range w.servers {
		w.set(audience, func(rs *as.ResourceServer) { rs.Introspection = as.WithClaims })
	}
	return w
}

func subject(rs string) string { return as.ResourceServerSubject(rs) }

func query(token []byte) []byte { return (&ace.IntrospectionRequest{Token: token}).Append(nil) }

// asked makes a request that succeeds.
func (w *world) asked(requester string, token []byte) *ace.IntrospectionResponse {
	w.t.Helper()
	payload, err := w.server.Introspect(w.t.Context(), requester, query(token))
	if err != nil {
		w.t.Fatalf("Introspect(%q, %x): %v", requester, token, err)
	}
	r, err := ace.ParseIntrospectionResponse(payload)
	if err != nil {
		w.t.Fatalf("answer %x: %v", payload, err)
	}
	if !r.Active && !bytes.Equal(payload, []byte{0xa1, 10, 0xf4}) {
		w.t.Errorf("answer %x tells more than that the token is not active", payload)
	}
	return r
}

// notAsked makes a request that fails.
func (w *world) notAsked(requester string, payload []byte, wantCode uint8, want ace.ErrorCode) {
	w.t.Helper()
	answer, err := w.server.Introspect(w.t.Context(), requester, payload)
	e, ok := errors.AsType[*as.Error](err)
	if !ok || answer != nil {
		w.t.Fatalf("Introspect(%q, %x) = %x, %v, want %v", requester, payload, answer, err, want)
	}
	var wantBody []byte
	if want != 0 {
		wantBody = (&ace.ErrorResponse{Code: want}).Append(nil)
	}
	code, body := as.ErrorResponse(err)
	if code != wantCode || !bytes.Equal(body, wantBody) {
		w.t.Errorf("Introspect(%q, %x) fails with %v, answer %x %x, want %x %x", requester, payload, err, code, body, wantCode, wantBody)
	}
	w.noSecretIn(err.Error(), fmt.Sprintf("%+v %#v %x", e, e, body))
}

// TestIntrospectClaims: an RS that cannot read its tokens learns all that they say.
//
//spec:9200-5.9.2-2
//spec:9201-5-2
func TestIntrospectClaims(t *testing.T) {
	w := introspecting(t)
	answer, claims := w.granted("alice", read())
	got := w.asked(subject("rs1"), answer.AccessToken)
	want := &ace.IntrospectionResponse{Active: true, Claims: *claims}
	want.Profile = ace.ProfileCoAPOSCORE
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !reflect.DeepEqual(got.Cnf.OSCORE, answer.Cnf.OSCORE) {
		t.Errorf("the RS gets %v, the client %v", got.Cnf.OSCORE, answer.Cnf.OSCORE)
	}
	if got.Issuer != issuer || got.Audience != "rs1" || got.Scope != ace.TextScope("read") ||
		got.Expiration != ace.Date(start.Add(time.Hour)) || got.IssuedAt != ace.Date(start) || got.Subject != "" || got.ClientID != "" {
		t.Errorf("claims %+v", got.Claims)
	}
	// What the payload holds, byte by byte, but for what is drawn.
	payload, err := w.server.Introspect(t.Context(), subject("rs1"), query(answer.AccessToken))
	if err != nil {
		t.Fatal(err)
	}
	m := got.Cnf.OSCORE
	wantHex := "a9" + // map
		"0175" + hex.EncodeToString([]byte(issuer)) + // iss
		"0363" + hex.EncodeToString([]byte("rs1")) + // aud
		"041a6b49e010" + "061a6b49d200" + // exp, iat
		"07" + hex.EncodeToString(append([]byte{0x40 | byte(len(got.CWTID))}, got.CWTID...)) + // cti
		"08a104a3" + // cnf: osc
		"00" + hex.EncodeToString(append([]byte{0x40 | byte(len(m.ID))}, m.ID...)) +
		"0250" + hex.EncodeToString(m.MasterSecret) + "0548" + hex.EncodeToString(m.Salt) +
		"0964" + hex.EncodeToString([]byte("read")) + // scope
		"0af5" + // active
		"182602" // ace_profile
	if got := hex.EncodeToString(payload); got != wantHex {
		t.Errorf("payload\n%s, want\n%s", got, wantHex)
	}
}

// TestIntrospectActive: an RS that can read its tokens learns whether they are live.
func TestIntrospectActive(t *testing.T) {
	w := introspecting(t)
	w.set("rs1", func(rs *as.ResourceServer) { rs.Introspection = as.ActiveOnly })
	answer, _ := w.granted("alice", read())
	payload, err := w.server.Introspect(t.Context(), subject("rs1"), query(answer.AccessToken))
	if err != nil || !bytes.Equal(payload, []byte{0xa1, 10, 0xf5}) {
		t.Errorf("answer %x, %v, want active: true", payload, err)
	}
}

// TestIntrospectWho is what the channel says of the requester. A client is not the
// RS of the same name.
//
//spec:9200-5.9-5
//spec:9200-5.9.3-2
//spec:9200-5.9.3-3
func TestIntrospectWho(t *testing.T) {
	w := introspecting(t)
	w.clients["rs1"] = as.Client{Name: "rs1", Profiles: w.alice.Profiles}
	answer, _ := w.granted("alice", read())
	q := query(answer.AccessToken)
	w.notAsked("", q, ace.Unauthorized, ace.InvalidClient)
	w.notAsked(subject(""), q, ace.Unauthorized, ace.InvalidClient)
	w.notAsked("mallory", q, ace.Unauthorized, ace.InvalidClient)
	w.notAsked(subject("mallory"), q, ace.Unauthorized, ace.InvalidClient)
	w.notAsked(subject("alice"), q, ace.Unauthorized, ace.InvalidClient)
	w.notAsked("alice", q, ace.Forbidden, 0)
	w.notAsked("rs1", q, ace.Forbidden, 0) // the client
	w.notAsked("rs2", q, ace.Forbidden, 0) // an RS, on a channel for clients
	w.notAsked("alice", nil, ace.Forbidden, 0)
	w.setAlice(func(c *as.Client) { c.Suspended = true })
	w.notAsked("alice", q, ace.Forbidden, 0)

	for _, level := range []as.Introspection{as.NoIntrospection, 3, 255} {
		w.set("rs1", func(rs *as.ResourceServer) { rs.Introspection = level })
		w.notAsked(subject("rs1"), q, ace.Forbidden, 0)
	}
	w.set("rs1", func(rs *as.ResourceServer) { rs.Introspection, rs.TokenKey = as.WithClaims, nil })
	w.notAsked(subject("rs1"), q, ace.InternalServerError, 0)
	delete(w.servers, "rs1")
	w.notAsked(subject("rs1"), q, ace.Unauthorized, ace.InvalidClient)

	// And an RS gets no token in the name of the client.
	w.refused(subject("rs2"), read().Append(nil), ace.UnauthorizedClient)
	w.refused(subject("alice"), read().Append(nil), ace.InvalidClient)
}

// aliasing is a registry that finds another RS than it is asked for, as one does that
// takes names of different spelling for the same.
type aliasing struct {
	as.ResourceServers
	found as.ResourceServer
}

func (a aliasing) ResourceServer(context.Context, string) (as.ResourceServer, error) {
	return a.found, nil
}

// TestIntrospectAlias: nobody learns what is for an RS of another name.
func TestIntrospectAlias(t *testing.T) {
	w := introspecting(t)
	answer, _ := w.granted("alice", read())
	server, err := as.New(as.Config{
		Issuer: issuer, Clients: w.clients, ResourceServers: aliasing{w.servers, w.servers["rs1"][0]}, Policy: w.policy,
		Ledger: w.ledger, Clock: func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.server = server
	if !w.asked(subject("rs1"), answer.AccessToken).Active {
		t.Error("not active for the RS itself")
	}
	w.notAsked(subject("RS1"), query(answer.AccessToken), ace.InternalServerError, 0)
}

// TestIntrospectInactive: about no other token than a live one of its own does an RS
// learn anything.
//
//spec:9200-5.9.3-6
func TestIntrospectInactive(t *testing.T) {
	w := introspecting(t)
	answer, claims := w.granted("alice", read())
	token := answer.AccessToken
	made, err := ace.EncryptCWT(nil, claims, w.rs1.TokenKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	flipped, cut := bytes.Clone(token), token[:len(token)-1]
	flipped[len(flipped)-1] ^= 1
	for name, token := range map[string][]byte{
		"garbage": []byte("garbage"), "one byte": {0}, "flipped": flipped, "cut": cut, "with a byte more": append(bytes.Clone(token), 0),
		"under the right key, but never recorded": made,
		"64 KiB": bytes.Repeat([]byte{0xff}, 60000),
	} {
		if w.asked(subject("rs1"), token).Active {
			t.Errorf("%s: active", name)
		}
	}
	if w.asked(subject("rs2"), token).Active {
		t.Error("of another RS: active")
	}
	if !w.asked(subject("rs1"), token).Active {
		t.Fatal("a live token is not active")
	}

	w.now = start.Add(time.Hour - time.Second)
	if !w.asked(subject("rs1"), token).Active {
		t.Error("not active in the last second")
	}
	newer, _ := w.granted("alice", update("write", answer.Cnf.OSCORE.ID))
	if w.asked(subject("rs1"), token).Active {
		t.Error("superseded: active")
	}
	got := w.asked(subject("rs1"), newer.AccessToken)
	if want := (&ace.Confirmation{KID: answer.Cnf.OSCORE.ID}); !got.Active || !reflect.DeepEqual(got.Cnf, want) {
		t.Errorf("update: %+v, want active with cnf %+v", got, want)
	}
	w.ledger.Revoke(got.CWTID)
	if w.asked(subject("rs1"), newer.AccessToken).Active {
		t.Error("revoked: active")
	}

	third, _ := w.granted("alice", read())
	w.now = w.now.Add(time.Hour)
	if w.asked(subject("rs1"), third.AccessToken).Active {
		t.Error("expired: active")
	}
	w.now = start // a clock that goes back does not make it live again
	if w.asked(subject("rs1"), third.AccessToken).Active {
		t.Error("expired, and the clock went back: active")
	}

	fourth, _ := w.granted("alice", read())
	w.restart()
	if !w.asked(subject("rs1"), fourth.AccessToken).Active {
		t.Error("after a restart: not active")
	}
	w.set("rs1", func(rs *as.ResourceServer) { rs.TokenKey = w.servers["rs2"][0].TokenKey })
	if w.asked(subject("rs1"), fourth.AccessToken).Active {
		t.Error("of an RS that was registered anew: active")
	}
}

// TestIntrospectExpiresIn: the RS learns exi, and nothing of when the AS forgets the
// token.
func TestIntrospectExpiresIn(t *testing.T) {
	w := introspecting(t)
	w.set("rs1", func(rs *as.ResourceServer) { rs.ExpiresIn = true })
	answer, _ := w.granted("alice", read())
	got := w.asked(subject("rs1"), answer.AccessToken)
	if number, ok := ace.ExpiresInNumber(got.CWTID, "rs1"); !got.Active || got.ExpiresIn != 3600 || !got.Expiration.IsZero() || !ok || number != 1 {
		t.Errorf("got %+v, want exi 3600, no exp, and number 1", got.Claims)
	}
	w.now = start.Add(31*24*time.Hour + time.Hour)
	if w.asked(subject("rs1"), answer.AccessToken).Active {
		t.Error("after lifetime and HoldBack: active")
	}
}

// TestIntrospectGroup: each RS of a group sees the token, and no other RS.
func TestIntrospectGroup(t *testing.T) {
	w := introspecting(t)
	key := signingKey(t)
	for _, audience := range []string{"rs1", "rs2"} {
		w.set(audience, func(rs *as.ResourceServer) {
			rs.TokenKey, rs.Profiles, rs.Curves = key, []ace.Profile{ace.ProfileCoAPDTLS}, []ace.Curve{ace.CurveP256}
		})
	}
	w.servers["group"] = append(w.servers["rs1"], w.servers["rs2"]...)
	w.servers["rs3"] = []as.ResourceServer{w.servers["rs1"][0]}
	w.set("rs3", func(rs *as.ResourceServer) { rs.Name = "rs3" })
	w.setAlice(func(c *as.Client) { c.Profiles = []ace.Profile{ace.ProfileCoAPDTLS} })
	r := read()
	r.Audience, r.ReqCnf = "group", &ace.Confirmation{Key: w.aliceEC}
	answer, _ := w.granted("alice", r)
	for _, rs := range []string{"rs1", "rs2"} {
		got := w.asked(subject(rs), answer.AccessToken)
		if !got.Active || got.Audience != "group" || got.Profile != ace.ProfileCoAPDTLS || !got.Cnf.Key.Equal(w.aliceEC) {
			t.Errorf("%s: got %+v", rs, got)
		}
	}
	if w.asked(subject("rs3"), answer.AccessToken).Active {
		t.Error("an RS that has the same AS key, but is not in the group, sees the token")
	}
}

// TestIntrospectRequest are the members of a request.
func TestIntrospectRequest(t *testing.T) {
	w := introspecting(t)
	answer, _ := w.granted("alice", read())
	token := answer.AccessToken
	head := append([]byte{0x0b, 0x58, byte(len(token))}, token...)
	for name, tail := range map[string]string{
		"token_type_hint as a number": "182102", "token_type_hint as a text": "182163706f70", "another token_type_hint": "18213903e7",
		"client_id": "181863727331", "an unknown member": "1901f46161", "an unknown text member": "61786179",
	} {
		payload := append([]byte{0xa2}, head...)
		b, err := hex.DecodeString(tail)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := w.server.Introspect(t.Context(), subject("rs1"), append(payload, b...)); err != nil || len(got) < 50 {
			t.Errorf("%s: %x, %v, want the claims", name, got, err)
		}
	}
	for name, payload := range map[string][]byte{
		"nothing": nil, "not CBOR": {0xff}, "an array": {0x80}, "no token": {0xa0}, "token is a text": {0xa1, 0x0b, 0x61, 'a'},
		"empty token": {0xa1, 0x0b, 0x40}, "token twice": {0xa2, 0x0b, 0x41, 1, 0x0b, 0x41, 1}, "indefinite length": {0xbf, 0x0b, 0x41, 1, 0xff},
		"something behind": {0xa1, 0x0b, 0x41, 1, 0}, "client_id is a number": {0xa2, 0x0b, 0x41, 1, 0x18, 0x18, 1},
		"token_type_hint is a byte string": {0xa2, 0x0b, 0x41, 1, 0x18, 0x21, 0x41, 2}, "70 KiB": append([]byte{0xa1, 0x0b, 0x5a, 0, 1, 0x10, 0}, make([]byte, 0x11000)...),
	} {
		t.Run(name, func(t *testing.T) { w.notAsked(subject("rs1"), payload, ace.BadRequest, ace.InvalidRequest) })
	}
	for _, id := range []string{"alice", "rs2", "\x00rs1"} {
		w.notAsked(subject("rs1"), (&ace.IntrospectionRequest{Token: token, ClientID: id}).Append(nil), ace.Unauthorized, ace.InvalidClient)
	}
}

// TestIntrospectFails: what is our fault is no "not active".
func TestIntrospectFails(t *testing.T) {
	for _, method := range []string{"LiveTokenByHash", "LastIssued"} {
		w := introspecting(t)
		answer, _ := w.granted("alice", read())
		w.restart()
		w.ledger.Fail = func(m string) error {
			if m == method {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
		w.notAsked(subject("rs1"), query(answer.AccessToken), ace.InternalServerError, 0)
	}
}

// FuzzIntrospect: whatever an RS sends, it is its own fault, or about a token of its
// own.
func FuzzIntrospect(f *testing.F) {
	w := introspecting(f)
	own, _ := w.granted("alice", read())
	r := read()
	r.Audience = "rs2"
	other, _ := w.granted("alice", r)
	f.Add(query(own.AccessToken))
	f.Add(query(other.AccessToken))
	f.Add([]byte{0xa2, 0x0b, 0x41, 1, 0x18, 0x21, 0x02})
	f.Add([]byte{0xa2, 0x0b, 0x41, 1, 0x18, 0x18, 0x63, 'r', 's', '1'})
	f.Fuzz(func(t *testing.T, payload []byte) {
		w.t = t
		answer, err := w.server.Introspect(t.Context(), subject("rs1"), payload)
		if err != nil {
			if e, ok := errors.AsType[*as.Error](err); !ok || e.OAuth != ace.InvalidRequest && e.OAuth != ace.InvalidClient {
				t.Errorf("Introspect fails with %v", err)
			}
			return
		}
		q, err := ace.ParseIntrospectionRequest(payload)
		if err != nil {
			t.Fatalf("answered what does not parse: %v", err)
		}
		got, err := ace.ParseIntrospectionResponse(answer)
		if err != nil || got.Active != bytes.Equal(q.Token, own.AccessToken) {
			t.Errorf("got %+v, %v about %x", got, err, q.Token)
		}
	})
}
