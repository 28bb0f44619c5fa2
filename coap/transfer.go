package coap

import (
	"container/list"
	"time"
)

// transferKey is what tells one block-wise operation from another: the peer,
// the direction, and the method and options that are part of the cache key
// (RFC 7959, Section 2.4; RFC 9175, Section 3.3).
type transferKey struct {
	peer     any
	response bool
	op       string
}

// A transfer is a body on its way: a request body as far as it has come, or a
// whole response body.
type transfer struct {
	key     transferKey
	body    []byte
	charged int
	last    time.Time
	element *list.Element

	ifNoneMatch bool // of a request body's first block

	// of a response
	code       Code
	options    Options
	lastBlock  [32]byte // hash of the request's last payload
	wholeInput [32]byte // hash of the request's body
}

// operation encodes the method and the options of a request that take part in
// its identity.
func operation(r *Request) string {
	b := make([]byte, 0, 64)
	b = append(b, byte(r.Code))
	for _, o := range r.Options {
		switch {
		case o.ID == Block1, o.ID == Block2, o.ID == Observe, o.ID == IfNoneMatch:
		case !o.ID.Critical() && o.ID.NoCacheKey():
		//spec:9175-3.3-1
		default:
			b = append(b, byte(o.ID>>8), byte(o.ID), byte(len(o.Value)>>8), byte(len(o.Value)))
			b = append(b, o.Value...)
		}
	}
	return string(b)
}

// charge lets a transfer hold n bytes, at the cost of those longest idle. It
// reports false if the peer has used up its share.
func (b *blockwise) charge(t *transfer, n int, now time.Time) bool {
	if b.peers[t.key.peer]-t.charged+n > b.cfg.MaxPeerBytes || n > b.cfg.MaxBytes {
		return false
	}
	t.last = now
	if t.element == nil {
		t.element = b.lru.PushBack(t)
		b.table[t.key] = t
	} else {
		b.lru.MoveToBack(t.element)
	}
	b.peers[t.key.peer] += n - t.charged
	b.bytes += n - t.charged
	t.charged = n
	for b.bytes > b.cfg.MaxBytes {
		b.drop(b.lru.Front().Value.(*transfer))
	}
	return true
}

func (b *blockwise) drop(t *transfer) {
	if t == nil || t.element == nil {
		return
	}
	b.lru.Remove(t.element)
	t.element = nil
	delete(b.table, t.key)
	b.bytes -= t.charged
	if b.peers[t.key.peer] -= t.charged; b.peers[t.key.peer] <= 0 {
		delete(b.peers, t.key.peer)
	}
	t.charged = 0
}

func (b *blockwise) expire(now time.Time) {
	for e := b.lru.Front(); e != nil; e = b.lru.Front() {
		t := e.Value.(*transfer)
		if now.Sub(t.last) < b.cfg.Lifetime {
			return
		}
		b.drop(t)
	}
}
