package coap

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// dedup remembers the messages that were received (RFC 7252, Section 4.5), by
// a keyed hash of the peer and the Message ID, with what was answered. Every
// operation takes constant time. Lifetimes are two constants, so that the
// entries of each kind expire in the order they came and a queue for each
// serves as the expiry wheel. When its share of memory is used up, the oldest
// entry gives way; an entry whose answer had to give way first still keeps a
// duplicate from being executed.
//
// It belongs to the goroutine that reads the socket, but for answerLate and
// evicted, which are safe for concurrent use.
type dedup struct {
	seed    maphash.Seed
	index   entryIndex
	con     entryQueue
	non     entryQueue
	answers answerRing
	evicted atomic.Uint64

	isLate atomic.Bool // there is something in late
	mu     sync.Mutex  // guards what follows
	late   []lateAnswer
}

// A place is where dedup has noted a message.
type place struct {
	key uint64
	at  uint32
}

// A lateAnswer waits for the goroutine that reads the socket.
type lateAnswer struct {
	place place
	bytes []byte
}

// entryBytes is what an entry costs in its queue and the index.
const entryBytes = 32 + 32

func newDedup(maxBytes int) *dedup {
	return &dedup{
		seed:    maphash.MakeSeed(),
		con:     entryQueue{max: entries(maxBytes * 3 / 8)},
		non:     entryQueue{max: entries(maxBytes / 8), bit: nonBit},
		answers: answerRing{max: uint64(max(4096, maxBytes/2))},
	}
}

// entries is how many entries fit into n bytes, as a power of two.
func entries(n int) uint32 {
	e := uint32(64)
	for e < 1<<28 && int(e)*2*entryBytes <= n {
		e *= 2
	}
	return e
}

// key hashes a peer and a Message ID. The seed is secret, so that nobody can
// choose two peers with one key.
func (d *dedup) key(peer netip.AddrPort, mid uint16) uint64 {
	var b [20]byte
	a := peer.Addr().As16()
	copy(b[:], a[:])
	port := peer.Port()
	b[16], b[17], b[18], b[19] = byte(port>>8), byte(port), byte(mid>>8), byte(mid)
	h := maphash.Bytes(d.seed, b[:])
	if zone := peer.Addr().Zone(); zone != "" {
		h ^= maphash.String(d.seed, zone) * 0x9e3779b97f4a7c15
	}
	return h
}

// receive notes a message. If it is known already, known is true and answer
// what was sent for it, empty if nothing was; the answer is appended to dst.
func (d *dedup) receive(key uint64, non bool, now time.Duration, life time.Duration, dst []byte) (answer []byte, noted place, known bool) {
	if answer, known = d.lookup(key, now, dst); known {
		return answer, place{}, true
	}
	d.expire(now)
	q := &d.con
	if non {
		q = &d.non
	}
	if q.n == q.max {
		d.evicted.Add(1)
		d.forget(q)
	}
	at := q.push(entry{key: key, expires: now + life}) | q.bit
	d.insert(key, at)
	return dst, place{key, at}, false
}

// lookup is receive without noting the message.
func (d *dedup) lookup(key uint64, now time.Duration, dst []byte) (answer []byte, known bool) {
	if at, ok := d.find(key); ok {
		if e := d.entry(at); e.expires > now {
			return d.answers.appendTo(dst, e.answer, int(e.size)), true
		}
	}
	return dst, false
}

// answer stores what was sent for a message.
func (d *dedup) answer(p place, b []byte) {
	if len(b) > 0xffff {
		return
	}
	q := &d.con
	if p.at&nonBit != 0 {
		q = &d.non
	}
	if q.n == 0 {
		return
	}
	if e := q.at(p.at); e.key == p.key { // else it was forgotten meanwhile
		e.answer, e.size = d.answers.put(b), uint16(len(b))
	}
}

// answerLate has the reader store a copy of what was sent for a message, before
// it looks for any other.
func (d *dedup) answerLate(p place, b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.late = append(d.late, lateAnswer{p, append([]byte(nil), b...)})
	d.isLate.Store(true)
}

