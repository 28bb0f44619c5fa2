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
// entry gives way, unless it is of a network with few entries; see evict. An entry
// whose answer had to give way first still keeps a duplicate from being executed.
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

// A place is where dedup has noted a message. The entry may have moved since.
type place struct {
	key     uint64
	expires time.Duration
	at      uint32
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
		answers: answerRing{max: max(2, maxBytes/2/answerChunk)},
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
// choose two peers with one key. A peer counts its Message IDs up, as a rule
// (RFC 7252, Section 4.4): eight in a row have keys that are next to each other
// in the index, in one line of memory.
func (d *dedup) key(peer netip.AddrPort, mid uint16) uint64 {
	var b [20]byte
	a := peer.Addr().As16()
	copy(b[:], a[:])
	port, group := peer.Port(), mid/groupSize
	b[16], b[17], b[18], b[19] = byte(port>>8), byte(port), byte(group>>8), byte(group)
	h := maphash.Bytes(d.seed, b[:])
	if zone := peer.Addr().Zone(); zone != "" {
		h ^= maphash.String(d.seed, zone) * 0x9e3779b97f4a7c15
	}
	return h&^((groupSize-1)<<32) | uint64(mid%groupSize)<<32
}

// groupSize is how many slots of the index a line of memory has.
const groupSize = 8

// receive notes a message of a peer in a network. If it is known already, known is
// true and answer what was sent for it, empty if nothing was; the answer is
// appended to dst.
func (d *dedup) receive(key uint64, network uint8, non bool, now time.Duration, life time.Duration, dst []byte) (answer []byte, noted place, known bool) {
	if answer, known = d.lookup(key, now, dst); known {
		return answer, place{}, true
	}
	d.expire(now)
	q := &d.con
	if non {
		q = &d.non
	}
	if q.n == q.max {
		d.evict(q, now)
	}
	at := q.push(entry{key: key, expires: now + life, network: network}) | q.bit
	d.insert(key, at)
	return dst, place{key, now + life, at}, false
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
	if (p.at-q.head)&numberMask >= q.n || q.at(p.at).key != p.key {
		var ok bool
		if p.at, ok = d.find(p.key); !ok {
			return // forgotten meanwhile
		}
	}
	if e := d.entry(p.at); e.expires == p.expires {
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

// network tells the networks of peers apart, in so far as 256 numbers can: each is
// the keyed hash of a /24 or /48.
func (d *dedup) network(peer netip.AddrPort) uint8 {
	a, n := peer.Addr().As16(), 6
	if peer.Addr().Is4() {
		n = 15
	}
	return uint8(maphash.Bytes(d.seed, a[:n]))
}

const (
	// fewOf is the part of a queue that counts as few entries of a network. All
	// networks with few have a quarter of it at most.
	fewOf = 1024
	// maxSpared is how many entries are spared for one that gives way.
	maxSpared = 4
)

// evict makes room in a queue that is full: the oldest entry gives way. One of a
// network that has few goes to the end instead, so that a flood from one network
// has to make do with what is its own.
func (d *dedup) evict(q *entryQueue, now time.Duration) {
	for range maxSpared {
		e := *q.at(q.head)
		if e.expires <= now {
			d.forget(q)
			return
		}
		if q.of[e.network] >= q.max/fewOf {
			break
		}
		from := q.head
		q.pop()
		d.index.move(e.key, from|q.bit, q.push(e)|q.bit)
	}
	d.evicted.Add(1)
	d.forget(q)
}

// forget drops the oldest entry of a queue.
func (d *dedup) forget(q *entryQueue) {
	d.index.remove(q.at(q.head).key, q.head|q.bit)
	q.pop()
	if d.con.n == 0 && d.non.n == 0 && d.index.large() { // give the memory of a flood back
		d.index = entryIndex{}
		d.answers = answerRing{max: d.answers.max}
	}
}

// entry is a message received.
type entry struct {
	key     uint64
	expires time.Duration
	answer  uint64 // position in the answer ring
	size    uint16
	network uint8
}

// An entry is known by the number of its queue, and nonBit if that is the one of
// Non-confirmable messages.
const (
	nonBit     = 1 << 31
	usedBit    = 1 << 30 // tells a slot of the index that is used from an empty one
	numberMask = usedBit - 1
)
