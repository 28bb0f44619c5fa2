package as_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/ace/as/astest"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/policy"
)

const issuer = "coap://as.example.com"

// start is the time at which tests begin.
var start = time.Unix(1_800_000_000, 0).UTC()

// A world is an AS with clients and RSs around it.
type world struct {
	t       testing.TB
	server  *as.Server
	clients astest.Clients
	servers astest.ResourceServers
	ledger  *astest.Ledger
	policy  as.Policy
	now     time.Time
	random  *recorder
	rs1     as.ResourceServer
	alice   as.Client
	aliceEC *ace.Key
}

// recorder is a source of random bytes that keeps what it gave.
type recorder struct {
	mu    sync.Mutex
	drawn [][]byte
	fail  error
}

func (r *recorder) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return 0, r.fail
	}
	n, err := rand.Read(b)
	r.drawn = append(r.drawn, bytes.Clone(b))
	return n, err
}

// everything permits all; tests of what is refused have policies of their own.
const everything = `permit (principal, action, resource);`

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, ledger: new(astest.Ledger), now: start, random: new(recorder), policy: policies(t, everything)}
	w.aliceEC = ecKey(t)
	w.alice = as.Client{Name: "alice", Profiles: []ace.Profile{ace.ProfileCoAPOSCORE}, Keys: []*ace.Key{w.aliceEC}}
	w.clients = astest.Clients{
		"alice": w.alice,
		"bob":   {Name: "bob", Profiles: []ace.Profile{ace.ProfileCoAPOSCORE}},
	}
	w.rs1 = as.ResourceServer{
		Name: "rs1", Profiles: []ace.Profile{ace.ProfileCoAPOSCORE}, TokenKey: tokenKey(t, ace.TokenKeyConfig{ID: []byte("k1"), Secret: bytes.Repeat([]byte{1}, 16)}),
	}
	rs2 := w.rs1
	rs2.Name, rs2.TokenKey = "rs2", tokenKey(t, ace.TokenKeyConfig{ID: []byte("k2"), Secret: bytes.Repeat([]byte{2}, 16)})
	w.servers = astest.ResourceServers{"rs1": {w.rs1}, "rs2": {rs2}}
	w.restart()
	return w
}

// restart makes the server anew, with what is durable.
func (w *world) restart() {
	w.t.Helper()
	var err error
	w.server, err = as.New(as.Config{
		Issuer: issuer, Clients: w.clients, ResourceServers: w.servers, Policy: w.policy, Ledger: w.ledger,
		Clock: func() time.Time { return w.now }, Rand: w.random,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// set changes an RS.
func (w *world) set(audience string, change func(*as.ResourceServer)) {
	rs := w.servers[audience][0]
	change(&rs)
	w.servers[audience] = []as.ResourceServer{rs}
}

func (w *world) setAlice(change func(*as.Client)) {
	c := w.clients["alice"]
	change(&c)
	w.clients["alice"] = c
}

func policies(t testing.TB, text string) *policy.Set {
	t.Helper()
	s, err := policy.Parse("policies", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tokenKey(t testing.TB, c ace.TokenKeyConfig) *ace.TokenKey {
	t.Helper()
	k, err := ace.NewTokenKey(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ecKey(t testing.TB) *ace.Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ace.NewPublicKey(&private.PublicKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signingKey is a key of the AS that signs tokens.
func signingKey(t testing.TB) *ace.TokenKey {
	t.Helper()
	_, s, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return tokenKey(t, ace.TokenKeyConfig{ID: []byte("as"), Algorithm: cose.EdDSA, Signer: s})
}

// read asks for the scope "read" at rs1.
func read() *ace.TokenRequest {
	return &ace.TokenRequest{Audience: "rs1", Scope: ace.TextScope("read")}
}

// update asks for another scope with the key of an earlier answer.
func update(scope string, id []byte) *ace.TokenRequest {
	return &ace.TokenRequest{Audience: "rs1", Scope: ace.TextScope(scope), ReqCnf: &ace.Confirmation{KID: id}}
}

// granted makes a request that succeeds, and opens the token as its RS does.
func (w *world) granted(client string, r *ace.TokenRequest) (*ace.TokenResponse, *ace.Claims) {
	w.t.Helper()
	before := len(w.ledger.Tokens())
	payload, err := w.server.Token(w.t.Context(), client, r.Append(nil))
	if err != nil {
		w.t.Fatalf("Token(%s): %v", client, err)
	}
	answer, err := ace.ParseTokenResponse(payload)
	if err != nil {
		w.t.Fatalf("answer %x: %v", payload, err)
	}
	if got := len(w.ledger.Tokens()) - before; got != 1 {
		w.t.Fatalf("%d tokens recorded, want 1", got)
	}
	audience := r.Audience
	if audience == "" {
		audience = w.clients[client].Audience
	}
	return answer, w.open(audience, answer.AccessToken)
}

// open opens a token as every RS of the audience does.
func (w *world) open(audience string, token []byte) (claims *ace.Claims) {
	w.t.Helper()
	for _, rs := range w.servers[audience] {
		var err error
		claims, _, err = ace.OpenCWT(token, func([]byte) []*ace.TokenKey { return []*ace.TokenKey{rs.TokenKey} })
		if err != nil {
			w.t.Fatalf("%s opens token %x: %v", rs.Name, token, err)
		}
	}
	return claims
}

// refused makes a request that fails, and looks at all that it leaves behind.
func (w *world) refused(client string, payload []byte, want ace.ErrorCode) *as.Error {
	w.t.Helper()
	before := fmt.Sprintf("%+v", w.ledger.Tokens())
	answer, err := w.server.Token(w.t.Context(), client, payload)
	e, ok := errors.AsType[*as.Error](err)
	if !ok || answer != nil {
		w.t.Fatalf("Token(%s, %x) = %x, %v, want %v", client, payload, answer, err, want)
	}
	code, body := as.ErrorResponse(err)
	wantCode, wantBody := ace.BadRequest, (&ace.ErrorResponse{Code: want}).Append(nil)
	switch want {
	case 0:
		wantCode, wantBody = ace.InternalServerError, nil
	case ace.InvalidClient:
		wantCode = ace.Unauthorized
	}
	if e.OAuth != want || code != wantCode || !bytes.Equal(body, wantBody) {
		w.t.Errorf("Token(%s, %x) fails with %v (%v), answer %x %x, want %v %x %x", client, payload, e.OAuth, err, code, body, want, wantCode, wantBody)
	}
	if after := fmt.Sprintf("%+v", w.ledger.Tokens()); after != before {
		w.t.Errorf("ledger after the refusal: %s, want %s", after, before)
	}
	w.noSecretIn(err.Error(), fmt.Sprintf("%+v %#v %x", e, e, body))
	return e
}

// noSecretIn looks for what was drawn as a Master Secret, in all shapes.
func (w *world) noSecretIn(texts ...string) {
	w.t.Helper()
	for _, secret := range w.random.drawn {
		if len(secret) < 16 {
			continue
		}
		decimal := strings.Trim(fmt.Sprintf("%d", secret), "[]")
		for _, text := range texts {
			for _, shape := range []string{string(secret), hex.EncodeToString(secret), decimal, fmt.Sprintf("%#v", secret)[7:30]} {
				if strings.Contains(text, shape) {
					w.t.Errorf("%q shows a Master Secret", text)
				}
			}
		}
	}
}
