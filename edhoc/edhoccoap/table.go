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

var (
	errFull    = errors.New("edhoccoap: too many handshakes wait")
	errBusy    = errors.New("edhoccoap: the message is being processed")
	errUnknown = errors.New("edhoccoap: no such handshake")
)

// table holds the handshakes by the identifier that we chose, until they are too old.
// One that is over stays, with its answers, for a message that comes again. It is safe
// for concurrent use.
type table struct {
	life    time.Duration
	max     int
	maxPeer int
	maxNet  int

	mu      sync.Mutex // guards all below, and the fields of the entries
	byID    map[edhoc.ConnID]*entry
	byFirst map[origin]*entry    // where message_1 came from the peer
	perPeer map[netip.Addr]int   // waiting handshakes
	perNet  map[netip.Prefix]int // the same
	waiting int
	order   *list.List // of *entry, the oldest first
	over    *list.List // of those that are over, in the order in which they were
}

type digest = [sha256.Size]byte

// origin is a message_1 and where it came from: who repeats that of another has a
// handshake of his own.
type origin struct {
	peer netip.Addr
	hash digest
}

// state is a handshake that waits for a message.
type state interface{ Discard() }

// entry is one handshake.
type entry struct {
	id      edhoc.ConnID
	peer    netip.Addr
	since   time.Time
	element *list.Element // in order, nil once it was dropped
	over    *list.Element // in over, or nil

	state   state // nil while a message is processed, and after the last one
	pending *idalloc.Pending
	busy    digest // of the message that is processed

	initiator *edhoc.Initiator // in the reverse message flow

	first   digest // of message_1, or zero
	opening []byte // the answer to it
	answers []*answer
}

// answer is what a later message was answered with.
type answer struct {
	hash     digest
	code     coap.Code
	payload  []byte
	ok       bool
	combined bool // the message came in a combined request
}

func newTable(life time.Duration, most, maxPeer int) *table {
	return &table{
		life: life, max: most, maxPeer: maxPeer, maxNet: max(maxPeer, most/4),
		byID: map[edhoc.ConnID]*entry{}, byFirst: map[origin]*entry{},
		perPeer: map[netip.Addr]int{}, perNet: map[netip.Prefix]int{}, order: list.New(), over: list.New(),
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
func (t *table) room(peer netip.Addr, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	return t.full(peer)
}

func (t *table) full(peer netip.Addr) error {
	if t.waiting >= t.max || t.perPeer[peer] >= t.maxPeer || t.perNet[netOf(peer)] >= t.maxNet {
		return errFull
	}
	return nil
}

// netOf is the IPv6 prefix of which a peer has all addresses. It is the zero Prefix for
// IPv4, which is not counted.
func netOf(peer netip.Addr) netip.Prefix {
	net, _ := peer.Prefix(64)
	return net
}

// again gives the answer to a message_1 that came from the peer before.
//
//spec:9528-7-1
func (t *table) again(peer netip.Addr, first digest, now time.Time) ([]byte, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	e := t.byFirst[origin{peer, first}]
	if e == nil {
		return nil, false
	}
	return e.opening, true
}

// has says whether there is a handshake with that identifier.
func (t *table) has(id edhoc.ConnID, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	return t.byID[id] != nil
}

// add makes a handshake wait, unless there is one of the same message_1: that has its
// answer in opening then. The identifier is nobody else's: if an old answer still has
// it, that goes.
func (t *table) add(e *entry) (opening []byte, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.full(e.peer); err != nil {
		return nil, err
	}
	if e.first != (digest{}) {
		if same := t.byFirst[origin{e.peer, e.first}]; same != nil {
			return same.opening, nil
		}
		t.byFirst[origin{e.peer, e.first}] = e
	}
	if old := t.byID[e.id]; old != nil {
		t.drop(old)
	}
	t.byID[e.id] = e
	e.element = t.order.PushBack(e)
	t.enter(e)
	return nil, nil
}

// take gives the handshake of a message, and its state to the first one that comes. A
// message that was answered before gets its answer instead, wherever it comes from.
// Others come from the address that began the handshake: identifiers are short, and who
// guesses one must not end the handshake of another (RFC 9528, Section 9.7). Errors:
// errUnknown, errBusy.
//
//spec:9528-5.1-4
//spec:9528-7-1
//spec:9528-7-2
func (t *table) take(id edhoc.ConnID, peer netip.Addr, msg []byte, now time.Time) (*entry, state, *answer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	e := t.byID[id]
	if e == nil {
		return nil, nil, nil, errUnknown
	}
	hash := hashOf(msg)
	for _, a := range e.answers {
		if a.hash == hash {
			return e, nil, a, nil
		}
	}
	switch {
	case e.peer != peer:
	case e.state != nil:
		st := e.state
		e.state, e.busy = nil, hash
		t.leave(e)
		return e, st, nil, nil
	case e.busy != (digest{}):
		return e, nil, nil, errBusy
	}
	return e, nil, nil, errUnknown
}

// finish keeps the answer to the message that was taken, for the rest of the lifetime.
// If next is not nil, the handshake waits again.
func (t *table) finish(e *entry, a *answer, next state) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.hash, e.busy = e.busy, digest{}
	e.answers = append(e.answers, a)
	switch {
	case e.element == nil: // too old meanwhile
		if next != nil {
			next.Discard()
			_ = e.pending.Abort()
		}
	case next != nil:
		e.state = next
		t.enter(e)
	default:
		e.over = t.over.PushBack(e)
		for t.over.Len() > 3*t.max { // never one that waits
			t.drop(t.over.Front().Value.(*entry))
		}
	}
}

// abandon ends a handshake whose message was taken and not finished, as a function of the
// application has panicked. It is deferred.
func (t *table) abandon(e *entry, finished **answer) {
	if *finished == nil {
		_ = e.pending.Abort()
		t.finish(e, &answer{code: coap.InternalServerError}, nil)
	}
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
	if t.byID[e.id] == e {
		delete(t.byID, e.id)
	}
	if first := (origin{e.peer, e.first}); t.byFirst[first] == e {
		delete(t.byFirst, first)
	}
	t.order.Remove(e.element)
	e.element = nil
	if e.over != nil {
		t.over.Remove(e.over)
	}
	if e.state != nil {
		e.state.Discard()
		_ = e.pending.Abort()
		e.state = nil
		t.leave(e)
	}
}

// enter counts a handshake in that waits.
func (t *table) enter(e *entry) {
	t.waiting++
	t.perPeer[e.peer]++
	if net := netOf(e.peer); net.IsValid() {
		t.perNet[net]++
	}
}

// leave counts a handshake out that does not wait any longer.
func (t *table) leave(e *entry) {
	t.waiting--
	if t.perPeer[e.peer]--; t.perPeer[e.peer] <= 0 {
		delete(t.perPeer, e.peer)
	}
	if net := netOf(e.peer); net.IsValid() {
		if t.perNet[net]--; t.perNet[net] <= 0 {
			delete(t.perNet, net)
		}
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
