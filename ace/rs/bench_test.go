package rs

import (
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/ace"
)

// BenchmarkAuthorize is the cost of access control in each request.
func BenchmarkAuthorize(b *testing.B) {
	s := newServer(b, nil)
	for i := range 100 {
		s.mustPost(fmt.Sprint("s", i), goodClaims(fmt.Sprint("c", i)), start, true)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authorize("s50", get, "/a/led", start); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAuthorizeAllocates nothing for a request that is allowed.
func TestAuthorizeAllocates(t *testing.T) {
	s := newServer(t, nil)
	s.mustPost("a", goodClaims("c1"), start, true)
	n := testing.AllocsPerRun(100, func() {
		if _, err := s.Authorize("a", get, "/a/led", start); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("Authorize allocates %v times", n)
	}
}

// BenchmarkVerify is the cost of a token that anybody may post.
func BenchmarkVerify(b *testing.B) {
	s := newServer(b, nil)
	for name, token := range map[string][]byte{
		"good":    encrypt(b, s.key, goodClaims("c1")),
		"garbage": encryptRaw(b, "k1", 9, make([]byte, 100)),
		"expired": encrypt(b, s.key, goodClaims("c1", func(c *ace.Claims) { c.Expiration = ace.Date(start) })),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = s.Verify(token, start)
			}
		})
	}
}
