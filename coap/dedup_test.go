package coap

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
	"unsafe"
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
		answer, noted, dup := d.receive(key, 0, non, now, life, nil)
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
			d.answer(noted, reply)
		}
		model[key] = known{now + life, reply}
	}
	if n := d.evicted.Load(); n != 0 {
		t.Errorf("got %d evictions, want none", n)
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
		_, noted, dup := d.receive(key(i), 0, false, time.Duration(i), time.Hour, nil)
		if dup {
			t.Fatal("known before it came")
		}
		d.answer(noted, reply)
	}
	if n := memoryOf(d); n > bound+8192 {
		t.Errorf("got %d bytes, want at most %d", n, bound)
	}
	if d.index.n != int(d.con.n+d.non.n) {
		t.Errorf("index holds %d, queues %d", d.index.n, d.con.n+d.non.n)
	}
	for i := 500_000 - 1000; i < 500_000; i++ {
		if answer, _, dup := d.receive(key(i), 0, false, 0, time.Hour, nil); !dup || len(answer) != 30 {
			t.Fatalf("entry %d lost: %t, %d bytes", i, dup, len(answer))
		}
	}
	if _, _, dup := d.receive(key(0), 0, true, 2*time.Hour, time.Hour, nil); dup {
		t.Error("an evicted entry is known")
	}
	if n := memoryOf(d); d.con.n != 0 || n > 64<<10 {
		t.Errorf("memory not given back: %d entries, %d bytes", d.con.n, n)
	}
}

// memoryOf is the memory of a dedup.
func memoryOf(d *dedup) int {
	n := len(d.answers.chunks)*answerChunk + 8*len(d.index.slots)
	for _, q := range []*entryQueue{&d.con, &d.non} {
		for _, c := range append(q.chunks, q.spare) {
			n += 8
			if c != nil {
				n += int(unsafe.Sizeof(*c))
			}
		}
	}
	return n
}

func TestDedupAllocates(t *testing.T) {
	d := newDedup(1 << 20)
	peer := netip.MustParseAddrPort("[2001:db8::1]:5683")
	reply, buf := make([]byte, 30), make([]byte, 0, 64)
	mid := uint16(0)
	for range 1 << 16 { // grow
		mid++
		k := d.key(peer, mid)
		_, noted, _ := d.receive(k, 0, false, 0, time.Hour, buf)
		d.answer(noted, reply)
	}
	now := time.Duration(0)
	if n := testing.AllocsPerRun(10_000, func() {
		mid++
		now += 2 * time.Hour / 1000
		k := d.key(peer, mid)
		_, noted, _ := d.receive(k, 0, false, now, time.Hour, buf)
		d.answer(noted, reply)
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
		_, noted, _ := d.receive(k, 0, false, time.Duration(i)*10*time.Microsecond, 247*time.Second, buf)
		d.answer(noted, reply)
	}
}

// TestDedupAnswerGone: an entry whose answer had to give way still keeps its
// message from being executed, and gives nobody the answer of another.
func TestDedupAnswerGone(t *testing.T) {
	d := newDedup(1 << 16)
	big := bytes.Repeat([]byte{1}, 1000)
	note := func(key uint64, answer []byte) {
		_, noted, _ := d.receive(key, 0, false, 0, time.Hour, nil)
		d.answer(noted, answer)
	}
	note(1, []byte("first"))
	for i := range uint64(60) {
		note(100+i, big)
	}
	if answer, _, known := d.receive(1, 0, false, 0, time.Hour, nil); !known || len(answer) != 0 {
		t.Errorf("got %q %t, want known and no answer", answer, known)
	}
	if answer, _, known := d.receive(159, 0, false, 0, time.Hour, nil); !known || !bytes.Equal(answer, big) {
		t.Errorf("newest: got %d bytes, %t", len(answer), known)
	}
	note(2, make([]byte, 0x10000)) // longer than any datagram
	if answer, _, known := d.receive(2, 0, false, 0, time.Hour, nil); !known || len(answer) != 0 {
		t.Errorf("too long: got %d bytes, %t", len(answer), known)
	}
}

// TestDedupIndex compares the index with a map, for keys most of which belong
// into few slots.
func TestDedupIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	d := newDedup(1 << 14)
	d.con.max = 512
	model := map[uint64]bool{}
	var order []uint64
	for range 50_000 {
		key := uint64(rng.IntN(40))<<32 | uint64(rng.IntN(60))
		_, _, dup := d.receive(key, 0, false, 0, time.Hour, nil)
		if dup != model[key] {
			t.Fatalf("%x: got %t, want %t", key, dup, model[key])
		}
		if dup {
			continue
		}
		model[key] = true
		if order = append(order, key); len(order) > 512 {
			delete(model, order[0])
			order = order[1:]
		}
		if used := len(model); d.index.n != used || d.con.n != uint32(used) {
			t.Fatalf("got %d in the index and %d in the queue, want %d", d.index.n, d.con.n, used)
		}
	}
	for key := range model {
		if _, known := d.lookup(key, 0, nil); !known {
			t.Errorf("%x is lost", key)
		}
	}
}

// TestDedupLate: an answer from another goroutine is there for the next
// duplicate, unless its message was forgotten meanwhile.
func TestDedupLate(t *testing.T) {
	d := newDedup(1 << 14)
	_, first, _ := d.receive(1, 0, false, 0, time.Second, nil)
	_, second, _ := d.receive(2, 0, false, 0, time.Hour, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := []byte("separate")
		d.answerLate(second, b)
		clear(b)
		d.answerLate(first, []byte("too late"))
	}()
	<-done
	if _, _, known := d.receive(3, 0, false, time.Minute, time.Hour, nil); known {
		t.Error("known before it came")
	}
	d.settle()
	if answer, known := d.lookup(2, time.Minute, nil); !known || string(answer) != "separate" {
		t.Errorf("got %q %t, want the answer", answer, known)
	}
	for _, key := range []uint64{1, 3} {
		if answer, _ := d.lookup(key, time.Minute, nil); len(answer) != 0 {
			t.Errorf("%d: got %q, want nothing", key, answer)
		}
	}
	if d.settle(); d.late != nil {
		t.Errorf("%d answers wait", len(d.late))
	}
}
