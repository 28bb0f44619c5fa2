package gocoap

import (
	"net/netip"
	"testing"
	"time"

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
