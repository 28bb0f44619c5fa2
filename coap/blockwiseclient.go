package coap

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrBlockwise is the answer to a block-wise transfer that came to no end:
// the other endpoint changed the representation, skipped a block or sent more
// than MaxBody.
var ErrBlockwise = errors.New("coap: block-wise transfer failed")

// BlockwiseClient returns a Doer that does the client's part of block-wise
// transfers (RFC 7959) around next, which may be an endpoint or something
// that protects requests with OSCORE. Its Do sends whole bodies and returns
// whole bodies. Each operation of more than one block has its own Request-Tag
// (RFC 9175, Section 3.4). If next is an Observer the result is one too.
//
// Straight on an endpoint all messages of one operation have the same token.
// RFC 7959 does not ask for that; but servers exist that put bodies together
// by the token and take each block for a whole body otherwise.
//
// Of cfg, only BlockSize and MaxBody matter.
func BlockwiseClient(next Doer, cfg BlockwiseConfig) Doer {
	cfg = cfg.withDefaults()
	c := &blockwiseClient{next: next, cfg: cfg, szx: szxFor(cfg.BlockSize), room: func() room { return room{} }}
	if r, ok := next.(roomer); ok {
		c.room = r.room
	}
	var seed [4]byte
	_, _ = rand.Read(seed[:]) // never fails
	c.tag.Store(uint64(binary.BigEndian.Uint32(seed[:])))
	o, ok := next.(Observer)
	if !ok {
		return c
	}
	observer := &blockwiseObserver{blockwiseClient: c, next: o}
	if o, ok := next.(observeCanceler); ok {
		return &blockwiseCanceler{blockwiseObserver: observer, next: o}
	}
	return observer
}

// oscoreOverhead is by how much protection makes a block longer. Such a
// message still fits into a packet (RFC 7252, Section 4.6), and is not taken
// apart once more.
const oscoreOverhead = 128

type blockwiseClient struct {
	next Doer
	cfg  BlockwiseConfig
	szx  uint8
	room func() room
	tag  atomic.Uint64 // Request-Tag of the last operation
}

// Do sends a request, in blocks if need be, and puts the response together.
func (c *blockwiseClient) Do(ctx context.Context, r *Request) (*Response, error) {
	op := r.withoutBlocks()
	op.token = new([8]byte)
	_, _ = rand.Read(op.token[:]) // never fails
	resp, err := c.send(ctx, op)
	if err != nil {
		return nil, err
	}
	return c.complete(ctx, op, resp)
}

// send sends the request body and returns the response to its last block.
func (c *blockwiseClient) send(ctx context.Context, op *Request) (*Response, error) {
	if c.szx < 6 && !op.Options.Has(Block2) {
		op.Options.SetBlock(Block2, Block{SZX: c.szx})
	}
	limit := Block{SZX: c.szx}.Size()
	if c.szx == 6 && op.Options.Has(OSCORE) {
		limit += oscoreOverhead
	}
	space := c.room()
	limit = max(limit, space.payload(op.Options, c.szx))
	if len(op.Payload) <= limit {
		resp, err := c.next.Do(ctx, op)
		if err != nil || resp.Code != RequestEntityTooLarge || len(op.Payload) <= 16 {
			return resp, err
		}
		// A hint to use Block1 (RFC 7959, Section 2.9.3).
		b, ok := resp.Options.block(Block1, space.takes)
		if !ok {
			return resp, nil
		}
		return c.sendBlocks(ctx, op, min(b.SZX, c.szx))
	}
	return c.sendBlocks(ctx, op, space.size(c.szx))
}

// sendBlocks sends the body by Block1 (RFC 7959, Section 2.5). It leaves the
// Request-Tag in op for the Block2 phase (RFC 9175, Section 3.4).
func (c *blockwiseClient) sendBlocks(ctx context.Context, op *Request, szx uint8) (*Response, error) {
	//spec:9175-3.5.1-3
	//spec:9175-3.4-1
	//spec:9175-3.5.1-2
	//spec:9175-3.5.1-4
	op.Options.Set(RequestTag, appendUint64(c.tag.Add(1)))
	body, space := op.Payload, c.room()
	for at, first := 0, true; ; first = false {
		block := blockAt(at, szx)
		if block.Num > 1<<20-1 {
			return nil, fmt.Errorf("%w: body too long", ErrBlockwise)
		}
		to := min(len(body), at+space.span(op.Options, szx))
		block.More = to < len(body)
		part := *op
		part.reply = Response{}
		part.Options = append(make(Options, 0, len(op.Options)+2), op.Options...)
		//spec:7959-2.3-5
		part.Options.SetBlock(Block1, block)
		if first {
			part.Options.SetUint(Size1, uint32(len(body)))
		} else {
			//spec:7959-2.10-1
			part.Options.Remove(IfNoneMatch)
		}
		part.Payload = body[at:to]
		resp, err := c.next.Do(ctx, &part)
		if err != nil {
			return nil, err
		}
		answer, ok := resp.Options.block(Block1, space.takes)
		switch {
		case resp.Code == RequestEntityTooLarge && first && ok && answer.SZX < szx:
			szx = answer.SZX // a hint to try smaller blocks
			continue
		case !resp.Code.IsSuccess() || !block.More:
			return resp, nil
		case !ok || answer.Num != block.Num:
			return nil, fmt.Errorf("%w: block %d not acknowledged", ErrBlockwise, block.Num)
		}
		at = to
		szx = min(szx, answer.SZX)
	}
}

