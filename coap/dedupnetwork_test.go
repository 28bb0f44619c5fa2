package coap

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// TestDedupNetworks compares dedup, when it is full, with a list: the oldest of
// a network that has few go to the end, four at most for one that gives way.
func TestDedupNetworks(t *testing.T) {
	type noted struct {
		key     uint64
		network uint8
		expires time.Duration
	}
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 5))
		d := newDedup(1 << 14)
		d.con.max = 4096
		var model []noted
		of := map[uint8]int{}
		drop := func() {
			of[model[0].network]--
			model = model[1:]
		}
		now := time.Duration(0)
		for i := range 40_000 {
			now += time.Duration(rng.IntN(7)) * time.Millisecond
			m := noted{rng.Uint64(), uint8(rng.IntN(256)), now + 15*time.Second}
			if i%64 > 7 {
				m.network = 7
			}
			for len(model) > 0 && model[0].expires <= now {
				drop()
			}
			if len(model) == 4096 {
				for range 4 {
					if m := model[0]; m.expires > now && of[m.network] < 4 {
						model = append(model[1:], m)
						continue
					}
					break
				}
				drop()
			}
			model = append(model, m)
			of[m.network]++
			if _, _, known := d.receive(m.key, m.network, false, now, 15*time.Second, nil); known {
				t.Fatalf("%d: known before it came", i)
			}
			if head := d.con.at(d.con.head); int(d.con.n) != len(model) || d.index.n != len(model) || head.key != model[0].key {
				t.Fatalf("%d: %d entries and %d in the index, want %d, the first %x, want %x", i, d.con.n, d.index.n, len(model), head.key, model[0].key)
			}
			known := model[rng.IntN(len(model))]
			if _, ok := d.lookup(known.key, now, nil); ok != (known.expires > now) {
				t.Fatalf("%d: entry known %t", i, ok)
			}
		}
		if d.evicted.Load() == 0 {
			t.Error("nothing was evicted")
		}
	}
}

// TestDedupNetworkFlood: the entries of others, and what was answered, outlive a
// flood from one network; an answer that comes late finds its entry where it is.
func TestDedupNetworkFlood(t *testing.T) {
	d := newDedup(1 << 20)
	for d.network(netip.MustParseAddrPort("192.0.2.1:1")) == d.network(netip.MustParseAddrPort("198.51.100.1:1")) {
		d = newDedup(1 << 20) // of another seed
	}
	const others = 3
	var keys [others]uint64
	var places [others]place
	peer := netip.MustParseAddrPort("192.0.2.1:5683")
	for i := range keys {
		keys[i] = d.key(peer, uint16(i*groupSize))
		_, places[i], _ = d.receive(keys[i], d.network(peer), false, 0, time.Hour, nil)
	}
	flood := func(n int) {
		for i := range n {
			b := [4]byte{198, 51, 100}
			b[3] = byte(i)
			from := netip.AddrPortFrom(netip.AddrFrom4(b), uint16(i>>8))
			_, _, _ = d.receive(d.key(from, uint16(i>>24))+uint64(i), d.network(from), false, 1, time.Hour, nil)
		}
	}
	flood(3 * int(d.con.max))
	for i, p := range places {
		if p.at == d.con.head {
			t.Fatal("not moved")
		}
		if i == 0 {
			p.at = d.con.head // the numbers have gone round
		}
		d.answerLate(p, fmt.Append(nil, "answer", i))
	}
	d.settle()
	flood(3*int(d.con.max) + 1)
	for i, key := range keys {
		if answer, known := d.lookup(key, 1, nil); !known || string(answer) != fmt.Sprint("answer", i) {
			t.Errorf("%d: known %t, got %q", i, known, answer)
		}
	}
	if _, _, known := d.receive(keys[0], d.network(peer), false, 2*time.Hour, time.Hour, nil); known {
		t.Error("known after its time")
	}
	d.answer(places[0], []byte("of another time"))
	if answer, _ := d.lookup(keys[0], 2*time.Hour, nil); len(answer) != 0 {
		t.Errorf("got %q for a message received later", answer)
	}
}

// TestNetworks: peers of one /24 or /48 are of one network, and others of
// another but for one in 256.
func TestNetworks(t *testing.T) {
	d := newDedup(1 << 14)
	number := func(s string) uint8 { return d.network(netip.MustParseAddrPort(s)) }
	if number("192.0.2.1:1") != number("192.0.2.255:2") || number("[2001:db8:1:2::1]:1") != number("[2001:db8:1:ffff::]:9") {
		t.Error("one network is two")
	}
	var seen []uint8
	for i := range 256 {
		var b [16]byte
		b[0] = 0x20
		binary.BigEndian.PutUint16(b[4:], uint16(i))
		seen = append(seen, number(fmt.Sprintf("192.0.%d.1:1", i)), d.network(netip.AddrPortFrom(netip.AddrFrom16(b), 1)))
	}
	slices.Sort(seen)
	if n := len(slices.Compact(seen)); n < 128 {
		t.Errorf("512 networks have %d numbers", n)
	}
}
