package rs

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/ace"
)

// TestEffectiveScope is AC-14: whatever clients and whoever replays their posts do,
// what counts is the token that the client used last, for posts the one whose
// association it used, for updates the one it sent.
func TestEffectiveScope(t *testing.T) {
	methods := []ace.Methods{ace.GET, ace.PUT, ace.GET | ace.PUT, ace.POST, ace.DELETE}
	rapid.Check(t, func(rt *rapid.T) {
		s := newServer(t, func(c *Config) {
			c.MaxTokens, c.MaxUnconfirmed, c.MaxUnconfirmedPerClient = 3, 4, 2
		})
		now := start
		type association struct {
			client  string
			methods ace.Methods
		}
		posted := map[string]association{} // by subject; all that were ever accepted
		effective := map[string]string{}   // client to its confirmed subject
		clients := rapid.SampledFrom([]string{"c1", "c2", "c3", "c4"})
		serial := 0
		token := func(client string, m ace.Methods, options ...claimsOption) *ace.Claims {
			serial++
			options = append(options, cti(fmt.Sprint("t", serial)), scope(ace.Permission{Path: "/r", Methods: m}))
			return goodClaims(client, options...)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"post": func(rt *rapid.T) {
				a := association{clients.Draw(rt, "client"), rapid.SampledFrom(methods).Draw(rt, "methods")}
				c := token(a.client, a.methods)
				subject := fmt.Sprint("s", serial)
				if s.post(subject, c, now) == nil {
					posted[subject] = a
				}
			},
			"use": func(rt *rapid.T) {
				if len(posted) == 0 {
					rt.Skip("nothing posted")
				}
				subject := rapid.SampledFrom(sortedKeys(posted)).Draw(rt, "subject")
				a := posted[subject]
				there := s.Contains(subject)
				_, err := s.Authorize(subject, get, "/r", now)
				switch {
				case !there:
					wantCode(t, err, Unauthorized)
				case !s.Contains(subject): // no room for another client
					wantCode(t, err, Unauthorized)
				default:
					effective[a.client] = subject
				}
			},
			"update": func(rt *rapid.T) {
				client := clients.Draw(rt, "client")
				subject, ok := effective[client]
				if !ok {
					rt.Skip("no association")
				}
				m := rapid.SampledFrom(methods).Draw(rt, "methods")
				if err := s.update(subject, token(client, m, kid(client)), now); err != nil {
					rt.Fatalf("update of %s: %v", subject, err)
				}
				posted[subject] = association{client, m}
			},
			"wait": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 120).Draw(rt, "seconds")) * time.Second)
				if now.Sub(start) > 50*time.Minute {
					rt.Skip("tokens expire")
				}
				if _, err := s.Expire(now); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				s.snapshot()
				if n := s.Stats(); n.Confirmed != len(effective) || n.Unconfirmed > 4 {
					rt.Fatalf("%+v, want %d confirmed", n, len(effective))
				}
				for client, subject := range effective {
					want := posted[subject].methods
					for code := uint8(1); code <= 7; code++ {
						_, err := s.Authorize(subject, code, "/r", now)
						if (err == nil) != (want&ace.MethodOf(code) != 0) {
							rt.Fatalf("%s of %s may %v: method %d gives %v", subject, client, want, code, err)
						}
					}
				}
			},
		})
	})
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for i := 0; len(keys) < len(m); i++ {
		if key := fmt.Sprint("s", i); hasKey(m, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func hasKey[V any](m map[string]V, key string) bool {
	_, ok := m[key]
	return ok
}
