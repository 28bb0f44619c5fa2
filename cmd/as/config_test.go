package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/cmd/internal/settings"
)

func TestParseConfigDefaults(t *testing.T) {
	c, err := parseConfig("as.toml", []byte("issuer = \"coap://as.example\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := defaultConfig()
	want.Issuer, want.URI = "coap://as.example", "coap://127.0.0.1:5683/token"
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestConfigTextIsTheDefaults(t *testing.T) {
	c, err := parseConfig("as.toml", []byte(configText("coap://as.example", "127.0.0.1:5683", "")))
	if err != nil {
		t.Fatal(err)
	}
	want := defaultConfig()
	want.Issuer, want.URI = "coap://as.example", "coap://127.0.0.1:5683/token"
	want.EDHOCKey = "edhoc.key"
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestParseConfigRefuses(t *testing.T) {
	const good = "issuer = \"coap://as.example\"\n"
	for _, c := range []struct{ name, text, want string }{
		{"no issuer", "", "issuer: missing"},
		{"listen", good + "listen = \"5683\"\n", `listen "5683"`},
		{"all addresses", good + "listen = \"[::]:5683\"\n", "uri: missing"},
		{"uri", good + "uri = \"https://as.example/token\"\n", "uri "},
		{"uri without path", good + "uri = \"coap://as.example\"\n", "uri "},
		{"uri of introspection", good + "uri = \"coap://as.example/introspect\"\n", "is the path of the introspection endpoint"},
		{"one key and several", good + "edhoc_key = \"a\"\nedhoc_keys = [\"b\"]\n", "edhoc_key, edhoc_keys: want one"},
		{"one key twice", good + "edhoc_keys = [\"b\", \"b\"]\n", "each once"},
		{"a key without a name", good + "edhoc_keys = [\"\"]\n", "each once"},
		{"lifetime", good + "lifetime = \"10ms\"\n", "lifetime: want 1s"},
		{"store", good + "store = \"\"\n", "store: missing"},
		{"policy", good + "policy = \"\"\n", "policy: missing"},
		{"limits", good + "[limits]\nrequests = 0\n", "limits: want 1"},
		{"sessions", good + "[limits]\nedhoc_sessions_per_client = 0\n", "limits: want 1"},
		{"lifetime of sessions", good + "[limits]\nedhoc_lifetime = \"0s\"\n", "limits.edhoc_lifetime: want 1s"},
		{"unknown key", good + "[limits]\nrequest = 1\n", `as.toml:3: unknown key "limits.request"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parseConfig("as.toml", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// FuzzParseConfig: what is accepted is the same after it was written and read
// again, and obeys the checks.
func FuzzParseConfig(f *testing.F) {
	f.Add(configText("coap://as.example", "127.0.0.1:5683", ""))
	f.Add(configText("x", "[::]:1", "coap://as.example/t"))
	f.Add("issuer = \"a\"\nedhoc_keys = [\"a\", \"b\"]\n")
	f.Add("issuer = \"a\"\n[limits]\nrequests = 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig("as.toml", []byte(text))
		if err != nil {
			return
		}
		if time.Duration(c.Lifetime) < time.Second || c.Issuer == "" {
			t.Fatalf("accepted %+v", c)
		}
		b, err := settings.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseConfig("as.toml", b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if !reflect.DeepEqual(again, c) {
			t.Errorf("got %+v, want %+v", again, c)
		}
	})
}
