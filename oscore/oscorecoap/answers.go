package oscorecoap

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// answers keeps the protected answers to requests, for their retransmissions.
// OSCORE refuses a request it has seen before, and an answer that is protected
// a second time would use its nonce a second time; so the bytes are kept. The
// transport does the same by Message ID, but for one address only, and a
// client behind a NAT may come back from another one.
//
// An answer belongs to a request by the Token, the OSCORE option and the
// ciphertext: the same context, Partial IV and CoAP request. Nothing is kept of
// a request that was not verified.
//
// It is safe for concurrent use.
type answers struct {
	cfg  AnswersConfig
	now  func() time.Time // nil: when the request was received
	seed maphash.Seed

	mu          sync.Mutex // guards what follows and every answer
	index       answerIndex
	bySec       map[*oscore.Association]*share
	first, last *answer // the oldest and the newest that is listed
	bytes       int
	free        *answer // to be used again, a list by next
	frees       int
}

// A share is what one association has in answers: a list in the order of the
// list of all.
type share struct {
	sec         *oscore.Association
	first, last *answer
	bytes       int
}

const (
	// answerSize is about what an answer occupies beside its message.
	answerSize = 512
	// maxFree bounds the answers that wait to be used again, and maxReused
	// what each may hold of its last message.
	maxFree, maxReused = 256, 128
	// maxRepeats bounds how often one request is answered again:
	// MAX_RETRANSMIT and as many duplicates (RFC 7252, Section 4.8).
	maxRepeats = 8
	// amplification and unconfirmed bound an answer to an address that has
	// shown nothing but a copy of a request (RFC 9175, Section 2.4).
	amplification = 3
	unconfirmed   = 136
)

func newAnswers(cfg AnswersConfig, now func() time.Time) *answers {
	return &answers{cfg: cfg, now: now, seed: maphash.MakeSeed(), bySec: make(map[*oscore.Association]*share)}
}

// tokener is a ResponseWriter that knows its request's Token, good until the
// handler returns. Without it a replayed request in a new CoAP request gets the
// answer of the first, and not the 4.01 that RFC 8613, Section 7.4, allows.
type tokener interface{ Token() []byte }

// begin enters a request. If that was there before x is nil, and the response is
// a copy of its answer: nil if there is none yet and the repetition waits for it,
// or if it must not be sent.
func (a *answers) begin(w coap.ResponseWriter, r *coap.Request) (x *answer, response *coap.Response, waits bool) {
	key, now := a.keyOf(w, r), a.timeOf(r)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expire(now)
	if x = a.index.find(key); x != nil {
		response, waits = x.again(w, r)
		return nil, response, waits
	}
	if x = a.free; x != nil {
		a.free, x.next = x.next, nil
		a.frees--
	} else {
		x = new(answer)
	}
	x.key, x.began, x.remote = key, now, r.RemoteAddr
	a.index.insert(x)
	return x, nil, false
}

func (a *answers) timeOf(r *coap.Request) time.Time {
	if a.now != nil {
		return a.now()
	}
	if received := r.Received(); !received.IsZero() {
		return received
	}
	return time.Now()
}

// keyOf is a keyed hash of what tells requests apart: of the hashes of the parts,
// each in its place.
func (a *answers) keyOf(w coap.ResponseWriter, r *coap.Request) uint64 {
	var parts [24]byte
	if t, ok := w.(tokener); ok {
		binary.NativeEndian.PutUint64(parts[0:], maphash.Bytes(a.seed, t.Token()))
	}
	option, _ := r.Options.Get(coap.OSCORE)
	binary.NativeEndian.PutUint64(parts[8:], maphash.Bytes(a.seed, option))
	binary.NativeEndian.PutUint64(parts[16:], maphash.Bytes(a.seed, r.Payload))
	return maphash.Bytes(a.seed, parts[:])
}

// keep keeps a copy of the answer to a request of sec, and returns the repetitions
// that wait for it.
func (a *answers) keep(x *answer, sec *oscore.Association, response *coap.Response) (late []repetition) {
	a.mu.Lock()
	defer a.mu.Unlock()
	late, x.late = x.late, nil
	size := sizeOf(response.Options, response.Payload)
	for i := range late {
		late[i].allowed = x.allowed(&late[i], size)
	}
	x.done = true
	if x.gone {
		return late
	}
	x.copy(response)
	a.list(x, sec, answerSize+size)
	return late
}

// silence notes that the client wants no answer, and returns the repetitions that
// wait for one.
func (a *answers) silence(x *answer, sec *oscore.Association) (late []repetition) {
	a.mu.Lock()
	defer a.mu.Unlock()
	late, x.late = x.late, nil
	x.done, x.silent = true, true
	if !x.gone {
		a.list(x, sec, answerSize)
	}
	return late
}

// await lists a request of sec, whose handler has returned without an answer.
func (a *answers) await(x *answer, sec *oscore.Association) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !x.done && !x.gone {
		a.list(x, sec, answerSize)
	}
}

// abandon forgets a request that was not verified, and returns the repetitions
// that wait for its answer.
func (a *answers) abandon(x *answer) (late []repetition) {
	a.mu.Lock()
	defer a.mu.Unlock()
	late = x.late
	a.index.remove(x)
	a.recycle(x)
	return late
}

// list takes x into the lists, or changes its size. The oldest of the association,
// or of all, give way, but not x.
func (a *answers) list(x *answer, sec *oscore.Association, size int) {
	own := x.own
	if own == nil {
		own = a.insert(x, sec)
	}
	own.bytes += size - x.size
	a.bytes += size - x.size
	x.size = size
	for own.bytes > a.cfg.AssociationBytes && own.first != x {
		a.remove(own.first)
	}
	for a.bytes > a.cfg.Bytes && a.first != x {
		a.remove(a.first)
	}
}

func (a *answers) insert(x *answer, sec *oscore.Association) *share {
	own := a.bySec[sec]
	if own == nil {
		own = &share{sec: sec}
		a.bySec[sec] = own
	}
	if own.last == nil {
		own.first = x
	} else {
		own.last.nextOwn = x
	}
	own.last, x.own = x, own
	if x.prev = a.last; x.prev == nil {
		a.first = x
	} else {
		x.prev.next = x
	}
	a.last = x
	return own
}

func (a *answers) expire(now time.Time) {
	for a.first != nil && now.Sub(a.first.began) >= a.cfg.Lifetime {
		a.remove(a.first)
	}
}

// remove takes x, the oldest of its association, out of the table.
func (a *answers) remove(x *answer) {
	own := x.own
	if own.first = x.nextOwn; own.first == nil {
		delete(a.bySec, own.sec)
	}
	own.bytes -= x.size
	a.bytes -= x.size
	if x.prev == nil {
		a.first = x.next
	} else {
		x.prev.next = x.next
	}
	if x.next == nil {
		a.last = x.prev
	} else {
		x.next.prev = x.prev
	}
	a.index.remove(x)
	if x.done {
		a.recycle(x)
		return
	}
	x.prev, x.next, x.nextOwn, x.own, x.gone = nil, nil, nil, nil, true
}

// recycle has x used again. Nobody refers to it: it is not in the table, and
// whoever was to answer has done so.
func (a *answers) recycle(x *answer) {
	bytes := x.bytes
	if cap(bytes) > maxReused {
		bytes = nil
	}
	*x = answer{bytes: bytes}
	if a.frees < maxFree {
		a.free, x.next = x, a.free
		a.frees++
	}
}
