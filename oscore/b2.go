package oscore

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// Lengths of the random strings of Appendix B.2, where R2 = S2 || HMAC(K_HMAC, S2).
const (
	sizeR1 = 8
	sizeS2 = 8
	sizeR2 = sizeS2 + 8
	sizeR3 = 8
)

// b2 is what an association needs for the protocol of Appendix B.2, in both roles:
//
//	    Client                                                    Server
//	sendingB2        -- request #1, kid context = R1 -->        verifyB2
//	                                                           response1
//	verifyResponse1  <-- response #1, kid context = R2 --
//	sendingB2        -- request #2, kid context = R2 || R3 -->  verifyB2
//	                                                            request2
//	confirm          <-- response #2 --
//
// The mu of the association guards all but asked.
type b2 struct {
	unprintable
	material *material
	settings *settings
	base     []byte // the ID Context of the Params
	rand     io.Reader
	clock    func() time.Time

	asked atomic.Bool // for a new context, by Rederive

	// The client's run: first is not nil from request #1 on, third from response #1
	// on.
	first, third *Context
	yielded      int // how often a request #2 of the peer had to wait for our run

	server serverRun
}

//spec:8613-B.2-1
//spec:8613-B.2-2
func newB2(m *material, shared *settings, cfg *Config, set *checked) (*b2, error) {
	b := &b2{material: m, settings: shared, base: set.params.IDContext, rand: set.rand, clock: cfg.Clock}
	if _, err := b.random(sizeR1); err != nil { // better now than in the middle of a run
		return nil, err
	}
	return b, nil
}

func (b *b2) derive(idContext []byte, s step) (*Context, error) {
	c, err := newContext(b.material, b.settings, idContext)
	if err != nil {
		return nil, err
	}
	c.step = s
	return c, nil
}

func (b *b2) random(n int) ([]byte, error) {
	r := make([]byte, n)
	if _, err := io.ReadFull(b.rand, r); err != nil {
		return nil, fmt.Errorf("oscore: read randomness: %w", err)
	}
	return r, nil
}

// ask begins a run with the next request. A request #1 that is not answered yet begins
// anew; a run that has come further goes on.
func (b *b2) ask() {
	if b.third == nil {
		b.dropFirst()
		b.asked.Store(true)
	}
}

// end forgets the runs in both roles: c is the new context, or nil if there is none any
// more.
//
//spec:8613-B.2-4
//spec:8613-B.2.1-1
func (b *b2) end(c *Context) {
	b.dropFirst()
	if b.third != nil && b.third != c {
		b.third.discard()
	}
	b.third, b.yielded = nil, 0
	b.asked.Store(false)
	b.server.erase()
}

func (b *b2) dropFirst() {
	if b.first != nil {
		b.first.discard()
		b.first = nil
	}
}

// wrap is how the random strings stand in the kid context during a run: in a CBOR byte
// string.
func wrap(r []byte) []byte { return cborseq.AppendBytes(make([]byte, 0, len(r)+2), r) }

func unwrap(kidContext []byte) (r []byte, ok bool) {
	s := cborseq.String(kidContext)
	return r, s.ReadBytes(&r) && s.Empty()
}

// readings returns what a kid context may mean during a run: what is in the CBOR byte
// string, as Appendix B.2 has it, and the bytes themselves. Peers that have an ID
// Context in use send it so, and the server that has lost it begins a run with it.
func readings(kidContext []byte) [][]byte {
	if r, ok := unwrap(kidContext); ok {
		return [][]byte{r, kidContext}
	}
	return [][]byte{kidContext}
}

// concat returns a || b, in memory of its own.
func concat(a, b []byte) []byte {
	return append(append(make([]byte, 0, len(a)+len(b)), a...), b...)
}

// sameBytes tells nil, which is no ID Context, from the empty one.
func sameBytes(a, b []byte) bool { return string(a) == string(b) && (a == nil) == (b == nil) }
