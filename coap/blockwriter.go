package coap

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
)

// callInfo is what the answer to a call must know of the blocks of its
// request.
type callInfo struct {
	has1, has2 bool
	block1     Block
	szx2       uint8    // size of the blocks of the answer
	num2       uint32   // which of them is asked for
	room       room     // of the answer
	lastBlock  [32]byte // hash of the payload of the last Block1 request
}

// A blockWriter slices the answer of the handler behind Blockwise.
type blockWriter struct {
	b     *blockwise
	w     ResponseWriter
	info  callInfo
	state atomic.Uint32

	mu        sync.Mutex // guards what follows, and that state becomes writerSliced
	r         *Request   // the whole request, borrowed while it is served
	observing bool
	observed  bool // was an observation
}

// States of a blockWriter.
const (
	writerOpen   = iota
	writerPassed // the answer went on as it is, and nothing else will: bw may be used again
	writerSliced // the answer had to do with blocks, or with an observation
)

// serve calls the handler behind with a whole request.
func (b *blockwise) serve(w ResponseWriter, r *Request, info callInfo) {
	bw, _ := b.writers.Get().(*blockWriter)
	if bw == nil {
		bw = new(blockWriter)
	}
	info.room = r.room
	*bw = blockWriter{b: b, w: w, r: r, info: info}
	r.whole = wholeness{true, r.Identity}
	b.next.ServeCOAP(bw, r)

	if bw.state.Load() != writerPassed {
		bw.mu.Lock()
		done := bw.state.Load() != writerOpen && !bw.observed
		if !done {
			bw.r = r.Clone() // the answer, or the next notification, comes later
		}
		bw.mu.Unlock()
		if !done {
			return
		}
	}
	bw.w, bw.r = nil, nil
	b.writers.Put(bw)
}

// Respond sends the response, or its first block if it is longer than one.
func (bw *blockWriter) Respond(resp *Response) error {
	if bw.passes(resp) && !resp.Options.Has(Observe) {
		if w := bw.w; bw.state.CompareAndSwap(writerOpen, writerPassed) {
			return w.Respond(resp)
		}
	}
	bw.mu.Lock()
	defer bw.mu.Unlock()
	if bw.observed && !bw.observing {
		return ErrClosed
	}
	if bw.w == nil || !bw.observing && !bw.state.CompareAndSwap(writerOpen, writerSliced) {
		return ErrResponded
	}
	bw.observing = resp.Options.Has(Observe) && resp.Code.IsSuccess() && bw.r.Options.Has(Observe)
	bw.observed = bw.observed || bw.observing
	if bw.passes(resp) {
		return bw.w.Respond(resp)
	}
	info := &bw.info
	out := *resp
	out.Options = append(make(Options, 0, len(resp.Options)+4), resp.Options...)
	if info.has1 {
		out.Options.SetBlock(Block1, Block{Num: info.block1.Num, SZX: info.block1.SZX})
	}
	if len(resp.Payload) > bw.b.cfg.MaxBody {
		return bw.w.Respond(textResponse(InternalServerError, "response too large"))
	}
	if len(resp.Payload) <= bw.room(resp) && info.num2 == 0 {
		if info.has2 && len(resp.Payload) > 0 {
			out.Options.SetBlock(Block2, Block{SZX: info.szx2})
		}
		return bw.w.Respond(&out)
	}
	return bw.respondFirst(&out)
}

// passes reports whether a response has nothing to do with blocks.
func (bw *blockWriter) passes(resp *Response) bool {
	info := &bw.info
	if info.has1 || info.has2 {
		return false
	}
	// What is protected was taken apart before that.
	return len(resp.Payload) <= bw.room(resp) || resp.Options.Has(OSCORE)
}

// room is how much payload goes in one message: what was asked for, or else as
// much as there is room for.
func (bw *blockWriter) room(resp *Response) int {
	if bw.info.has2 && bw.info.szx2 != bert {
		return Block{SZX: bw.info.szx2}.Size()
	}
	return bw.info.room.payload(resp.Options, bw.info.szx2)
}

// respondFirst keeps a long body and sends the block asked for, normally the
// first.
func (bw *blockWriter) respondFirst(out *Response) error {
	body := out.Payload
	if !out.Options.Has(ETag) && out.Code.IsSuccess() {
		sum := sha256.Sum256(body)
		//spec:9175-3.8-1
		//spec:9175-3.8-2
		out.Options.Add(ETag, sum[:8:8])
	}
	block := Block{Num: bw.info.num2, SZX: bw.info.szx2}
	if block.Offset() >= len(body) {
		return bw.w.Respond(&Response{Code: BadRequest})
	}
	if block.Num == 0 {
		bw.keep(out, body)
	}
	to := min(len(body), block.Offset()+bw.info.room.span(out.Options, block.SZX))
	block.More = to < len(body)
	out.Options.SetBlock(Block2, block)
	if block.Num == 0 {
		out.Options.SetUint(Size2, uint32(len(body)))
	}
	out.Payload = body[block.Offset():to]
	return bw.w.Respond(out)
}

// keep stores a copy of a body for the requests of its later blocks. If the
// peer has no room left nothing is kept, and a safe request is served anew.
func (bw *blockWriter) keep(out *Response, body []byte) {
	b := bw.b
	t := &transfer{
		key:        transferKey{peer: peerKey(bw.r), response: true, op: operation(bw.r)},
		body:       append([]byte(nil), body...),
		code:       out.Code,
		options:    out.Options.Clone(),
		lastBlock:  bw.info.lastBlock,
		wholeInput: sha256.Sum256(bw.r.Payload),
	}
	t.options.Remove(Block1)
	t.options.Remove(Observe)
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire(now)
	b.drop(b.table[t.key])
	b.charge(t, overhead+len(body), now)
}
