package gocoap

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	gonet "github.com/plgd-dev/go-coap/v3/net"

	"github.com/ostiary/ostiary/coap"
)

func TestSequence(t *testing.T) {
	t0 := time.Unix(1e9, 0)
	for _, c := range []struct {
		last, next uint32
		after      time.Duration
		want       bool
	}{
		{1, 2, 0, true},
		{2, 1, 0, false},
		{2, 2, 0, false},
		{0, 1<<23 - 1, 0, true},
		{0, 1 << 23, 0, false},
		{1<<24 - 1, 0, 0, true},
		{1<<23 + 1, 0, 0, true},
		{1 << 23, 0, 0, false},
		{2, 1, 128 * time.Second, false},
		{2, 1, 128*time.Second + 1, true},
	} {
		var s sequence
		if !s.newer(withObserve(c.last), t0) {
			t.Fatalf("first notification refused")
		}
		if got := s.newer(withObserve(c.next), t0.Add(c.after)); got != c.want {
			t.Errorf("%d after %d, %v later: got %v, want %v", c.next, c.last, c.after, got, c.want)
		}
	}
}

func withObserve(n uint32) *coap.Response {
	r := &coap.Response{Code: coap.Content}
	r.Options.AddUint(coap.Observe, n)
	return r
}

func TestCacheIsBounded(t *testing.T) {
	c := &cache{limit: 4 * exchangeSize, entries: make(map[messageKey]*exchange)}
	now := time.Unix(1e9, 0)
	remote := netip.MustParseAddrPort("192.0.2.1:1")
	add := func(mid uint16, settled bool, at time.Duration) *exchange {
		x := &exchange{key: messageKey{remote, mid}, settled: settled}
		c.add(x, now.Add(at))
		return x
	}
	busy := add(0, false, 0) // the oldest, and still being handled
	for i := uint16(1); i < 10; i++ {
		add(i, true, time.Duration(i))
	}
	if c.bytes > c.limit || len(c.entries) != 4 {
		t.Errorf("%d bytes in %d entries, want at most %d in 4", c.bytes, len(c.entries), c.limit)
	}
	if c.entries[busy.key] != busy {
		t.Error("an exchange still being handled was let go")
	}
	for _, mid := range []uint16{7, 8, 9} {
		if c.entries[messageKey{remote, mid}] == nil {
			t.Errorf("exchange %d was let go before older ones", mid)
		}
	}
	c.grow(busy, 2*exchangeSize)
	if c.bytes > c.limit || len(c.entries) != 2 {
		t.Errorf("after growth: %d bytes in %d entries, want at most %d in 2", c.bytes, len(c.entries), c.limit)
	}
	last := add(20, true, exchangeLifetime+20)
	if len(c.entries) != 1 || c.entries[last.key] != last || c.bytes != exchangeSize || c.first != last || c.last != last {
		t.Errorf("after their lifetime: %d entries, %d bytes, want the new one only", len(c.entries), c.bytes)
	}
	c.grow(busy, 1) // gone, counts no more
	if c.bytes != exchangeSize {
		t.Errorf("an exchange that is gone counts: %d bytes", c.bytes)
	}
}

func TestMessageIDsDoNotRepeat(t *testing.T) {
	e := newEndpoint(Config{})
	seen := map[uint16]bool{}
	remote := netip.MustParseAddrPort("192.0.2.1:1")
	for range 1 << 16 {
		seen[e.nextMID(remote)] = true
	}
	if len(seen) != 1<<16 {
		t.Errorf("%d different Message IDs of %d, want all", len(seen), 1<<16)
	}
}

// The time between retransmissions doubles (RFC 7252, Section 4.2).
func TestBackOff(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	e := newEndpoint(Config{AckTimeout: time.Hour, MaxRetransmit: 3})
	e.socket = gonet.NewUDPConn("udp", conn)
	tr := e.transmit(path{remote: addrPort(conn.LocalAddr())}, 1, empty(0, 1))
	defer tr.stop()
	first := tr.timeout
	if first < time.Hour || first > 3*time.Hour/2 {
		t.Errorf("first timeout %v, want between 1 h and 1.5 h", first)
	}
	for i := 1; i <= 3; i++ {
		if !tr.retransmit() || tr.timeout != first<<i {
			t.Errorf("timeout %d is %v, want %v", i, tr.timeout, first<<i)
		}
	}
	if tr.retransmit() {
		t.Error("a fourth retransmission, want 3")
	}
}

// NSTART requests to an address are outstanding at a time (RFC 7252, Section
// 4.7).
func TestGate(t *testing.T) {
	e := newEndpoint(Config{NStart: 2})
	a, b := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:1")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, remote := range []netip.AddrPort{a, a, b} {
		if err := e.enter(t.Context(), remote); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		if err := e.enter(over, a); err == nil {
			t.Fatal("a third request may go out, want two")
		}
	}
	e.exit(a)
	if err := e.enter(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for _, remote := range []netip.AddrPort{a, a, b} {
		e.exit(remote)
	}
	if len(e.gates) != 0 {
		t.Errorf("%d gates are left, want none", len(e.gates))
	}
}
