package rs

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary/ace"
)

//spec:9200-6.10-1
func TestIntrospection(t *testing.T) {
	reference := []byte("opaque reference")
	inactive := &ace.IntrospectionResponse{Claims: *goodClaims("c1")}
	active := &ace.IntrospectionResponse{Active: true, Claims: *goodClaims("c1")}
	other := &ace.IntrospectionResponse{Active: true, Claims: *goodClaims("c1", func(c *ace.Claims) { c.Audience = "rs2" })}
	tests := []struct {
		name string
		ask  func([]byte) (*ace.IntrospectionResponse, error)
		want uint8 // 0: accepted
	}{
		{"32 not configured", nil, Unauthorized},
		{"32 AS not reached", func([]byte) (*ace.IntrospectionResponse, error) { return nil, errors.New("no route") }, BadRequest},
		{"32 no answer", func([]byte) (*ace.IntrospectionResponse, error) { return nil, nil }, BadRequest},
		{"not active", func([]byte) (*ace.IntrospectionResponse, error) { return inactive, nil }, Unauthorized},
		{"for another RS", func([]byte) (*ace.IntrospectionResponse, error) { return other, nil }, Forbidden},
		{"active", func(token []byte) (*ace.IntrospectionResponse, error) {
			if string(token) != string(reference) {
				return nil, errors.New("another token")
			}
			return active, nil
		}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, func(c *Config) { c.Introspect = Introspector{Issuer: issuer, Ask: test.ask} })
			err := s.postToken("a", reference, start)
			if test.want == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantCode(t, err, test.want)
			if got := s.snapshot(); got != "" {
				t.Errorf("table holds %s", got)
			}
		})
	}
}

// TestIntrospectionOfAll: the AS is asked about a token that a key opens if the token
// is good otherwise, and what it does not say is a no.
func TestIntrospectionOfAll(t *testing.T) {
	asked := 0
	var answer *ace.IntrospectionResponse
	s := newServer(t, func(c *Config) {
		c.Introspect = Introspector{Issuer: issuer, All: true, Ask: func([]byte) (*ace.IntrospectionResponse, error) {
			asked++
			return answer, nil
		}}
	})
	for _, c := range []struct {
		name   string
		answer *ace.IntrospectionResponse
		claims *ace.Claims
		want   uint8 // 0: accepted
		asked  int
	}{
		{"active", &ace.IntrospectionResponse{Active: true}, goodClaims("c1"), 0, 1},
		{"not active", &ace.IntrospectionResponse{}, goodClaims("c2"), Unauthorized, 1},
		{"no answer", nil, goodClaims("c3"), BadRequest, 1},
		{"for another RS", &ace.IntrospectionResponse{Active: true}, goodClaims("c4", func(c *ace.Claims) { c.Audience = "rs2" }), Forbidden, 0},
	} {
		asked, answer = 0, c.answer
		err := s.post(c.name, c.claims, start)
		if c.want == 0 && err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if c.want != 0 {
			wantCode(t, err, c.want)
		}
		if asked != c.asked || s.Contains(c.name) != (c.want == 0) {
			t.Errorf("%s: asked %d times, in the table: %v", c.name, asked, s.Contains(c.name))
		}
	}
	answer = &ace.IntrospectionResponse{Active: true, Claims: *goodClaims("c9")}
	asked = 0
	if err := s.postToken("by reference", []byte("opaque"), start); err != nil || asked != 1 {
		t.Errorf("by reference: asked %d times, %v", asked, err)
	}
}

func TestTextScopes(t *testing.T) {
	table := map[string]ace.AIF{
		"read":  {{Path: "/a", Methods: ace.GET}, {Path: "/b", Methods: ace.GET}},
		"write": {{Path: "/a", Methods: ace.PUT}},
	}
	s := newServer(t, func(c *Config) { c.Scopes = TextScopes(table) })
	text := func(tokens ...string) claimsOption {
		return func(c *ace.Claims) { c.Scope = ace.TextScope(tokens...) }
	}
	v, err := s.Verify(encrypt(t, s.key, goodClaims("c1", text("read", "write"))), start)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := v.Permissions().String(), `[["/a",5],["/b",1]]`; got != want {
		t.Errorf("permissions = %s, want %s", got, want)
	}
	if got := table["read"].Of("/a"); got != ace.GET {
		t.Errorf("the table has changed: read allows %v on /a", got)
	}
	for name, option := range map[string]claimsOption{
		"23 one token unknown": text("read", "admin"),
		"23 byte string":       scope(ace.Permission{Path: "/a", Methods: ace.GET}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Verify(encrypt(t, s.key, goodClaims("c1", option)), start)
			wantCode(t, err, BadRequest)
		})
	}
}

func TestNewRefuses(t *testing.T) {
	good := Config{Audiences: []string{"a"}, Keys: []*ace.TokenKey{newKey(t, issuer, "k", 1)}}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(*Config){
		"no audience":     func(c *Config) { c.Audiences = nil },
		"empty audience":  func(c *Config) { c.Audiences = []string{"a", ""} },
		"no keys":         func(c *Config) { c.Keys = nil },
		"nil key":         func(c *Config) { c.Keys = []*ace.TokenKey{nil} },
		"negative limit":  func(c *Config) { c.MaxTokens = -1 },
		"negative time":   func(c *Config) { c.UnconfirmedLifetime = -1 },
		"counters broken": func(c *Config) { c.Counters = &memoryCounters{failLoad: errors.New("disk")} },
	}
	for name, change := range tests {
		cfg := good
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: New accepts it", name)
		}
	}
}
