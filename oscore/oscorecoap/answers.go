package oscorecoap

import (
	"container/list"
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

	mu    sync.Mutex // guards what follows and every answer
	byKey map[uint64]*answer
	bySec map[*oscore.Association]*share
	all   *list.List // of *answer, the oldest first
	bytes int
}

// A share is what one association has in answers.
type share struct {
	own   *list.List // of *answer, the oldest first
	bytes int
}

// An answer is what a request got, or will get.
type answer struct {
	table  *answers
	key    uint64
	writer coap.ResponseWriter // where the request came from
	remote netip.AddrPort

	// The table's mutex guards these.
	sec      *oscore.Association // nil until the request is verified
	inAll    *list.Element
	inShare  *list.Element
	began    time.Time
	size     int
	response *coap.Response      // nil until it is answered
	late     coap.ResponseWriter // of a retransmission from elsewhere, meanwhile
	lateSize int                 // of that
	repeats  int
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
		all:   list.New(),
	}
}

// tokener is a ResponseWriter that knows its request's Token. Without it a
// replayed request in a new CoAP request gets the answer of the first, and not
// the 4.01 that RFC 8613, Section 7.4, allows.
type tokener interface{ Token() string }

// begin returns the answer of the request, and whether the request is the
// first that wants it.
func (a *answers) begin(w coap.ResponseWriter, r *coap.Request) (x *answer, first bool) {
	key := a.keyOf(w, r)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expire()
	if x = a.byKey[key]; x != nil {
		return x, false
	}
	x = &answer{table: a, key: key, writer: w, remote: r.RemoteAddr}
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

func writePart[T string | []byte](h *maphash.Hash, part T) {
	maphash.WriteComparable(h, len(part))
	_, _ = h.WriteString(string(part))
}

// verified says whose request it is; from now on the answer is kept.
func (x *answer) verified(sec *oscore.Association) {
	a := x.table
	a.mu.Lock()
	defer a.mu.Unlock()
	own := a.bySec[sec]
	if own == nil {
		own = &share{own: list.New()}
		a.bySec[sec] = own
	}
	x.sec, x.began = sec, a.now()
	x.inAll, x.inShare = a.all.PushBack(x), own.own.PushBack(x)
	x.charge(answerSize)
}

// charge accounts for n more bytes; the oldest of the association, or of all,
// give way.
func (x *answer) charge(n int) {
	a, own := x.table, x.table.bySec[x.sec]
	x.size += n
	own.bytes += n
	a.bytes += n
	for own.bytes > a.cfg.AssociationBytes && own.own.Len() > 1 {
		own.own.Front().Value.(*answer).drop() //nolint:forcetypeassert // the list has nothing else
	}
	for a.bytes > a.cfg.Bytes && a.all.Len() > 1 {
		a.all.Front().Value.(*answer).drop() //nolint:forcetypeassert // the list has nothing else
	}
}

func (a *answers) expire() {
	limit := a.now().Add(-a.cfg.Lifetime)
	for e := a.all.Front(); e != nil; e = a.all.Front() {
		x := e.Value.(*answer) //nolint:forcetypeassert // the list has nothing else
		if x.began.After(limit) {
			return
		}
		x.drop()
	}
}

// drop forgets the answer.
func (x *answer) drop() {
	a := x.table
	if a.byKey[x.key] == x {
		delete(a.byKey, x.key)
	}
	if x.inAll == nil {
		return
	}
	own := a.bySec[x.sec]
	a.all.Remove(x.inAll)
	own.own.Remove(x.inShare)
	x.inAll, x.inShare = nil, nil
	a.bytes -= x.size
	own.bytes -= x.size
	if own.own.Len() == 0 {
		delete(a.bySec, x.sec)
	}
}

// abandon forgets a request that was not verified.
func (x *answer) abandon() {
	x.table.mu.Lock()
	defer x.table.mu.Unlock()
	x.drop()
}

// give sends the answer and keeps it. A nil response is none: the client did
// not want one.
func (x *answer) give(response *coap.Response) error {
	if response == nil {
		return nil
	}
	x.table.mu.Lock()
	x.response = response
	late := x.late
	if late != nil && !x.allowed(x.lateSize) {
		late = nil
	}
	if x.inAll != nil {
		x.charge(sizeOf(response.Options, response.Payload))
	}
	x.table.mu.Unlock()
	if late != nil {
		_ = late.Respond(response) // perhaps this one reaches the client
	}
	return x.writer.Respond(response)
}

// again returns the response for a retransmission, nil if there is none yet
// or it must not be sent.
func (x *answer) again(w coap.ResponseWriter, r *coap.Request) *coap.Response {
	x.table.mu.Lock()
	defer x.table.mu.Unlock()
	x.repeats++
	elsewhere := r.RemoteAddr != x.remote
	size := sizeOf(r.Options, r.Payload)
	switch {
	case x.repeats > maxRepeats:
		return nil
	case x.response == nil:
		if elsewhere && x.inAll != nil {
			x.late, x.lateSize = w, size
		}
		return nil
	case elsewhere && !x.allowed(size):
		return nil
	}
	return x.response
}

// allowed reports whether the answer may go to an address that has sent a
// copy of the request, of that size, and nothing else.
func (x *answer) allowed(request int) bool {
	return sizeOf(x.response.Options, x.response.Payload) <= max(amplification*request, unconfirmed)
}

// sizeOf is about the size of a message on the wire, without its token.
func sizeOf(options coap.Options, payload []byte) int {
	n := 4 + 1 + len(payload)
	for _, o := range options {
		n += 1 + len(o.Value)
	}
	return n
}
