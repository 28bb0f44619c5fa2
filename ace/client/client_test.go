package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/oscoreprofile"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// The numbers in the names are those of the project's list of behaviours, AC-n those
// of its list of threats.

//spec:9200-5.10.1-1
//spec:9200-5.10.1-2
//spec:9203-4.1-4
//spec:9203-4.1-6
//spec:9203-4.3-8
func TestOpenAndTalk(t *testing.T) {
	w := newWorld(t, nil)
	s := w.open()
	r, err := s.Do(t.Context(), getTemp)
	if err != nil || r.Code != 69 || string(r.Payload) != "22.5 C" {
		t.Fatalf("GET = %v %q, %v", r.Code, r.Payload, err)
	}
	if r, err := s.Do(t.Context(), putTemp); err != nil || r.Code != 4<<5|5 {
		t.Errorf("31 PUT = %v, %v, want 4.05", r.Code, err)
	}
	if len(w.posts) != 1 || pathOf(w.posts[0]) != "/authz-info" || formatOf(w.posts[0]) != 19 {
		t.Errorf("posts in clear: %+v", w.posts)
	}
	a := s.Access()
	if a.Server != asURI || a.Audience != audience || a.Scope != readScope || !a.Expires.Equal(start.Add(time.Hour)) {
		t.Errorf("Access() = %+v", a)
	}
	if !s.Expires().Equal(a.Expires) {
		t.Errorf("Expires() = %v", s.Expires())
	}
	if a, err := s.Association(); err != nil || a.Subject() != audience {
		t.Errorf("Association() = %v, %v", a, err)
	}
	s.Close()
	if _, err := s.Do(t.Context(), getTemp); !errors.Is(err, ErrDiscarded) {
		t.Errorf("after Close: %v, want ErrDiscarded", err)
	}
	if n := w.idsInUse(); n != 0 {
		t.Errorf("%d identifiers are still in use", n)
	}
}

// TestNothingInClear looks at everything that was sent.
func TestNothingInClear(t *testing.T) {
	w := newWorld(t, func(w *world) { w.b2 = oscore.B2Allowed })
	s := w.open()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Do(t.Context(), getTemp)
	do(err)
	do(s.Update(t.Context(), writeScope))
	do(s.Renew())
	_, err = s.Do(t.Context(), putTemp)
	do(err)
	do(s.Repost(t.Context()))
	_, err = s.Do(t.Context(), putTemp)
	do(err)
	clear := 0
	for _, m := range w.sent {
		if !hasOSCORE(m) {
			clear++
		}
		if strings.Contains(string(m.Payload), "23 C") || strings.Contains(string(m.Payload), "master secret") {
			t.Errorf("37 sent in clear: %q", m.Payload)
		}
	}
	if clear != 2 || len(w.posts) != 2 {
		t.Errorf("37 %d messages in clear, want the 2 posts of the first token", clear)
	}
}

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

//spec:9203-4.1-3
func TestUploadErrors(t *testing.T) {
	lost := errors.New("lost")
	answer := func(code oscore.Code, payload []byte) func(string, oscore.Message, func() (oscore.Message, error)) (oscore.Message, error) {
		return func(address string, m oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error) {
			if address != rsAddress {
				return next()
			}
			r, err := next()
			if err != nil || code == 0 {
				return r, lost
			}
			return oscore.Message{Code: code, Payload: payload}, nil
		}
	}
	var peer *ace.PeerError
	var refused *UnauthorizedError
	hints := (&ace.CreationHints{AS: asURI}).Append(nil)
	for name, test := range map[string]struct {
		tamper func(string, oscore.Message, func() (oscore.Message, error)) (oscore.Message, error)
		check  func(error) bool
	}{
		"4.00": {answer(128, nil), func(err error) bool { return errors.As(err, &peer) && peer.Code == 128 }},
		"4.01 with hints": {answer(129, hints), func(err error) bool {
			return errors.As(err, &refused) && refused.Hints.AS == asURI && !refused.Protected
		}},
		"4.01":            {answer(129, nil), func(err error) bool { return errors.As(err, &refused) && refused.Hints == nil }},
		"5.03":            {answer(163, nil), func(err error) bool { return errors.As(err, &peer) && peer.Code == 163 }},
		"2.01 of nothing": {answer(65, nil), func(err error) bool { return errors.Is(err, oscoreprofile.ErrProfile) }},
		"2.05":            {answer(69, []byte{0xa0}), func(err error) bool { return errors.As(err, &peer) }},
		"no answer":       {answer(0, nil), func(err error) bool { return errors.Is(err, lost) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.client()
			a, err := c.Token(t.Context(), Request{Audience: audience, Scope: readScope})
			if err != nil {
				t.Fatal(err)
			}
			w.tamper = test.tamper
			if s, err := c.Upload(t.Context(), rsAddress, a); s != nil || !test.check(err) {
				t.Errorf("Upload = %v, %v", s, err)
			}
			if n := w.idsInUse(); n != 0 {
				t.Errorf("%d identifiers are still in use", n)
			}
			w.tamper = nil
			s, err := c.Upload(t.Context(), rsAddress, a)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Do(t.Context(), getTemp); err != nil {
				t.Errorf("27 the retried upload: %v", err)
			}
			first, err1 := ace.ParseAuthzInfoRequest(w.posts[0].Payload)
			second, err2 := ace.ParseAuthzInfoRequest(w.posts[1].Payload)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			if string(first.Nonce1) == string(second.Nonce1) {
				t.Errorf("33 N1 = %x is sent for two exchanges", first.Nonce1)
			}
		})
	}
}

