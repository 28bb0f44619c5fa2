package rs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/secret"
)

// start is when the tests begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	issuer   = "coaps://as.example.com"
	audience = "rs1"
)

var masterSecret = secret.Bytes("0123456789abcdef")

func newKey(t testing.TB, iss, kid string, fill byte) *ace.TokenKey {
	t.Helper()
	k, err := ace.NewTokenKey(ace.TokenKeyConfig{
		Issuer: iss, ID: []byte(kid), Secret: bytes.Repeat([]byte{fill}, 16),
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A claimsOption changes the claims of a good token.
type claimsOption func(*ace.Claims)

// goodClaims are those of a token for client and id that is accepted at start.
func goodClaims(id string, options ...claimsOption) *ace.Claims {
	c := &ace.Claims{
		Issuer:     issuer,
		Audience:   audience,
		Expiration: ace.Date(start.Add(time.Hour)),
		IssuedAt:   ace.Date(start),
		CWTID:      []byte("cti-" + id),
		Scope:      ace.AIFScope(ace.AIF{{Path: "/s/temp", Methods: ace.GET}, {Path: "/a/led", Methods: ace.GET | ace.PUT}}),
		Cnf: &ace.Confirmation{OSCORE: &ace.OSCOREInputMaterial{
			ID: []byte(id), MasterSecret: masterSecret, Salt: []byte("salt"),
		}},
	}
	for _, o := range options {
		o(c)
	}
	return c
}

func scope(a ...ace.Permission) claimsOption {
	return func(c *ace.Claims) { c.Scope = ace.AIFScope(a) }
}

func cti(s string) claimsOption { return func(c *ace.Claims) { c.CWTID = []byte(s) } }
func sub(s string) claimsOption { return func(c *ace.Claims) { c.Subject = s } }

// kid makes the token of an update.
func kid(id string) claimsOption {
	return func(c *ace.Claims) { c.Cnf = &ace.Confirmation{KID: []byte(id)} }
}

func encrypt(t testing.TB, k *ace.TokenKey, c *ace.Claims) []byte {
	t.Helper()
	b, err := ace.EncryptCWT(nil, c, k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// encryptRaw makes a CWT of any plaintext.
func encryptRaw(t testing.TB, kid string, fill byte, plaintext []byte) []byte {
	t.Helper()
	k, err := cose.NewEncryptionKey(cose.AES_CCM_16_64_128, bytes.Repeat([]byte{fill}, 16))
	if err != nil {
		t.Fatal(err)
	}
	h := cose.Headers{Protected: cose.Header{
		Algorithm: cose.AES_CCM_16_64_128, KeyID: []byte(kid), IV: []byte("thirteenbytes"),
	}}
	b, err := k.AppendEncrypt0([]byte{0xd8, 61}, h, plaintext, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A server is Tokens under test.
type server struct {
	*Tokens
	t   testing.TB
	key *ace.TokenKey
	log *events
}

// events are what happened to bindings and observations, in order.
type events struct{ list []string }

func (e *events) add(format string, args ...any) {
	e.list = append(e.list, fmt.Sprintf(format, args...))
}

func (e *events) take() string {
	s := strings.Join(e.list, ", ")
	e.list = nil
	return s
}

func newServer(t testing.TB, change func(*Config)) *server {
	t.Helper()
	s := &server{t: t, key: newKey(t, issuer, "k1", 1), log: new(events)}
	cfg := Config{
		Audiences: []string{audience, "rs-alias"},
		Keys:      []*ace.TokenKey{s.key},
		Hints:     ace.CreationHints{AS: issuer + "/token", Audience: audience},
		OnRemove:  func(r Removed) { s.log.add("%s ends: %s", r.Subject, r.Reason) },
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.Tokens, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return s
}

// binding is a Binding that notes what happens to it.
type binding struct {
	log     *events
	subject string
	fail    error
}

func (b *binding) Confirm() error {
	b.log.add("%s confirmed", b.subject)
	return b.fail
}

func (b *binding) Remove(Removed) { b.log.add("%s removed", b.subject) }

// post verifies a token and adds it.
func (s *server) post(subject string, c *ace.Claims, now time.Time) error {
	s.t.Helper()
	return s.postToken(subject, encrypt(s.t, s.key, c), now)
}

func (s *server) postToken(subject string, token []byte, now time.Time) error {
	v, err := s.Verify(token, now)
	if err != nil {
		return err
	}
	e := Entry{
		Token: v, Subject: subject, Profile: ace.ProfileCoAPOSCORE,
		Binding: &binding{log: s.log, subject: subject},
	}
	if m := v.Claims().Cnf.OSCORE; m != nil {
		e.KeyID = m.ID
	}
	return s.Add(e, now)
}

// mustPost is post that must succeed, and confirm if that is said.
func (s *server) mustPost(subject string, c *ace.Claims, now time.Time, confirmed bool) {
	s.t.Helper()
	if err := s.post(subject, c, now); err != nil {
		s.t.Fatalf("post %s: %v", subject, err)
	}
	if confirmed {
		if err := s.Confirm(subject, now); err != nil {
			s.t.Fatalf("confirm %s: %v", subject, err)
		}
	}
}

func (s *server) update(subject string, c *ace.Claims, now time.Time) error {
	s.t.Helper()
	v, err := s.Verify(encrypt(s.t, s.key, c), now)
	if err != nil {
		return err
	}
	return s.Update(subject, v, now)
}

// snapshot shows the whole table, and whether its indexes agree.
func (s *server) snapshot() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for subject, r := range s.rows {
		if subject != r.subject {
			s.t.Errorf("row of %s is filed as %s", r.subject, subject)
		}
		lines = append(lines, fmt.Sprintf("%s %x %v %s", subject, r.token.Hash()[:4], r.confirmed, r.token.permissions))
		for _, key := range r.relations() {
			if !s.related[key][r] {
				s.t.Errorf("%s is not filed under %q", subject, key)
			}
		}
		if (r.waiting == nil) != r.confirmed {
			s.t.Errorf("%s: confirmed %v, waiting %v", subject, r.confirmed, r.waiting != nil)
		}
	}
	for key, set := range s.related {
		for r := range set {
			if s.rows[r.subject] != r || !slices.Contains(r.relations(), key) {
				s.t.Errorf("%q leads to %s, which is not there", key, r.subject)
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// wantCode checks the code of an *Error, and that it shows no secret.
func wantCode(t testing.TB, err error, want uint8) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want an *Error with code %d.%02d", err, want>>5, want&31)
	}
	if e.Code != want {
		t.Errorf("code = %d.%02d (%v), want %d.%02d", e.Code>>5, e.Code&31, err, want>>5, want&31)
	}
	shown := fmt.Sprintf("%v %+v %#v %s", err, e, e, e.Reason)
	if strings.Contains(shown, string(masterSecret)) || strings.Contains(shown, "30313233343536373839") {
		t.Errorf("error shows the master secret: %s", shown)
	}
	return e
}
