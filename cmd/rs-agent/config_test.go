package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/cmd/internal/settings"
)

const goodConfig = "upstream = \"coap://127.0.0.1:5684\"\ncredentials = \"sensor.rs.toml\"\n"

func TestParseConfig(t *testing.T) {
	c, err := parseConfig("agent.toml", []byte(goodConfig+"[scopes]\nread = '[[\"/value\",1]]'\n"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := c.scopeTable()
	if err != nil {
		t.Fatal(err)
	}
	if want := (ace.AIF{{Path: "/value", Methods: ace.GET}}); !reflect.DeepEqual(table["read"], want) {
		t.Errorf("scope read: got %v, want %v", table["read"], want)
	}
	if !c.Renewal || c.Limits.Tokens != 1000 {
		t.Errorf("defaults: got %+v", c)
	}
}

func TestParseConfigRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "upstream"},
		{"upstream with a path", strings.Replace(goodConfig, "5684", "5684/x", 1), "upstream"},
		{"upstream over HTTP", strings.Replace(goodConfig, "coap:", "http:", 1), "upstream"},
		{"no credentials", "upstream = \"coap://127.0.0.1:5684\"\n", "credentials: missing"},
		{"listen", goodConfig + "listen = \"here\"\n", "listen"},
		{"public", goodConfig + "public = [\"x\"]\n", "public"},
		{"timeout", goodConfig + "timeout = \"1ms\"\n", "timeout"},
		{"state", goodConfig + "state = \"\"\n", "state"},
		{"scope", goodConfig + "[scopes]\nread = \"everything\"\n", "scopes.read"},
		{"limits", goodConfig + "[limits]\nbody = 3\n", "limits"},
		{"unknown key", goodConfig + "upstraem = \"x\"\n", `agent.toml:3: unknown key "upstraem"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parseConfig("agent.toml", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// FuzzParseConfig: what is accepted is the same after it was written and read
// again.
func FuzzParseConfig(f *testing.F) {
	f.Add(goodConfig)
	f.Add(goodConfig + "public = [\"/.well-known/core\"]\n[scopes]\nread = '[[\"/value\",1]]'\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig("agent.toml", []byte(text))
		if err != nil {
			return
		}
		b, err := settings.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseConfig("agent.toml", b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		second, err := settings.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if string(b) != string(second) {
			t.Errorf("got %s, want %s", second, b)
		}
	})
}
