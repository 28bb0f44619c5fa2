package client

import (
	"errors"
	"strings"
	"testing"
	"time"

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
