package edhoccoap

import (
	"container/list"
	"crypto/sha256"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

var errFull = errors.New("edhoccoap: too many handshakes wait")

// table holds the handshakes by C_R, from message_2 until they are too old. One that
// is over stays, with its answer, for a message_3 that comes again. It is safe for
// concurrent use.
type table struct {
	life    time.Duration
	max     int
	maxPeer int

	mu      sync.Mutex // guards all below, and the fields of the entries
	byID    map[edhoc.ConnID]*entry
	perPeer map[netip.Addr]int // waiting handshakes
	waiting int
	order   *list.List // of *entry, the oldest first
}

// entry is one handshake.
type entry struct {
	cR      edhoc.ConnID
	peer    netip.Addr
	since   time.Time
	element *list.Element

	state   *edhoc.AwaitMessage3 // nil once message_3 was taken up
	pending *idalloc.Pending

	over     bool // with what follows
	ok       bool
	hash     [sha256.Size]byte // of message_3
	code     coap.Code
	answer   []byte
	combined bool
}

func newTable(life time.Duration, most, maxPeer int) *table {
	return &table{
		life: life, max: most, maxPeer: maxPeer,
		byID: map[edhoc.ConnID]*entry{}, perPeer: map[netip.Addr]int{}, order: list.New(),
	}
}

// load is the number of handshakes that wait.
func (t *table) load(now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	return t.waiting
}

// room says whether another handshake of the peer may wait.
func (t *table) room(peer netip.Addr) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting >= t.max || t.perPeer[peer] >= t.maxPeer {
		return errFull
	}
	return nil
}

// add makes a handshake wait. Its identifier is nobody else's: if an old answer still
// has it, that goes.
func (t *table) add(e *entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting >= t.max || t.perPeer[e.peer] >= t.maxPeer {
		return errFull
	}
	if old := t.byID[e.cR]; old != nil {
		t.drop(old)
	}
	for t.order.Len() >= 4*t.max { // answers, nearly all
		t.drop(t.order.Front().Value.(*entry))
	}
	t.byID[e.cR] = e
	t.perPeer[e.peer]++
	t.waiting++
	e.element = t.order.PushBack(e)
	return nil
}

// take gives the handshake of a message_3. State is not nil for the first one only;
// done is whether the answer of an earlier one, the same, is in the entry.
func (t *table) take(cR edhoc.ConnID, msg3 []byte, now time.Time) (e *entry, state *edhoc.AwaitMessage3, done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	e = t.byID[cR]
	if e == nil {
		return nil, nil, false
	}
	hash := sha256.Sum256(msg3)
	if e.state != nil {
		state, e.state, e.hash = e.state, nil, hash
		t.leave(e)
		return e, state, false
	}
	return e, nil, e.over && e.hash == hash
}

// finish keeps the answer for the rest of the lifetime.
func (t *table) finish(e *entry, ok, combined bool, code coap.Code, answer []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.over, e.ok, e.combined, e.code, e.answer = true, ok, combined, code, answer
}

// sweep drops what is too old.
//
//spec:9528-7-4
func (t *table) sweep(now time.Time) {
	for el := t.order.Front(); el != nil; el = t.order.Front() {
		e := el.Value.(*entry)
		if now.Sub(e.since) < t.life {
			return
		}
		t.drop(e)
	}
}

// drop forgets an entry, and ends a handshake that waits.
func (t *table) drop(e *entry) {
	if t.byID[e.cR] == e {
		delete(t.byID, e.cR)
	}
	t.order.Remove(e.element)
	if e.state != nil {
		e.state.Discard()
		_ = e.pending.Abort()
		e.state = nil
		t.leave(e)
	}
}

// leave counts a handshake out that does not wait any longer.
func (t *table) leave(e *entry) {
	t.waiting--
	if t.perPeer[e.peer]--; t.perPeer[e.peer] <= 0 {
		delete(t.perPeer, e.peer)
	}
}

// clear ends everything.
func (t *table) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for el := t.order.Front(); el != nil; el = t.order.Front() {
		t.drop(el.Value.(*entry))
	}
}
