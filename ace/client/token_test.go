package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/oscore"
)

func TestToken(t *testing.T) {
	w := newWorld(t, nil)
	hints := &ace.CreationHints{AS: "coap://as.example.com/token", Audience: "rs666", Scope: readScope, CNonce: []byte("fresh")}
	a, err := w.client().Token(t.Context(), Request{Audience: audience, Hints: hints})
	if err != nil {
		t.Fatal(err)
	}
	r := w.requests[0]
	if r.Audience != audience || r.Scope != readScope || !r.WantProfile || r.ReqCnf != nil {
		t.Errorf("the AS got %+v", r)
	}
	if string(r.CNonce) != "fresh" {
		t.Errorf("cnonce = %q, want that of the hints", r.CNonce)
	}
	if a.Scope != readScope || len(a.Token) == 0 || a.Material == nil {
		t.Errorf("access = %+v", a)
	}
	if s := fmt.Sprintf("%v %+v %#v", a, a, a); strings.Contains(s, "master secret") || strings.Contains(s, "6d6173746572") {
		t.Errorf("the access prints its secret: %s", s)
	}
}

// TestHintsNeedAList is AC-9: an RS cannot send the client to another AS.
//
//spec:9200-6.4-1
func TestHintsNeedAList(t *testing.T) {
	w := newWorld(t, nil)
	for name, r := range map[string]Request{
		"another AS":       {Audience: audience, Hints: &ace.CreationHints{AS: "coaps://evil.example.com/token"}},
		"another path":     {Audience: audience, Hints: &ace.CreationHints{AS: "coaps://as.example.com/other"}},
		"another audience": {Audience: "rs2"},
		"no audience":      {},
	} {
		if _, err := w.client().Token(t.Context(), r); !errors.Is(err, ErrServer) {
			t.Errorf("%s: %v, want ErrServer", name, err)
		}
	}
	if len(w.sent) != 0 {
		t.Errorf("%d messages were sent", len(w.sent))
	}
}

//spec:9200-5.3.1-2
//spec:9200-6.8-1
func TestAsk(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client()
	h, err := c.Ask(t.Context(), rsAddress, "/s/temp")
	if err != nil || h.AS != asURI || h.Audience != audience {
		t.Fatalf("Ask = %+v, %v", h, err)
	}
	if m := w.sent[0]; m.Code != codeGET || len(m.Payload) != 0 || pathOf(m) != "/s/temp" || len(m.Options) != 2 {
		t.Errorf("sent %+v, want a GET with its path only", m)
	}
	h.CNonce = []byte("fresh")
	if _, err := c.Token(t.Context(), Request{Audience: audience, Scope: readScope, Hints: h}); err != nil {
		t.Fatal(err)
	}
	if got := string(w.requests[0].CNonce); got != "fresh" {
		t.Errorf("cnonce = %q, want that of the hints", got)
	}
	w.tamper = func(string, oscore.Message, func() (oscore.Message, error)) (oscore.Message, error) {
		return oscore.Message{Code: 69}, nil
	}
	var peer *ace.PeerError
	if _, err := c.Ask(t.Context(), rsAddress, "/"); !errors.As(err, &peer) || peer.Code != 69 {
		t.Errorf("a resource for everybody: %v", err)
	}
	w.tamper = func(string, oscore.Message, func() (oscore.Message, error)) (oscore.Message, error) {
		return oscore.Message{}, context.DeadlineExceeded
	}
	if _, err := c.Ask(t.Context(), rsAddress, "/"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no answer: %v", err)
	}
}

//spec:9200-5.10.4-1
//spec:9200-5.10.4-2
func TestTokenErrors(t *testing.T) {
	material := &ace.Confirmation{OSCORE: &ace.OSCOREInputMaterial{ID: []byte{1}, MasterSecret: make([]byte, 16)}}
	tests := []struct {
		name   string
		answer func(*ace.TokenRequest, *ace.TokenResponse)
		want   error
	}{
		{"no expires_in", func(_ *ace.TokenRequest, r *ace.TokenResponse) { r.ExpiresIn = 0 }, ErrNoExpiry},
		{"another profile", func(_ *ace.TokenRequest, r *ace.TokenResponse) { r.Profile = ace.ProfileCoAPDTLS }, ErrProfile},
		{"no cnf", func(_ *ace.TokenRequest, r *ace.TokenResponse) { r.Cnf = nil }, ErrProfile},
		{"cnf is a kid", func(_ *ace.TokenRequest, r *ace.TokenResponse) { r.Cnf = &ace.Confirmation{KID: []byte{1}} }, ErrProfile},
		{"no profile is fine", func(_ *ace.TokenRequest, r *ace.TokenResponse) { r.Profile, r.Cnf = 0, material }, nil},
	}
	for _, test := range tests {
		w := newWorld(t, func(w *world) { w.answerToken = test.answer })
		a, err := w.client().Token(t.Context(), Request{Audience: audience, Scope: readScope})
		if !errors.Is(err, test.want) || (a == nil) != (err != nil) {
			t.Errorf("%s: %v, %v, want %v", test.name, a, err, test.want)
		}
	}

	w := newWorld(t, func(w *world) { w.answerToken = tests[0].answer })
	w.cfg.Servers[0].Lifetime = time.Minute
	a, err := w.client().Token(t.Context(), Request{Audience: audience, Scope: readScope})
	if err != nil || !a.Expires.Equal(start.Add(time.Minute)) {
		t.Errorf("with a default lifetime: %v, %v", a, err)
	}

	var peer *ace.PeerError
	_, err = w.client().Token(t.Context(), Request{Audience: audience, Scope: ace.TextScope("forbidden")})
	if !errors.As(err, &peer) || peer.Code != 128 || peer.ErrorResponse.Code != ace.InvalidScope {
		t.Errorf("the AS refuses: %v", err)
	}

	w.tamper = func(string, oscore.Message, func() (oscore.Message, error)) (oscore.Message, error) {
		response := &ace.TokenResponse{AccessToken: []byte("evil"), ExpiresIn: 60, Cnf: material}
		return oscore.Message{Code: codeCreated, Payload: response.Append(nil)}, nil
	}
	var clear *UnprotectedError
	if _, err = w.client().Token(t.Context(), Request{Audience: audience}); !errors.As(err, &clear) || clear.Code != codeCreated {
		t.Errorf("AC-4 an answer in clear: %v, want an UnprotectedError", err)
	}
	w.tamper = func(_ string, m oscore.Message, _ func() (oscore.Message, error)) (oscore.Message, error) {
		m.Code = 68
		return m, nil
	}
	if _, err = w.client().Token(t.Context(), Request{Audience: audience}); err == nil {
		t.Error("AC-4 a reflected message is accepted")
	}
}

// TestChannel: an AS that is reached over DTLS.
func TestChannel(t *testing.T) {
	w := newWorld(t, nil)
	w.cfg.Servers[0].Association = nil
	w.cfg.Servers[0].Channel = transportFunc(func(m oscore.Message) oscore.Message {
		r, err := ace.ParseTokenRequest(m.Payload)
		if err != nil || pathOf(m) != "/token" {
			t.Errorf("the AS got %s %x: %v", pathOf(m), m.Payload, err)
		}
		return w.issue(r)
	})
	s := w.open()
	if _, err := s.Do(t.Context(), getTemp); err != nil {
		t.Error(err)
	}
}

type transportFunc func(oscore.Message) oscore.Message

func (f transportFunc) Do(_ context.Context, _ string, m oscore.Message) (oscore.Message, error) {
	return f(m), nil
}
