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
	element *list.Element // of all
	own     *list.Element // of the peer's responses

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

// A share is what one peer has in the table. Its responses, of which nobody knows
// whether they are still wanted, are in the order in which they give way.
type share struct {
	bytes     int
	responses list.List // of *transfer
}

// charge lets a transfer hold n bytes, at the cost of those longest idle: of the
// peer's own responses first. It reports false if the peer has used up its share.
func (b *blockwise) charge(t *transfer, n int, now time.Time) bool {
	if n > b.cfg.MaxPeerBytes || n > b.cfg.MaxBytes {
		return false
	}
	s := b.peers[t.key.peer]
	if s == nil {
		s = new(share)
	}
	for s.bytes-t.charged+n > b.cfg.MaxPeerBytes {
		oldest := s.responses.Front()
		if oldest == nil {
			return false
		}
		b.drop(oldest.Value.(*transfer))
	}
	b.peers[t.key.peer] = s
	if t.element == nil {
		t.element = b.lru.PushBack(t)
		b.table[t.key] = t
		if t.key.response {
			t.own = s.responses.PushBack(t)
		}
	}
	b.touch(t, now)
	s.bytes += n - t.charged
	b.bytes += n - t.charged
	t.charged = n
	for b.bytes > b.cfg.MaxBytes {
		b.drop(b.lru.Front().Value.(*transfer))
	}
	return true
}

// touch notes that a block of a transfer has come or gone.
func (b *blockwise) touch(t *transfer, now time.Time) {
	t.last = now
	b.lru.MoveToBack(t.element)
	if t.own != nil {
		b.peers[t.key.peer].responses.MoveToBack(t.own)
	}
}

func (b *blockwise) drop(t *transfer) {
	if t == nil || t.element == nil {
		return
	}
	b.lru.Remove(t.element)
	t.element = nil
	delete(b.table, t.key)
	b.bytes -= t.charged
	s := b.peers[t.key.peer]
	if t.own != nil {
		s.responses.Remove(t.own)
		t.own = nil
	}
	if s.bytes -= t.charged; s.bytes <= 0 {
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