func appendUint64(v uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	return bytes.TrimLeft(b[:], "\x00")
}

// complete fetches the blocks that follow resp (RFC 7959, Section 2.4).
func (c *blockwiseClient) complete(ctx context.Context, op *Request, resp *Response) (*Response, error) {
	for restarts := 0; ; restarts++ {
		block, ok := resp.Options.block(Block2, c.room().takes)
		if !ok || !block.More && block.Num == 0 {
			return withoutBlocks(resp, resp.Payload), nil
		}
		whole, changed, err := c.fetchRest(ctx, op, resp, block)
		if err != nil || whole != nil {
			return whole, err
		}
		if op.Code != GET && op.Code != FETCH || restarts == 3 {
			return nil, fmt.Errorf("%w: the representation changed", ErrBlockwise)
		}
		resp = changed
		if b, ok := changed.Options.block(Block2, c.room().takes); !ok || b.Num != 0 {
			again := op.withoutBlocks()
			again.Options.Remove(Observe)
			if resp, err = c.send(ctx, again); err != nil {
				return nil, err
			}
		}
	}
}

// fetchRest fetches the blocks after the first. If the ETag changes on the
// way, it returns the response that differed.
func (c *blockwiseClient) fetchRest(ctx context.Context, op *Request, first *Response, block Block) (whole, changed *Response, err error) {
	if block.Num != 0 || !block.isWhole(first.Payload) {
		return nil, nil, fmt.Errorf("%w: bad first block", ErrBlockwise)
	}
	etag, _ := first.Options.Get(ETag)
	body := append([]byte(nil), first.Payload...)
	space := c.room()
	szx := min(block.SZX, space.largest(c.szx)) // the next request may ask for less
	for block.More {
		next := op.withoutBlocks()
		next.Options.Remove(Observe)
		next.Options.Remove(Size1)
		if op.Code != FETCH || op.Options.Has(RequestTag) {
			next.Payload = nil
		}
		//spec:7959-2.3-2
		//spec:7959-2.4-4
		//spec:7959-2.4-5
		//spec:7959-2.2-1
		//spec:7959-2.3-3
		//spec:7959-2.4-1
		//spec:7959-2.4-2
		//spec:7959-2.7-1
		next.Options.SetBlock(Block2, blockAt(len(body), szx))
		resp, err := c.next.Do(ctx, next)
		if err != nil {
			return nil, nil, err
		}
		if !resp.Code.IsSuccess() {
			return withoutBlocks(resp, resp.Payload), nil, nil
		}
		var ok bool
		block, ok = resp.Options.block(Block2, space.takes)
		tag, _ := resp.Options.Get(ETag)
		switch {
		//spec:7252-5.10.6-1
		//spec:7959-2.4-7
		//spec:7959-2.6-1
		case !bytes.Equal(tag, etag):
			return nil, resp, nil
		case !ok || block.Offset() != len(body) || block.SZX > szx:
			return nil, nil, fmt.Errorf("%w: block out of order", ErrBlockwise)
		case block.More && !block.isWhole(resp.Payload):
			return nil, nil, fmt.Errorf("%w: short block", ErrBlockwise)
		case len(body)+len(resp.Payload) > c.cfg.MaxBody:
			return nil, nil, fmt.Errorf("%w: body too large", ErrBlockwise)
		}
		szx = block.SZX
		body = append(body, resp.Payload...)
	}
	return withoutBlocks(first, body), nil, nil
}

// withoutBlocks returns resp with a whole body.
func withoutBlocks(resp *Response, body []byte) *Response {
	if !resp.Options.Has(Block1) && !resp.Options.Has(Block2) {
		return resp
	}
	c := *resp
	c.Options = append(Options(nil), resp.Options...)
	c.Options.Remove(Block1)
	c.Options.Remove(Block2)
	c.Payload = body
	return &c
}

// blockwiseObserver observes with whole bodies (RFC 7959, Section 2.6).
type blockwiseObserver struct {
	*blockwiseClient
	next Observer
}

// Observe observes a resource; each notification is put together before it
// is passed on, and dropped if it changes too fast for that.
func (c *blockwiseObserver) Observe(ctx context.Context, r *Request, notify func(*Response)) error {
	op := c.registration(r)
	return c.next.Observe(ctx, op, c.puttingTogether(ctx, op, notify))
}

func (c *blockwiseObserver) registration(r *Request) *Request {
	op := r.withoutBlocks()
	if c.szx < 6 {
		op.Options.SetBlock(Block2, Block{SZX: c.szx})
	}
	return op
}

// puttingTogether passes whole notifications on.
func (c *blockwiseObserver) puttingTogether(ctx context.Context, op *Request, notify func(*Response)) func(*Response) {
	return func(first *Response) {
		whole, err := c.complete(ctx, op, first)
		if err == nil {
			notify(whole)
		}
	}
}
