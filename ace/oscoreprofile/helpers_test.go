package oscoreprofile

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	issuer   = "coaps://as.example.com"
	audience = "rs1"

	get, post, put = 1, 2, 3
)

// A clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) get() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func tokenKey(t testing.TB, kid string, fill byte) *ace.TokenKey {
	t.Helper()
	k, err := ace.NewTokenKey(ace.TokenKeyConfig{Issuer: issuer, ID: []byte(kid), Secret: bytes.Repeat([]byte{fill}, 16)})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// material is the input material of a client, different for each id.
func material(id string) *ace.OSCOREInputMaterial {
	return &ace.OSCOREInputMaterial{
		ID: []byte(id), MasterSecret: secret.Bytes(fmt.Sprintf("%-16s", "secret of "+id)), Salt: []byte("salt"),
	}
}

func claims(id string, change ...func(*ace.Claims)) *ace.Claims {
	c := &ace.Claims{
		Issuer:     issuer,
		Audience:   audience,
		Expiration: ace.Date(start.Add(time.Hour)),
		Scope:      ace.AIFScope(ace.AIF{{Path: "/s/temp", Methods: ace.GET}}),
		Cnf:        &ace.Confirmation{OSCORE: material(id)},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

// update makes the token of an update of access rights that allows PUT.
func update(kid string) func(*ace.Claims) {
	return func(c *ace.Claims) {
		c.Cnf = &ace.Confirmation{KID: []byte(kid)}
		c.Scope = ace.AIFScope(ace.AIF{{Path: "/s/temp", Methods: ace.PUT}})
	}
}

// keys are all AEAD keys that were expanded.
type keys struct {
	mu   sync.Mutex
	list []string
}

func (k *keys) newAEAD(a cose.Algorithm, key []byte) (cipher.AEAD, error) {
	k.mu.Lock()
	k.list = append(k.list, hex.EncodeToString(key))
	k.mu.Unlock()
	return a.NewAEAD(key)
}

// A server is an RS under test.
type server struct {
	*AuthzInfo
	t        testing.TB
	clock    *clock
	key      *ace.TokenKey
	tokens   *rs.Tokens
	contexts *oscore.Contexts
	ids      *idalloc.Allocator
	keys     keys
	removed  []string
}

type serverConfig struct {
	rs    rs.Config
	ids   idalloc.Config
	authz AuthzInfoConfig
}

func newServer(t testing.TB, change func(*serverConfig)) *server {
	t.Helper()
	s := &server{t: t, clock: &clock{now: start}, key: tokenKey(t, "k1", 1), contexts: new(oscore.Contexts)}
	cfg := serverConfig{
		rs: rs.Config{
			Audiences: []string{audience},
			Keys:      []*ace.TokenKey{s.key},
			OnRemove:  func(r rs.Removed) { s.removed = append(s.removed, r.Reason.String()) },
		},
		ids: idalloc.Config{Now: s.clock.get, MaxUnvalidated: 1 << 20},
	}
	if change != nil {
		change(&cfg)
	}
	var err1, err2, err3 error
	s.tokens, err1 = rs.New(cfg.rs)
	s.ids, err2 = idalloc.New(cfg.ids)
	cfg.authz.Tokens, cfg.authz.IDs, cfg.authz.Contexts = s.tokens, s.ids, s.contexts
	cfg.authz.Association.DangerNewAEAD = s.keys.newAEAD
	s.AuthzInfo, err3 = NewAuthzInfo(cfg.authz)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) token(c *ace.Claims) []byte {
	s.t.Helper()
	b, err := ace.EncryptCWT(nil, c, s.key, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *server) post(payload []byte) (rs.Response, error) {
	return s.Post(Post{Payload: payload, ContentFormat: ace.ContentFormat}, s.clock.get())
}

// state counts everything that is stored.
func (s *server) state() string {
	var n idalloc.LengthStats
	for _, l := range s.ids.Stats().Lengths {
		n.Pending += l.Pending
		n.Live += l.Live
	}
	return fmt.Sprintf("%+v, %d contexts, %d pending ids, %d live ids", s.tokens.Stats(), s.contexts.Len(), n.Pending, n.Live)
}

// request serves one request as a server does: verify, authorize, answer.
func (s *server) request(in oscore.Message) oscore.Message {
	s.t.Helper()
	p, err := oscore.ParseProtected(in)
	if err != nil {
		return oscore.ErrorMessage(err)
	}
	a, m, x, err := s.contexts.VerifyRequest(p)
	if err != nil {
		return oscore.ErrorMessage(err)
	}
	response := rs.Response{Code: 2<<5 | 5, Payload: []byte("22.5 C")}
	if path(m) == "/authz-info" {
		response, _ = s.Post(Post{Payload: m.Payload, ContentFormat: ace.ContentFormat, Association: a}, s.clock.get())
	} else if g, err := s.tokens.Authorize(a.Subject(), uint8(m.Code), path(m), s.clock.get()); err != nil {
		response = rs.ErrorResponse(err)
	} else if !g.Permits(uint8(m.Code), path(m)) {
		s.t.Errorf("the grant does not permit %v %s", m.Code, path(m))
	}
	out := oscore.Message{Code: oscore.Code(response.Code), Payload: response.Payload}
	if response.Unprotected {
		return out
	}
	q, err := x.ProtectResponse(out)
	if err != nil {
		s.t.Fatalf("protect a response: %v", err)
	}
	out, err = q.Message()
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func path(m oscore.Message) string {
	var b strings.Builder
	for _, o := range m.Options {
		if o.Number == 11 {
			b.WriteString("/" + string(o.Value))
		}
	}
	return b.String()
}

func message(code oscore.Code, path string, payload []byte) oscore.Message {
	m := oscore.Message{Code: code, Payload: payload}
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		m.Options = append(m.Options, oscore.Option{Number: 11, Value: []byte(segment)})
	}
	return m
}

// A client is one under test, with its own endpoint.
type client struct {
	t    testing.TB
	ids  *idalloc.Allocator
	keys keys
}

func newClient(t testing.TB) *client {
	t.Helper()
	c := &client{t: t}
	var err error
	if c.ids, err = idalloc.New(idalloc.Config{Now: (&clock{now: start}).get}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *client) upload(token []byte, m *ace.OSCOREInputMaterial) *Upload {
	c.t.Helper()
	u, err := Initiator{IDs: c.ids}.Upload(token, m, "test")
	if err != nil {
		c.t.Fatal(err)
	}
	return u
}

// establish runs the exchange at authz-info.
func (c *client) establish(s *server, token []byte, m *ace.OSCOREInputMaterial) *oscore.Association {
	c.t.Helper()
	u := c.upload(token, m)
	r, err := s.post(u.Payload())
	if err != nil || r.Code != rs.Created || r.ContentFormat != ace.ContentFormat {
		c.t.Fatalf("authz-info answers %+v, %v", r, err)
	}
	e, err := u.ProcessResponse(r.Payload)
	if err != nil {
		c.t.Fatal(err)
	}
	a, err := oscore.NewAssociation(oscore.Config{Params: e.Params, DangerNewAEAD: c.keys.newAEAD})
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// do sends a request over a and gives the code of the response: 0 and the code in
// clear if that is not protected.
func (c *client) do(s *server, a *oscore.Association, m oscore.Message) (protected, clear oscore.Code, payload []byte) {
	c.t.Helper()
	p, x, err := a.ProtectRequest(m)
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := p.Message()
	if err != nil {
		c.t.Fatal(err)
	}
	in := s.request(out)
	q, err := oscore.ParseProtected(in)
	if errors.Is(err, oscore.ErrUnprotected) {
		return 0, in.Code, in.Payload
	}
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := x.VerifyResponse(q)
	if err != nil {
		c.t.Fatalf("response: %v", err)
	}
	return r.Code, 0, r.Payload
}

// works reports whether the client is served over a.
func (c *client) works(s *server, a *oscore.Association) bool {
	c.t.Helper()
	code, _, _ := c.do(s, a, message(get, "/s/temp", nil))
	return code == 2<<5|5
}

// wantCode checks an *rs.Error, and that no secret of ids c1 to c3 is in it.
func wantCode(t testing.TB, err error, want uint8) {
	t.Helper()
	var e *rs.Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want an *rs.Error with code %d.%02d", err, want>>5, want&31)
	}
	if e.Code != want {
		t.Errorf("code = %d.%02d (%v), want %d.%02d", e.Code>>5, e.Code&31, err, want>>5, want&31)
	}
	shown := fmt.Sprintf("%v %+v %#v", err, err, e)
	if strings.Contains(shown, "secret of") || strings.Contains(shown, hex.EncodeToString([]byte("secret of"))) {
		t.Errorf("error shows a master secret: %s", shown)
	}
}

// fixed gives the bytes of b in turn and then fails.
func fixed(b ...byte) io.Reader { return bytes.NewReader(slices.Clone(b)) }
