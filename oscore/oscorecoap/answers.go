package oscorecoap

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
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
type answers struct {
	cfg  AnswersConfig
	now  func() time.Time
	seed maphash.Seed

	mu          sync.Mutex // guards what follows and every answer
	byKey       map[uint64]*answer
	bySec       map[*oscore.Association]*share
	first, last *answer // the oldest and the newest that is verified
	bytes       int
}

// A share is what one association has in answers: a list in the order of the
// list of all.
type share struct {
	first, last *answer
	bytes       int
}

const (
	// answerSize is about what an answer occupies beside its message.
	answerSize = 512
	// maxRepeats bounds how often one request is answered again:
	// MAX_RETRANSMIT and as many duplicates (RFC 7252, Section 4.8).
	maxRepeats = 8
	// amplification and unconfirmed bound an answer to an address that has
	// shown nothing but a copy of a request (RFC 9175, Section 2.4).
	amplification = 3
	unconfirmed   = 136
)

func newAnswers(cfg AnswersConfig, now func() time.Time) *answers {
	return &answers{
		cfg: cfg, now: now, seed: maphash.MakeSeed(),
		byKey: make(map[uint64]*answer),
		bySec: make(map[*oscore.Association]*share),
	}
}

// tokener is a ResponseWriter that knows its request's Token, good until the
// handler returns. Without it a replayed request in a new CoAP request gets the
// answer of the first, and not the 4.01 that RFC 8613, Section 7.4, allows.
type tokener interface{ Token() []byte }

// begin returns the answer of the request, and whether the request is the
// first that wants it.
func (a *answers) begin(w coap.ResponseWriter, r *coap.Request) (x *answer, first bool) {
	key, now := a.keyOf(w, r), a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expire(now)
	if x = a.byKey[key]; x != nil {
		return x, false
	}
	x = &answer{table: a, key: key, began: now, writer: w, remote: r.RemoteAddr}
	a.byKey[key] = x
	return x, true
}

func (a *answers) keyOf(w coap.ResponseWriter, r *coap.Request) uint64 {
	var h maphash.Hash
	h.SetSeed(a.seed)
	if t, ok := w.(tokener); ok {
		writePart(&h, t.Token())
	}
	option, _ := r.Options.Get(coap.OSCORE)
	writePart(&h, option)
	writePart(&h, r.Payload)
	return h.Sum64()
}

func writePart(h *maphash.Hash, part []byte) {
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(part)))
	_, _ = h.Write(size[:])
	_, _ = h.Write(part)
}

// insert takes x into the lists.
func (a *answers) insert(x *answer) {
	own := a.bySec[x.sec]
	if own == nil {
		own = new(share)
		a.bySec[x.sec] = own
	}
	if own.last == nil {
		own.first = x
	} else {
		own.last.nextOwn = x
	}
	own.last = x
	if x.prev = a.last; x.prev == nil {
		a.first = x
	} else {
		x.prev.next = x
	}
	a.last = x
	a.charge(x, answerSize)
}

// charge accounts for n more bytes of x. The oldest of the association, or of
// all, give way, but not x.
func (a *answers) charge(x *answer, n int) {
	own := a.bySec[x.sec]
	x.size += n
	own.bytes += n
	a.bytes += n
	for own.bytes > a.cfg.AssociationBytes && own.first != x {
		a.remove(own.first)
	}
	for a.bytes > a.cfg.Bytes && a.first != x {
		a.remove(a.first)
	}
}

func (a *answers) expire(now time.Time) {
	for a.first != nil && now.Sub(a.first.began) >= a.cfg.Lifetime {
		a.remove(a.first)
	}
}

