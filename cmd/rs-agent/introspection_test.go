package main

import (
	"encoding/binary"
	"errors"
	"net"
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
	again, err := w.upload([]byte("a"), claims["a"])
	check(t, err)
	w.want("the same token again, a moment later", again, coap.GET, "/value", coap.Content)
	as.leave(nil)
	bob, err := w.upload([]byte("b"), claims["b"])
	check(t, err)
	w.want("the server is back", bob, coap.GET, "/value", coap.Content)

	// A server that has a new key is another one.
	other, _ := newKey(t, "as", 0)
	as.start(other)
	refused("another server", "y", claims["b"], coap.BadRequest)
}

// TestReadableTokensAreAskedAbout: also what the agent can read is refused if the server
// does not call it active, or cannot be asked.
func TestReadableTokensAreAskedAbout(t *testing.T) {
	own, credential := newKey(t, "sensor", 3)
	asKey, asCredential := newKey(t, "as", 0)
	own.Peer = asCredential.CRED()
	w := newAgentWorldWith(t, func(cfg *config, known *credentials.ResourceServer) {
		cfg.Introspection = true
		known.Introspection, known.EDHOC = "coap://192.0.2.9/introspect", own
	})
	active, revoked := claimsOf("alice", ace.AIF{{Path: "/value", Methods: ace.GET}}), claimsOf("bob", ace.AIF{{Path: "/value", Methods: ace.GET}})
	good, err := ace.EncryptCWT(nil, active, w.key, nil)
	check(t, err)
	bad, err := ace.EncryptCWT(nil, revoked, w.key, nil)
	check(t, err)
	as := &fakeAS{t: t, trusted: []edhocservice.Peer{{Name: "sensor", Credential: credential}}, claims: map[string]*ace.Claims{string(good): active}}
	as.start(asKey)
	w.agent.as.doer = as
	if _, err := w.upload(bad, revoked); err == nil || !strings.Contains(err.Error(), "4.01") {
		t.Errorf("a token that is not active: got %v, want 4.01", err)
	}
	as.leave(errors.New("no route"))
	if _, err := w.upload(good, active); err == nil || !strings.Contains(err.Error(), "4.00") {
		t.Errorf("the server is away: got %v, want 4.00", err)
	}
	as.leave(nil)
	alice, err := w.upload(good, active)
	check(t, err)
	w.want("a token that is active", alice, coap.GET, "/value", coap.Content)
}

// TestCloseWhileAsking: an upload that waits for a server that says nothing has its
// answer when the agent has closed, and leaves no identifier.
func TestCloseWhileAsking(t *testing.T) {
	own, _ := newKey(t, "sensor", 3)
	_, asCredential := newKey(t, "as", 0)
	own.Peer = asCredential.CRED()
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(t, err)
	defer func() { _ = silent.Close() }()
	w := newAgentWorldWith(t, func(cfg *config, known *credentials.ResourceServer) {
		cfg.Introspection = true
		known.TokenKey = credentials.TokenKey{}
		known.Introspection, known.EDHOC = "coap://"+silent.LocalAddr().String()+"/introspect", own
	})
	done := make(chan error, 1)
	go func() {
		_, err := w.upload([]byte("a"), claimsOf("alice", nil))
		done <- err
	}()
	_, _, err = silent.ReadFromUDP(make([]byte, 2048)) // message_1
	check(t, err)
	w.agent.close()
	if err := <-done; err == nil {
		t.Error("a token is taken that nobody has answered for")
	}
	if s := w.agent.ids.Stats(); s.Allocated != s.Aborted+s.Released {
		t.Errorf("identifiers are left: %+v", s)
	}
}