// TestEqualIDs is behaviour 33.
func TestEqualIDs(t *testing.T) {
	w := newWorld(t, nil)
	w.tamper = func(address string, m oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error) {
		if address != rsAddress {
			return next()
		}
		r, err := ace.ParseAuthzInfoRequest(m.Payload)
		if err != nil {
			t.Fatal(err)
		}
		answer := &ace.AuthzInfoResponse{Nonce2: make([]byte, 8), ServerRecipientID: r.ClientRecipientID}
		return oscore.Message{Code: codeCreated, Payload: answer.Append(nil)}, nil
	}
	s, err := w.client().Open(t.Context(), rsAddress, Request{Audience: audience, Scope: readScope})
	if s != nil || !errors.Is(err, oscoreprofile.ErrEqualIDs) {
		t.Errorf("33 Open = %v, %v, want ErrEqualIDs", s, err)
	}
	if n := w.idsInUse(); n != 0 {
		t.Errorf("%d identifiers are still in use", n)
	}
}

// TestOlderRS is behaviour 16: an RS that answers 2.04.
func TestOlderRS(t *testing.T) {
	w := newWorld(t, nil)
	w.tamper = func(address string, m oscore.Message, next func() (oscore.Message, error)) (oscore.Message, error) {
		r, err := next()
		if address == rsAddress && r.Code == codeCreated {
			r.Code = codeChanged
		}
		return r, err
	}
	s := w.open()
	if _, err := s.Do(t.Context(), getTemp); err != nil {
		t.Errorf("16 %v", err)
	}
}

func TestNoMoreIDs(t *testing.T) {
	w := newWorld(t, nil)
	ids, err := idalloc.New(idalloc.Config{
		Now: w.clock, Lengths: []int{1}, Reserved: []idalloc.Range{{First: "\x01", Last: "\xff"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ids.Allocate(idalloc.Holder{}); err != nil {
		t.Fatal(err)
	}
	w.cfg.IDs = ids
	if _, err := w.client().Open(t.Context(), rsAddress, Request{Audience: audience, Scope: readScope}); !errors.Is(err, idalloc.ErrExhausted) {
		t.Errorf("Open = %v, want ErrExhausted", err)
	}
	if len(w.posts) != 0 {
		t.Error("the token was posted")
	}
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t, nil)
	for name, change := range map[string]func(*Config){
		"no transport":          func(c *Config) { c.Transport = nil },
		"no ids":                func(c *Config) { c.IDs = nil },
		"no clock":              func(c *Config) { c.Clock = nil },
		"negative number":       func(c *Config) { c.MaxUnauthorized = -1 },
		"a secret":              func(c *Config) { c.Association.MasterSecret = []byte{1} },
		"a lost window":         func(c *Config) { c.Association.RecoverWindow = true },
		"AS without protection": func(c *Config) { c.Servers = []Server{{URI: asURI}} },
		"AS with both":          func(c *Config) { c.Servers = []Server{{URI: asURI, Association: new(oscore.Association), Channel: w}} },
	} {
		cfg := w.cfg
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRequest(t *testing.T) {
	for path, want := range map[string]string{"": "", "/": "", "/a": "/a", "a/b/": "/a/b"} {
		if got := pathOf(request(codeGET, path, nil, 0)); got != want {
			t.Errorf("request of %q has path %q, want %q", path, got, want)
		}
	}
	for format, want := range map[uint16]string{0: "", 19: "\x13", 256: "\x01\x00"} {
		if got := string(uintValue(format)); got != want {
			t.Errorf("uintValue(%d) = %x, want %x", format, got, want)
		}
	}
}
