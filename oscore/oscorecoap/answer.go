package oscorecoap

import (
	"net/netip"
	"time"

	"github.com/ostiary/ostiary/coap"
)

// An answer is what a request got, or will get. The mutex of its answers guards
// it. Once it has been answered it belongs to them alone.
type answer struct {
	key    uint64
	began  time.Time
	remote netip.AddrPort // where the request came from

	inBucket            *answer // of the index
	own                 *share  // nil until it is listed
	prev, next, nextOwn *answer
	size                int

	done    bool // nobody is to answer any more
	gone    bool // it had to give way before that
	silent  bool // the client wants no response
	repeats int
	late    []repetition // that wait for the answer

	kept    coap.Response // if done and not silent
	options [2]coap.Option
	bytes   []byte
}

// A repetition is a retransmission of a request.
type repetition struct {
	writer  coap.ResponseWriter
	remote  netip.AddrPort
	size    int
	allowed bool // to have the answer
}

// copy copies the answer into x.
func (x *answer) copy(response *coap.Response) {
	n := len(response.Payload)
	for i := range response.Options {
		n += len(response.Options[i].Value)
	}
	b := x.bytes[:0]
	if cap(b) < n {
		b = make([]byte, 0, max(n, maxReused))
	}
	b = append(b, response.Payload...)
	x.kept.Code, x.kept.Confirmable = response.Code, response.Confirmable
	x.kept.Payload, x.kept.Options = b[:len(b):len(b)], x.options[:0]
	for _, o := range response.Options {
		from := len(b)
		b = append(b, o.Value...)
		x.kept.Options = append(x.kept.Options, coap.Option{ID: o.ID, Value: b[from:len(b):len(b)]})
	}
	x.bytes = b
}

// again returns a copy of the response for a retransmission; see begin.
func (x *answer) again(w coap.ResponseWriter, r *coap.Request) (response *coap.Response, waits bool) {
	again := repetition{writer: w, remote: r.RemoteAddr, size: sizeOf(r.Options, r.Payload)}
	x.repeats++
	switch {
	case x.repeats > maxRepeats || x.silent:
		return nil, false
	case !x.done:
		x.late = append(x.late, again)
		return nil, true
	case !x.allowed(&again, sizeOf(x.kept.Options, x.kept.Payload)):
		return nil, false
	}
	return x.kept.Clone(), false
}

// allowed reports whether an answer of some size may go where a repetition came
// from: an address that has sent a copy of the request, and perhaps nothing else.
func (x *answer) allowed(l *repetition, size int) bool {
	return l.remote == x.remote || size <= max(amplification*l.size, unconfirmed)
}

// sizeOf is about the size of a message on the wire, without its token.
func sizeOf(options coap.Options, payload []byte) int {
	n := 4 + 1 + len(payload)
	for i := range options {
		n += 1 + len(options[i].Value)
	}
	return n
}

// An answerIndex finds answers by their keys, which are keyed hashes.
type answerIndex struct {
	buckets []*answer // a power of two of lists by inBucket
	n       int
}

func (i *answerIndex) find(key uint64) *answer {
	if i.n == 0 {
		return nil
	}
	x := *i.bucket(key)
	for x != nil && x.key != key {
		x = x.inBucket
	}
	return x
}

func (i *answerIndex) bucket(key uint64) **answer { return &i.buckets[key&uint64(len(i.buckets)-1)] }

func (i *answerIndex) insert(x *answer) {
	if i.n == len(i.buckets) {
		i.grow()
	}
	first := i.bucket(x.key)
	*first, x.inBucket = x, *first
	i.n++
}

func (i *answerIndex) remove(x *answer) {
	at := i.bucket(x.key)
	for *at != x {
		at = &(*at).inBucket
	}
	*at, x.inBucket = x.inBucket, nil
	if i.n--; i.n == 0 && len(i.buckets) > 1024 {
		i.buckets = nil // give the memory of a flood back
	}
}

func (i *answerIndex) grow() {
	old := i.buckets
	i.buckets = make([]*answer, max(64, 2*len(old)))
	for _, x := range old {
		for x != nil {
			next, first := x.inBucket, i.bucket(x.key)
			*first, x.inBucket = x, *first
			x = next
		}
	}
}