// remove takes x, the oldest of its association, out of the lists.
func (a *answers) remove(x *answer) {
	own := a.bySec[x.sec]
	if own.first = x.nextOwn; own.first == nil {
		delete(a.bySec, x.sec)
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
	x.prev, x.next, x.nextOwn, x.listed = nil, nil, nil, false
	a.forget(x)
}

func (a *answers) forget(x *answer) {
	if a.byKey[x.key] == x {
		delete(a.byKey, x.key)
	}
}

// An answer is what a request got, or will get.
type answer struct {
	table  *answers
	key    uint64
	began  time.Time
	writer coap.ResponseWriter // where the request came from
	remote netip.AddrPort

	kept    coap.Response // what response points to
	options [2]coap.Option

	// The table's mutex guards these.
	sec                 *oscore.Association // nil until the request is verified
	prev, next, nextOwn *answer
	listed              bool
	size                int
	response            *coap.Response // nil until it is answered; not changed after that
	silent              bool           // the client wants no response
	repeats             int
	late                []repetition // that wait for the answer
}

// A repetition is a retransmission of a request.
type repetition struct {
	writer coap.ResponseWriter
	remote netip.AddrPort
	size   int
}

// verified says whose request it is; from now on the answer is kept.
func (x *answer) verified(sec *oscore.Association) {
	x.table.mu.Lock()
	defer x.table.mu.Unlock()
	x.sec, x.listed = sec, true
	x.table.insert(x)
}

// abandon forgets a request that was not verified.
func (x *answer) abandon() {
	x.table.mu.Lock()
	late := x.late
	x.late, x.silent = nil, true
	x.table.forget(x)
	x.table.mu.Unlock()
	for _, l := range late {
		drop(l.writer)
	}
}

// none says that there is no answer, and is false if the transport has no way
// to be told that. No-Response is elective: the answer may be sent then.
func (x *answer) none() bool {
	if _, ok := x.writer.(dropper); !ok {
		return false
	}
	x.table.mu.Lock()
	late := x.late
	x.late, x.silent = nil, true
	x.table.mu.Unlock()
	for _, l := range append(late, repetition{writer: x.writer}) {
		drop(l.writer)
	}
	return true
}

// dropper is a ResponseWriter that can be told that there will be no response.
// Without that the transport would wait for one and keep what it needs for it.
type dropper interface{ Drop() }

// drop leaves a request without a response, if the transport lets it.
func drop(w coap.ResponseWriter) {
	if d, ok := w.(dropper); ok {
		d.Drop()
		return
	}
	_ = w.Respond(&coap.Response{Code: coap.ServiceUnavailable}) // nothing to be done for a peer that is gone
}

// give sends a copy of the answer and keeps it.
func (x *answer) give(response *coap.Response) error {
	response = x.keep(response)
	x.table.mu.Lock()
	x.response = response
	late := x.late
	x.late = nil
	if x.listed {
		x.table.charge(x, sizeOf(response.Options, response.Payload))
	}
	x.table.mu.Unlock()
	for _, l := range late { // perhaps one of these reaches the client
		if x.allowed(l) {
			_ = l.writer.Respond(response)
		} else {
			drop(l.writer)
		}
	}
	return x.writer.Respond(response)
}

// keep copies the answer into x.
func (x *answer) keep(response *coap.Response) *coap.Response {
	buf := make([]byte, 0, sizeOf(response.Options, response.Payload))
	buf = append(buf, response.Payload...)
	x.kept = coap.Response{Code: response.Code, Options: x.options[:0], Payload: buf[:len(buf):len(buf)], Confirmable: response.Confirmable}
	for _, o := range response.Options {
		from := len(buf)
		buf = append(buf, o.Value...)
		x.kept.Options = append(x.kept.Options, coap.Option{ID: o.ID, Value: buf[from:len(buf):len(buf)]})
	}
	return &x.kept
}

// again returns the response for a retransmission. It is nil if there is none
// yet and the retransmission waits for it, or if it must not be sent.
func (x *answer) again(w coap.ResponseWriter, r *coap.Request) (response *coap.Response, waits bool) {
	again := repetition{w, r.RemoteAddr, sizeOf(r.Options, r.Payload)}
	x.table.mu.Lock()
	defer x.table.mu.Unlock()
	x.repeats++
	switch {
	case x.repeats > maxRepeats || x.silent:
		return nil, false
	case x.response == nil:
		x.late = append(x.late, again)
		return nil, true
	case !x.allowed(again):
		return nil, false
	}
	return x.response, false
}

// allowed reports whether the answer may go where a repetition came from: an
// address that has sent a copy of the request, and perhaps nothing else.
func (x *answer) allowed(l repetition) bool {
	return l.remote == x.remote || sizeOf(x.response.Options, x.response.Payload) <= max(amplification*l.size, unconfirmed)
}

// sizeOf is about the size of a message on the wire, without its token.
func sizeOf(options coap.Options, payload []byte) int {
	n := 4 + 1 + len(payload)
	for _, o := range options {
		n += 1 + len(o.Value)
	}
	return n
}