// settle stores the late answers.
func (d *dedup) settle() {
	if !d.isLate.Load() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.late {
		d.answer(l.place, l.bytes)
	}
	d.late = nil
	d.isLate.Store(false)
}

func (d *dedup) entry(at uint32) *entry {
	if at&nonBit != 0 {
		return d.non.at(at)
	}
	return d.con.at(at)
}

func (d *dedup) expire(now time.Duration) {
	d.expireQueue(&d.con, now)
	d.expireQueue(&d.non, now)
}

func (d *dedup) expireQueue(q *entryQueue, now time.Duration) {
	for q.n > 0 && q.at(q.head).expires <= now {
		d.forget(q)
	}
}

// forget drops the oldest entry of a queue.
func (d *dedup) forget(q *entryQueue) {
	d.index.remove(q.at(q.head).key, q.head|q.bit)
	q.head = (q.head + 1) & numberMask
	q.n--
	if q.n == 0 && len(q.ring) > 4096 {
		q.ring = nil // give the memory of a flood back
		if d.con.n == 0 && d.non.n == 0 {
			d.index = entryIndex{}
			d.answers = answerRing{max: d.answers.max}
		}
	}
}

// entry is a message received.
type entry struct {
	key     uint64
	expires time.Duration
	answer  uint64 // position in the answer ring
	size    uint16
}

// An entry is known by the number of its queue, and nonBit if that is the one of
// Non-confirmable messages.
const (
	nonBit     = 1 << 31
	usedBit    = 1 << 30 // tells a slot of the index that is used from an empty one
	numberMask = usedBit - 1
)

// An entryQueue is a queue in a ring that doubles up to max entries. An entry
// is known by its number modulo 2^30; the ring's length is a power of two, so
// that numbers stay when the ring grows.
type entryQueue struct {
	ring    []entry
	head, n uint32 // the number of the oldest entry, and how many there are
	max     uint32
	bit     uint32
}

func (q *entryQueue) at(number uint32) *entry {
	return &q.ring[number&uint32(len(q.ring)-1)]
}

// push appends an entry and returns its number.
func (q *entryQueue) push(e entry) uint32 {
	if int(q.n) == len(q.ring) {
		grown := entryQueue{ring: make([]entry, max(64, 2*len(q.ring)))}
		for i := range q.n {
			*grown.at(q.head + i) = *q.at(q.head + i)
		}
		q.ring = grown.ring
	}
	number := (q.head + q.n) & numberMask
	*q.at(number) = e
	q.n++
	return number
}

// An answerRing holds the last max bytes of answers. A position counts all
// bytes ever put, from 1, so that one whose bytes are gone is recognized.
type answerRing struct {
	ring []byte
	next uint64 // position of the next byte, less 1
	from int    // where in the ring that is
	max  uint64
}

// put stores b and returns its position.
func (a *answerRing) put(b []byte) uint64 {
	if uint64(len(b)) > a.max {
		return 0
	}
	for a.next+uint64(len(b)) > uint64(len(a.ring)) && uint64(len(a.ring)) < a.max {
		grown := make([]byte, min(a.max, uint64(max(1024, 2*len(a.ring)))))
		copy(grown, a.ring) // until it is full nothing has wrapped
		a.ring, a.from = grown, int(a.next)
	}
	n := copy(a.ring[a.from:], b)
	if a.from += n; a.from == len(a.ring) {
		a.from = copy(a.ring, b[n:])
	}
	a.next += uint64(len(b))
	return a.next - uint64(len(b)) + 1
}

// appendTo appends the n bytes at a position, or nothing if they are gone.
func (a *answerRing) appendTo(dst []byte, position uint64, n int) []byte {
	if position == 0 || position-1+uint64(len(a.ring)) < a.next {
		return dst
	}
	from := int((position - 1) % uint64(len(a.ring)))
	first := min(n, len(a.ring)-from)
	dst = append(dst, a.ring[from:from+first]...)
	return append(dst, a.ring[:n-first]...)
}
