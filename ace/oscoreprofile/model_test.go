package oscoreprofile

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// TestContextsShareNothing: whatever is posted, replayed, used and left to expire, no
// two contexts ever have a key in common, all installed ones have a Recipient ID of
// their own that differs from their Sender ID, and no identifier leaks.
func TestContextsShareNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newServer(t, func(c *serverConfig) {
			c.ids.Lengths = []int{1}
			c.ids.Reserved = []idalloc.Range{{First: "\x20", Last: "\xff"}}
			c.rs.MaxUnconfirmed, c.rs.MaxUnconfirmedPerClient = 6, 3
		})
		type peer struct {
			client *client
			a      *oscore.Association
		}
		var payloads [][]byte
		var peers []peer
		clients := rapid.SampledFrom([]string{"c1", "c2", "c3"})
		rt.Repeat(map[string]func(*rapid.T){
			"post": func(rt *rapid.T) {
				id := clients.Draw(rt, "client")
				c := newClient(t)
				u := c.upload(s.token(claims(id)), material(id))
				payloads = append(payloads, u.Payload())
				r, err := s.post(u.Payload())
				if err != nil {
					return
				}
				e, err := u.ProcessResponse(r.Payload)
				if err != nil {
					rt.Fatal(err)
				}
				a, err := oscore.NewAssociation(oscore.Config{Params: e.Params})
				if err != nil {
					rt.Fatal(err)
				}
				peers = append(peers, peer{c, a})
			},
			"replay": func(rt *rapid.T) {
				if len(payloads) == 0 {
					rt.Skip("nothing to replay")
				}
				_, _ = s.post(rapid.SampledFrom(payloads).Draw(rt, "payload"))
			},
			"use": func(rt *rapid.T) {
				if len(peers) == 0 {
					rt.Skip("nobody")
				}
				p := peers[rapid.IntRange(0, len(peers)-1).Draw(rt, "peer")]
				p.client.do(s, p.a, message(get, "/s/temp", nil))
			},
			"wait": func(rt *rapid.T) {
				s.clock.add(time.Duration(rapid.IntRange(1, 300).Draw(rt, "seconds")) * time.Second)
				if _, err := s.tokens.Expire(s.clock.get()); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				n := s.tokens.Stats()
				want := fmt.Sprintf("%+v, %d contexts, %d pending ids, %d live ids",
					n, n.Confirmed+n.Unconfirmed, n.Unconfirmed, n.Confirmed)
				if got := s.state(); got != want {
					rt.Fatalf("stored: %s, want %s", got, want)
				}
				s.keys.mu.Lock()
				list := slices.Clone(s.keys.list)
				s.keys.mu.Unlock()
				slices.Sort(list)
				if n := len(list); n != len(slices.Compact(list)) {
					rt.Fatalf("of %d keys some are equal", n)
				}
			},
		})
	})
}

// FuzzAuthzInfoPayload: no payload makes the endpoint panic, store anything on an
// error, or answer a success without two different IDs and a new context.
func FuzzAuthzInfoPayload(f *testing.F) {
	s := newServer(f, func(c *serverConfig) { c.rs.MaxUnconfirmed = 8 })
	token := s.token(claims("c1"))
	f.Add(pairs(1, token, 40, make([]byte, 8), 43, []byte{1}), false)
	f.Add(pairs(1, token, 40, make([]byte, 64), 43, []byte{}), false)
	f.Add(pairs(1, token, 40, make([]byte, 8), 43, []byte{1}, 99, "unknown"), false)
	f.Add(pairs(1, token), false)
	f.Add(pairs(1, s.token(claims("c1", update("c1")))), true)
	f.Add(pairs(1, s.token(claims("c1", update("c1"))), 40, "x"), true)
	f.Add([]byte{0xbf, 0x01, 0x41, 0x00, 0xff}, true)
	f.Add([]byte{}, false)
	c := newClient(f)
	a := c.establish(s, token, material("c1"))
	own := serverSide(f, s, a)
	if !c.works(s, a) {
		f.Fatal("the context does not work")
	}
	f.Fuzz(func(t *testing.T, payload []byte, protected bool) {
		before := s.state()
		p := Post{Payload: payload, ContentFormat: ace.ContentFormat}
		if protected {
			p.Association = own
		}
		r, err := s.Post(p, start)
		switch class := r.Code >> 5; {
		case err != nil:
			if class != 4 && class != 5 || len(r.Payload) != 0 {
				t.Errorf("response = %+v to %x", r, payload)
			}
			if after := s.state(); after != before {
				t.Errorf("%x stored %s, want %s", payload, after, before)
			}
		case protected:
			if class != 2 || len(r.Payload) != 0 || s.contexts.Len() == 0 {
				t.Errorf("response = %+v to %x", r, payload)
			}
		default:
			request, err := ace.ParseAuthzInfoRequest(payload)
			if err != nil {
				t.Fatalf("accepted %x: %v", payload, err)
			}
			answer, err := ace.ParseAuthzInfoResponse(r.Payload)
			if err != nil || string(answer.ServerRecipientID) == string(request.ClientRecipientID) {
				t.Errorf("response = %x, %v", r.Payload, err)
			}
		}
	})
}
