package coap

import (
	"net/netip"
	"testing"
	"time"
)

// TestEchoValue: a value is good for its peer, for a while, and unchanged.
func TestEchoValue(t *testing.T) {
	l := bench(t, Config{Handler: echoHandler}, new(sink))
	s := &l.e.echo
	other := netip.AddrPortFrom(peer1.Addr(), peer1.Port()+1)
	good := s.value(peer1, 1000)
	bad := good
	bad[11] ^= 1
	//spec:9175-2.2.1-2
	//spec:9175-2.3-4
	for _, tt := range []struct {
		name  string
		peer  netip.AddrPort
		value []byte
		at    time.Duration
		want  bool
	}{
		{"at once", peer1, good[:], 1000 * time.Second, true},
		{"after five minutes", peer1, good[:], 1300 * time.Second, true},
		{"later", peer1, good[:], 1301 * time.Second, false},
		{"before it was made", peer1, good[:], 999 * time.Second, false},
		{"another port", other, good[:], 1000 * time.Second, false},
		{"changed", peer1, bad[:], 1000 * time.Second, false},
		{"cut off", peer1, good[:11], 1000 * time.Second, false},
		{"none", peer1, nil, 1000 * time.Second, false},
	} {
		if got := s.check(tt.peer, tt.value, tt.at); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
	}
	if !s.valid(peer1, 1300*time.Second) || s.valid(other, 0) || s.valid(peer1, 48*time.Hour) {
		t.Error("wrong peers are valid")
	}
}

// TestValidatedBounded: however many peers are validated, the table is
// bounded, and the newest are in it.
func TestValidatedBounded(t *testing.T) {
	l := bench(t, Config{Handler: echoHandler}, new(sink))
	s := &l.e.echo
	peer := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
	}
	const n = maxValid + 1000
	for i := range n {
		v := s.value(peer(i), 0)
		if !s.check(peer(i), v[:], 0) {
			t.Fatal("own value refused")
		}
	}
	if len(s.validated) != maxValid || s.order.Len() != maxValid {
		t.Errorf("got %d and %d peers, want %d", len(s.validated), s.order.Len(), maxValid)
	}
	if s.valid(peer(0), 0) || !s.valid(peer(n-1), 0) {
		t.Error("the wrong peer gave way")
	}
}
