package main

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/edhocservice"
	"github.com/ostiary/ostiary/coap"
)

// TestAnswers: one question for each token in the life of an answer; a failure is no
// answer; and no more of them are kept than so many.
func TestAnswers(t *testing.T) {
	now, asked, failed := time.Now(), 0, error(nil)
	c := newAnswers(func([]byte) (*ace.IntrospectionResponse, error) {
		asked++
		if failed != nil {
			return nil, failed
		}
		return &ace.IntrospectionResponse{Active: true}, nil
	})
	c.now = func() time.Time { return now }
	get := func(token string, want int) {
		t.Helper()
		if r, err := c.get([]byte(token)); err != nil || !r.Active || asked != want {
			t.Errorf("got %v, %v after %d questions, want %d", r, err, asked, want)
		}
	}
	get("a", 1)
	get("a", 1)
	get("b", 2)
	now = now.Add(answerLife)
	get("a", 3)
	failed = errors.New("no route")
	for range 2 { // also where there was an answer
		if _, err := c.get([]byte("b")); err == nil {
			t.Error("a failure is taken for an answer")
		}
	}
	get("a", 5)
	failed = nil
	for i := range uint32(3 * maxAnswers) {
		if _, err := c.get(binary.BigEndian.AppendUint32(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.byToken) > maxAnswers {
		t.Errorf("%d answers are kept, want %d at most", len(c.byToken), maxAnswers)
	}
}

// TestIntrospectedTokens: what the authorization server says of a token counts, asked
// once; while it is away what is known works, and what is new is refused (RFC 9200,
// Section 5.10.1.1), also what it would say yes to.
func TestIntrospectedTokens(t *testing.T) {
	own, credential := newKey(t, "sensor", 3)
	asKey, asCredential := newKey(t, "as", 0)
	own.Peer = asCredential.CRED()
	w := newAgentWorldWith(t, func(cfg *config, known *credentials.ResourceServer) {
		cfg.Introspection = true
		known.TokenKey = credentials.TokenKey{}
		known.Introspection, known.EDHOC = "coap://192.0.2.9/introspect", own
	})
	scope := ace.AIF{{Path: "/value", Methods: ace.GET}}
	claims := map[string]*ace.Claims{"a": claimsOf("alice", scope), "b": claimsOf("bob", scope), "c": claimsOf("carol", scope)}
	claims["c"].Audience = "other"
	as := &fakeAS{t: t, trusted: []edhocservice.Peer{{Name: "sensor", Credential: credential}}, claims: claims}
	as.start(asKey)
	w.agent.as.doer = as

	alice, err := w.upload([]byte("a"), claims["a"])
	check(t, err)
	for range 3 {
		w.want("a token that is active", alice, coap.GET, "/value", coap.Content)
	}
	w.want("its scope", alice, coap.GET, "/secret", coap.Forbidden)
	if as.asked != 1 || as.handshakes != 1 {
		t.Errorf("asked %d times after %d handshakes, want once", as.asked, as.handshakes)
	}
	refused := func(when, token string, claims *ace.Claims, want coap.Code) {
		t.Helper()
		_, err := w.upload([]byte(token), claims)
		if code, _, _ := strings.Cut(want.String(), " "); err == nil || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: got %v, want %v", when, err, want)
		}
	}
	refused("a token that nobody knows", "x", claims["a"], coap.Unauthorized)
	refused("a token for another resource server", "c", claims["c"], coap.Forbidden)

	as.leave(errors.New("no route"))
	refused("the server is away", "b", claims["b"], coap.BadRequest)
	w.want("a token that is known", alice, coap.GET, "/value", coap.Content)
	if _, err := w.upload([]byte("a"), claims["a"]); err != nil {
		t.Errorf("the same token again, a moment later: %v", err)
	}
	as.leave(nil)
	bob, err := w.upload([]byte("b"), claims["b"])
	check(t, err)
	w.want("the server is back", bob, coap.GET, "/value", coap.Content)

	// A server that has a new key is another one.
	other, _ := newKey(t, "as", 0)
	as.start(other)
	refused("another server", "y", claims["b"], coap.BadRequest)
}
