package as_test

import (
	"testing"

	"github.com/ostiary/ostiary/ace/as/astest"
)

// BenchmarkToken is a whole request, with a ledger in memory that is emptied now
// and then.
func BenchmarkToken(b *testing.B) {
	w := newWorld(b)
	payload := read().Append(nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%256 == 0 {
			w.ledger = new(astest.Ledger)
			w.restart()
			w.random.drawn = nil
		}
		if _, err := w.server.Token(b.Context(), "alice", payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIntrospect answers about a token with all its claims.
func BenchmarkIntrospect(b *testing.B) {
	w := introspecting(b)
	answer, _ := w.granted("alice", read())
	q := query(answer.AccessToken)
	for b.Loop() {
		if _, err := w.server.Introspect(b.Context(), subject("rs1"), q); err != nil {
			b.Fatal(err)
		}
	}
}
