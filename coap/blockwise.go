package coap

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// BlockwiseConfig bounds block-wise transfers. The zero value gives the
// defaults.
type BlockwiseConfig struct {
	// BlockSize is the largest block sent or asked for: a power of two from
	// 16 to 1024, other values are rounded down; default 1024.
	BlockSize int
	// MaxBody is the largest body put together or sliced; default 64 KiB.
	MaxBody int
	// MaxPeerBytes is what one peer (its identity, or else its address) may
	// make the handler keep, where new transfers take the place of old
	// responses; default twice MaxBody.
	MaxPeerBytes int
	// MaxBytes is what all peers together may; the transfers longest without
	// a block give way; default 16 MiB.
	MaxBytes int
	// Lifetime is how long a transfer is kept after its last block; default
	// 247 s, the EXCHANGE_LIFETIME (RFC 7959, Sections 2.4 and 2.5).
	Lifetime time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// overhead is what a transfer costs beside its bytes.
const overhead = 256

func (c BlockwiseConfig) withDefaults() BlockwiseConfig {
	if c.BlockSize <= 0 {
		c.BlockSize = 1024
	}
	if c.MaxBody <= 0 {
		c.MaxBody = 64 << 10
	}
	if c.MaxPeerBytes <= 0 {
		c.MaxPeerBytes = 2 * (c.MaxBody + overhead)
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 16 << 20
	}
	if c.Lifetime <= 0 {
		c.Lifetime = 247 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Blockwise returns a handler that does the server's part of block-wise
// transfers (RFC 7959; for FETCH, PATCH and iPATCH RFC 8132) around next:
// next sees whole bodies and answers with whole bodies.
//
// A request body is acted upon when it is complete, and never with a part
// missing, of another peer, of another Request-Tag (RFC 9175, Section 3.3) or
// of another Content-Format. A response body longer than a block is kept for
// the peer, with an ETag, until its Lifetime ends. Peers are told apart by
// the request's Identity or, if it has none, by its address; so the handler
// serves inside OSCORE as well as outside. Within another Blockwise, without
// OSCORE between them, it only applies its MaxBody to requests.
//
// It is safe for concurrent use.
func Blockwise(next Handler, cfg BlockwiseConfig) Handler {
	cfg = cfg.withDefaults()
	return &blockwise{
		next:  next,
		cfg:   cfg,
		szx:   szxFor(cfg.BlockSize),
		table: make(map[transferKey]*transfer),
		peers: make(map[any]*share),
		lru:   list.New(),
	}
}

type blockwise struct {
	next    Handler
	cfg     BlockwiseConfig
	szx     uint8
	writers sync.Pool // of *blockWriter

	mu    sync.Mutex // guards what follows and every transfer
	table map[transferKey]*transfer
	peers map[any]*share
	bytes int
	lru   *list.List // of *transfer, the one longest without a block first
}

// ServeCOAP serves one block, or passes on a request that needs none.
func (b *blockwise) ServeCOAP(w ResponseWriter, r *Request) {
	if r.whole.set && r.whole.identity == r.Identity {
		b.nested(w, r)
		return
	}
	v1, has1 := r.Options.Get(Block1)
	v2, has2 := r.Options.Get(Block2)
	if !has1 && !has2 {
		b.serve(w, r, callInfo{szx2: r.room.size(b.szx)})
		return
	}
	b1, ok1 := parseBlock(v1, r.room.takes)
	b2, ok2 := parseBlock(v2, r.room.takes)
	if !ok1 || !ok2 {
		//spec:7959-2.2-2
		//spec:7959-2.2-3
		_ = w.Respond(r.NewResponse(BadRequest))
		return
	}
	if has2 && b2.Num > 0 && !has1 {
		b.serveBlock2(w, r, b2)
		return
	}
	info := callInfo{szx2: r.room.size(b.szx), has2: has2}
	if has2 {
		//spec:7959-2.4-3
		//spec:7959-2.4-6
		info.szx2 = min(r.room.largest(b.szx), b2.SZX)
	}
	if has1 {
		if r = b.receive(w, r, b1); r == nil {
			return
		}
		info.has1, info.block1 = true, b1
		info.block1.SZX = min(b1.SZX, r.room.largest(b.szx))
		info.lastBlock = sha256.Sum256(r.Payload[min(len(r.Payload), b1.Offset()):])
	} else {
		r = r.withoutBlocks()
	}
	b.serve(w, r, info)
}

// nested serves when there is another Blockwise around this one.
func (b *blockwise) nested(w ResponseWriter, r *Request) {
	if len(r.Payload) <= b.cfg.MaxBody {
		b.next.ServeCOAP(w, r)
		return
	}
	resp := r.NewResponse(RequestEntityTooLarge)
	resp.Options.AddUint(Size1, uint32(b.cfg.MaxBody))
	_ = w.Respond(resp)
}

// withoutBlocks returns a copy of r for the handler behind, which has no
// business with blocks.
func (r *Request) withoutBlocks() *Request {
	c := *r
	c.reply = Response{}
	c.Options = append(Options(nil), r.Options...)
	c.Options.Remove(Block1)
	c.Options.Remove(Block2)
	return &c
}

// receive takes a block of a request body (RFC 7959, Section 2.5). It returns
// the whole request when the block was the last, and otherwise answers and
// returns nil.
func (b *blockwise) receive(w ResponseWriter, r *Request, block Block) *Request {
	if block.More && !block.isWhole(r.Payload) {
		//spec:7959-2.3-1
		_ = w.Respond(r.NewResponse(BadRequest))
		return nil
	}
	code, body, ifNoneMatch := b.collect(r, block)
	if code == Empty {
		whole := r.withoutBlocks()
		whole.Options.Remove(Size1)
		if ifNoneMatch {
			whole.Options.Set(IfNoneMatch, nil)
		}
		whole.Payload = body
		return whole
	}
	resp := r.NewResponse(code)
	switch code {
	//spec:7959-2.3-4
	case Continue:
		resp.Options.SetBlock(Block1, Block{Num: block.Num, More: true, SZX: min(block.SZX, r.room.largest(b.szx))})
	case RequestEntityTooLarge:
		resp.Options.SetBlock(Block1, Block{Num: block.Num, SZX: block.SZX})
		resp.Options.AddUint(Size1, uint32(b.cfg.MaxBody))
	default:
		resp.Options.SetBlock(Block1, Block{Num: block.Num, SZX: block.SZX})
	}
	_ = w.Respond(resp)
	return nil
}

// collect adds a block to the body it belongs to. Code is Empty when the body
// is whole.
func (b *blockwise) collect(r *Request, block Block) (code Code, body []byte, ifNoneMatch bool) {
	key := transferKey{peer: peerKey(r), op: operation(r)}
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire(now)
	t := b.table[key]
	if block.Num == 0 {
		b.drop(t) // a new operation overwrites the old (RFC 7959, Section 2.5)
		t = nil
		if size, ok := r.Options.Uint(Size1); ok && size > uint32(b.cfg.MaxBody) {
			return RequestEntityTooLarge, nil, false
		}
		if !block.More {
			return Empty, r.Payload, false
		}
	}
	have := 0
	if t != nil {
		have = len(t.body)
	}
	offset, end := block.Offset(), block.Offset()+len(r.Payload)
	//spec:7959-2.3-6
	//spec:7959-2.5-1
	if offset != have {
		if t != nil && block.More && end == have && string(t.body[offset:]) == string(r.Payload) {
			return Continue, nil, false // the block before once more, in a new message
		}
		return RequestEntityIncomplete, nil, false
	}
	if end > b.cfg.MaxBody {
		b.drop(t)
		return RequestEntityTooLarge, nil, false
	}
	if t == nil {
		t = &transfer{key: key, ifNoneMatch: r.Options.Has(IfNoneMatch)}
	}
	if !b.charge(t, overhead+end, now) {
		b.drop(t)
		return RequestEntityTooLarge, nil, false
	}
	t.body = append(t.body, r.Payload...)
	if block.More {
		return Continue, nil, false
	}
	body = t.body
	b.drop(t)
	return Empty, body, t.ifNoneMatch
}

// serveBlock2 answers a request for a later block of a response body
// (RFC 7959, Section 2.4), from what was kept or, for a safe method, anew.
func (b *blockwise) serveBlock2(w ResponseWriter, r *Request, block Block) {
	key := transferKey{peer: peerKey(r), response: true, op: operation(r)}
	//spec:7959-2.2-1
	//spec:7959-2.3-3
	//spec:7959-2.4-1
	//spec:7959-2.4-2
	if largest := r.room.largest(b.szx); block.SZX > largest {
		block = blockAt(block.Offset(), largest)
	}
	now := b.cfg.Now()
	b.mu.Lock()
	b.expire(now)
	t := b.table[key]
	if t != nil && !t.continues(r) {
		t = nil
	}
	if t != nil {
		b.touch(t, now)
	}
	b.mu.Unlock()
	if t == nil {
		if r.Code != GET && r.Code != FETCH || r.Code == FETCH && len(r.Payload) == 0 {
			_ = w.Respond(r.NewResponse(RequestEntityIncomplete))
			return
		}
		again := r.withoutBlocks()
		again.Options.Remove(Observe)
		b.serve(w, again, callInfo{szx2: block.SZX, has2: true, num2: block.Num})
		return
	}
	resp := r.NewResponse(t.code)
	resp.Options = append(resp.Options, t.options...)
	respondSlice(w, resp, t.body, block, r.room.span(resp.Options, block.SZX))
}

// continues reports whether r may ask for more of t: it has no payload, or
// the payload it had before.
func (t *transfer) continues(r *Request) bool {
	if len(r.Payload) == 0 {
		return true
	}
	h := sha256.Sum256(r.Payload)
	return h == t.lastBlock || h == t.wholeInput
}

// respondSlice sends one block of a body, or as many as are in span. resp has the
// code and the options.
func respondSlice(w ResponseWriter, resp *Response, body []byte, block Block, span int) {
	from := block.Offset()
	if from >= len(body) {
		_ = w.Respond(&Response{Code: BadRequest})
		return
	}
	to := min(len(body), from+span)
	block.More = to < len(body)
	resp.Options.SetBlock(Block2, block)
	resp.Payload = body[from:to]
	_ = w.Respond(resp)
}
