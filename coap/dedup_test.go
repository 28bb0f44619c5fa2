package coap

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// TestDedupModel compares dedup with a map that never forgets early.
func TestDedupModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	d := newDedup(1 << 20)
	type known struct {
		expires time.Duration
		answer  []byte
	}
	model := map[uint64]known{}
	now := time.Duration(0)
	for range 200_000 {
		now += time.Duration(rng.IntN(2000)) * time.Millisecond
		mid, non := uint16(rng.IntN(400)), rng.IntN(2) == 0
		key := d.key(netip.MustParseAddrPort("192.0.2.1:5683"), mid)
		life := 247 * time.Second
		if non {
			life = 145 * time.Second
		}
		answer, dup := d.receive(key, non, now, life, nil)
		want, ok := model[key]
		ok = ok && want.expires > now
		if dup != ok || ok && !bytes.Equal(answer, want.answer) {
			t.Fatalf("at %v, %d: got %x %t, want %x %t", now, mid, answer, dup, want.answer, ok)
		}
		if dup {
			continue
		}
		reply := make([]byte, rng.IntN(40))
		for i := range reply {
			reply[i] = byte(rng.Uint32())
		}
		if len(reply) > 0 {
			d.answer(key, reply)
		}
		model[key] = known{now + life, reply}
	}
	if d.evicted != 0 {
		t.Errorf("got %d evictions, want none", d.evicted)
	}
}

// TestDedupBounded floods dedup: its memory stays within the bound, the
// newest entries are known, and the time for each stays constant.
func TestDedupBounded(t *testing.T) {
	const bound = 8 << 20
	d := newDedup(bound)
	reply := make([]byte, 30)
	key := func(i int) uint64 {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], uint32(i))
		return d.key(netip.AddrPortFrom(netip.AddrFrom4(a), 5683), 1)
	}
	for i := range 500_000 {
		if _, dup := d.receive(key(i), false, time.Duration(i), time.Hour, nil); dup {
			t.Fatal("known before it came")
		}
		d.answer(key(i), reply)
	}
	if n := len(d.con.ring)*entryBytes + len(d.non.ring)*entryBytes + len(d.answers.ring); n > bound+8192 {
		t.Errorf("got %d bytes, want at most %d", n, bound)
	}
	if len(d.index) != int(d.con.n+d.non.n) {
		t.Errorf("index holds %d, queues %d", len(d.index), d.con.n+d.non.n)
	}
	for i := 500_000 - 1000; i < 500_000; i++ {
		if answer, dup := d.receive(key(i), false, 0, time.Hour, nil); !dup || len(answer) != 30 {
			t.Fatalf("entry %d lost: %t, %d bytes", i, dup, len(answer))
		}
	}
	if _, dup := d.receive(key(0), true, 2*time.Hour, time.Hour, nil); dup {
		t.Error("an evicted entry is known")
	}
	if d.con.n != 0 || len(d.con.ring) != 0 {
		t.Errorf("memory not given back: %d entries, ring of %d", d.con.n, len(d.con.ring))
	}
}

func TestDedupAllocates(t *testing.T) {
	d := newDedup(1 << 20)
	peer := netip.MustParseAddrPort("[2001:db8::1]:5683")
	reply, buf := make([]byte, 30), make([]byte, 0, 64)
	mid := uint16(0)
	for range 1 << 16 { // grow
		mid++
		k := d.key(peer, mid)
		d.receive(k, false, 0, time.Hour, buf)
		d.answer(k, reply)
	}
	now := time.Duration(0)
	if n := testing.AllocsPerRun(10_000, func() {
		mid++
		now += 2 * time.Hour / 1000
		k := d.key(peer, mid)
		d.receive(k, false, now, time.Hour, buf)
		d.answer(k, reply)
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkDedup(b *testing.B) {
	d := newDedup(64 << 20)
	reply, buf := make([]byte, 30), make([]byte, 0, 64)
	peer := netip.MustParseAddrPort("192.0.2.1:5683")
	i := 0
	for b.Loop() {
		i++
		k := d.key(peer, uint16(i)) + uint64(i)
		d.receive(k, false, time.Duration(i)*10*time.Microsecond, 247*time.Second, buf)
		d.answer(k, reply)
	}
}

// TestDedupAnswerGone: an entry whose answer had to give way still keeps its
// message from being executed, and gives nobody the answer of another.
func TestDedupAnswerGone(t *testing.T) {
	d := newDedup(1 << 16)
	big := bytes.Repeat([]byte{1}, 1000)
	d.receive(1, false, 0, time.Hour, nil)
	d.answer(1, []byte("first"))
	for i := range uint64(60) {
		d.receive(100+i, false, 0, time.Hour, nil)
		d.answer(100+i, big)
	}
	if answer, known := d.receive(1, false, 0, time.Hour, nil); !known || len(answer) != 0 {
		t.Errorf("got %q %t, want known and no answer", answer, known)
	}
	if answer, known := d.receive(159, false, 0, time.Hour, nil); !known || !bytes.Equal(answer, big) {
		t.Errorf("newest: got %d bytes, %t", len(answer), known)
	}
	d.receive(2, false, 0, time.Hour, nil)
	d.answer(2, make([]byte, 0x10000)) // longer than any datagram
	if answer, known := d.receive(2, false, 0, time.Hour, nil); !known || len(answer) != 0 {
		t.Errorf("too long: got %d bytes, %t", len(answer), known)
	}
}
