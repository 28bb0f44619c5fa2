package coap

import (
	"hash/maphash"
	"net/netip"
	"sync"
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
// It is safe for concurrent use.
type dedup struct {
	seed maphash.Seed

	mu      sync.Mutex // guards what follows
	index   map[uint64]uint32
	con     entryQueue
	non     entryQueue
	answers answerRing
	evicted uint64
}

// entryBytes is what an entry costs in its queue and the index.
const entryBytes = 32 + 32

func newDedup(maxBytes int) *dedup {
	return &dedup{
		seed:    maphash.MakeSeed(),
		index:   make(map[uint64]uint32),
		con:     entryQueue{max: entries(maxBytes * 3 / 8)},
		non:     entryQueue{max: entries(maxBytes / 8), bit: nonBit},
		answers: answerRing{max: uint64(max(4096, maxBytes/2))},
	}
}

// entries is how many entries fit into n bytes, as a power of two.
func entries(n int) uint32 {
	e := uint32(64)
	for e < 1<<30 && int(e)*2*entryBytes <= n {
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
func (d *dedup) receive(key uint64, non bool, now time.Duration, life time.Duration, dst []byte) (answer []byte, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, ok := d.index[key]; ok {
		e := d.entry(at)
		if e.expires > now {
			return d.answers.appendTo(dst, e.answer, int(e.size)), true
		}
	}
	d.expire(now)
	q := &d.con
	if non {
		q = &d.non
	}
	if q.n == q.max {
		d.evicted++
		d.forget(q)
	}
	d.index[key] = q.push(entry{key: key, expires: now + life}) | q.bit
	return dst, false
}

// lookup is receive without noting the message.
func (d *dedup) lookup(key uint64, now time.Duration, dst []byte) (answer []byte, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, ok := d.index[key]; ok {
		if e := d.entry(at); e.expires > now {
			return d.answers.appendTo(dst, e.answer, int(e.size)), true
		}
	}
	return dst, false
}

// answer stores what was sent for a message.
func (d *dedup) answer(key uint64, b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, ok := d.index[key]
	if !ok || len(b) > 0xffff {
		return
	}
	e := d.entry(at)
	e.answer, e.size = d.answers.put(b), uint16(len(b))
}

func (d *dedup) entry(at uint32) *entry {
	if at&nonBit != 0 {
		return d.non.at(at &^ nonBit)
	}
	return d.con.at(at)
}

func (d *dedup) expire(now time.Duration) {
	for _, q := range [...]*entryQueue{&d.con, &d.non} {
		for q.n > 0 && q.at(q.head).expires <= now {
			d.forget(q)
		}
	}
}

// forget drops the oldest entry of a queue.
func (d *dedup) forget(q *entryQueue) {
	key := q.at(q.head).key
	if d.index[key] == q.head|q.bit {
		delete(d.index, key)
	}
	q.head = (q.head + 1) &^ nonBit
	q.n--
	if q.n == 0 && len(q.ring) > 4096 {
		q.ring = nil // give the memory of a flood back
		if d.con.n == 0 && d.non.n == 0 {
			d.index = make(map[uint64]uint32)
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

// nonBit marks an index into the queue of Non-confirmable messages.
const nonBit = 1 << 31

// An entryQueue is a queue in a ring that doubles up to max entries. An entry
// is known by its number modulo 2^31; the ring's length is a power of two, so
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
	number := (q.head + q.n) &^ nonBit
	*q.at(number) = e
	q.n++
	return number
}

// An answerRing holds the last max bytes of answers. A position counts all
// bytes ever put, from 1, so that one whose bytes are gone is recognized.
type answerRing struct {
	ring []byte
	next uint64 // position of the next byte, less 1
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
		a.ring = grown
	}
	at := a.next
	from := at % uint64(len(a.ring))
	n := copy(a.ring[from:], b)
	copy(a.ring, b[n:])
	a.next += uint64(len(b))
	return at + 1
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
