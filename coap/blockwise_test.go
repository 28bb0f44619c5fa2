package coap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i)
	}
	return b
}

// echo answers with the payload it got.
var echo = coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
	resp := r.NewResponse(coap.Content)
	resp.Payload = r.Payload
	_ = w.Respond(resp)
})

func TestBlockwiseRoundTrip(t *testing.T) {
	for _, method := range []coap.Code{coap.PUT, coap.POST, coap.FETCH, coap.PATCH, coap.IPATCH} {
		for _, n := range []int{0, 1, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025, 5000} {
			for _, sizes := range [][2]int{{64, 64}, {16, 1024}, {1024, 16}, {1024, 1024}, {128, 32}} {
				t.Run(fmt.Sprintf("%v/%d/%v", method, n, sizes), func(t *testing.T) {
					d := &coaptest.Direct{Handler: coap.Blockwise(echo, coap.BlockwiseConfig{BlockSize: sizes[0]})}
					c := coap.BlockwiseClient(d, coap.BlockwiseConfig{BlockSize: sizes[1]})
					r := coap.NewRequest(method, "/x")
					r.Payload = pattern(n)
					resp, err := c.Do(context.Background(), r)
					if err != nil || resp.Code != coap.Content || !bytes.Equal(resp.Payload, r.Payload) {
						t.Fatalf("got %v, %d bytes, %v", resp, len(resp.Payload), err)
					}
					for _, in := range d.Requests() {
						if len(in.Payload) > sizes[1] {
							t.Errorf("request of %d bytes, blocks of %d", len(in.Payload), sizes[1])
						}
					}
				})
			}
		}
	}
}

// TestBlockwiseMany: the responses that were fetched long ago do not use up the
// share of a peer that goes on.
func TestBlockwiseMany(t *testing.T) {
	d := &coaptest.Direct{Handler: coap.Blockwise(echo, coap.BlockwiseConfig{BlockSize: 64, MaxPeerBytes: 4000})}
	c := coap.BlockwiseClient(d, coap.BlockwiseConfig{BlockSize: 64})
	for i := range 100 {
		r := coap.NewRequest(coap.POST, "/x")
		r.Payload = pattern(1000 + i)
		resp, err := c.Do(context.Background(), r)
		if err != nil || resp.Code != coap.Content || !bytes.Equal(resp.Payload, r.Payload) {
			t.Fatalf("request %d: got %v, %v", i, resp, err)
		}
	}
}

func TestBlockwiseGet(t *testing.T) {
	body := pattern(3000)
	calls := 0
	h := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		calls++
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: body})
	})
	d := &coaptest.Direct{Handler: coap.Blockwise(h, coap.BlockwiseConfig{})}
	resp, err := coap.BlockwiseClient(d, coap.BlockwiseConfig{BlockSize: 256}).Do(context.Background(), coap.NewRequest(coap.GET, "/x"))
	if err != nil || !bytes.Equal(resp.Payload, body) {
		t.Fatalf("got %v", err)
	}
	if calls != 1 {
		t.Errorf("handler called %d times, want 1", calls)
	}
	if len(d.Requests()) != 12 {
		t.Errorf("got %d requests, want 12", len(d.Requests()))
	}
	if !resp.Options.Has(coap.ETag) || resp.Options.Has(coap.Block2) {
		t.Error("want an ETag and no Block2")
	}
}

// block sends one block by hand.
func block(d coap.Doer, payload []byte, num uint32, more bool, szx uint8, change func(*coap.Request)) coap.Code {
	r := coap.NewRequest(coap.PUT, "/x")
	r.Payload = payload
	r.Options.SetBlock(coap.Block1, coap.Block{Num: num, More: more, SZX: szx})
	if change != nil {
		change(r)
	}
	resp, err := d.Do(context.Background(), r)
	//spec:7959-2.3-4
	//spec:9175-3.4-2
	if err != nil || resp.Code == coap.Continue && resp.Options.Has(coap.Block2) || resp.Options.Has(coap.RequestTag) {
		return coap.Empty
	}
	return resp.Code
}

type identity string

func (i identity) Subject() string { return string(i) }

func TestBlock1Server(t *testing.T) {
	now := time.Unix(0, 0)
	var got []byte
	h := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		got = append([]byte(nil), r.Payload...)
		if r.Options.Has(coap.Block1) || r.Options.Has(coap.Size1) {
			t.Error("handler sees blocks")
		}
		_ = w.Respond(&coap.Response{Code: coap.Changed})
	})
	d := &coaptest.Direct{Handler: coap.Blockwise(h, coap.BlockwiseConfig{MaxBody: 64, Now: func() time.Time { return now }})}
	other := &coaptest.Direct{Handler: d.Handler, RemoteAddr: netip.MustParseAddrPort("192.0.2.2:1")}
	inside := &coaptest.Direct{Handler: d.Handler, Identity: identity("alice")}
	tag := func(v ...byte) func(*coap.Request) {
		return func(r *coap.Request) { r.Options.Add(coap.RequestTag, v) }
	}
	full := pattern(16)
	steps := []struct {
		name   string
		d      coap.Doer
		p      []byte
		num    uint32
		more   bool
		szx    uint8
		change func(*coap.Request)
		want   coap.Code
		body   []byte
	}{
		{"later block first", d, full, 1, true, 0, nil, coap.RequestEntityIncomplete, nil},
		{"last block alone", d, full, 1, false, 0, nil, coap.RequestEntityIncomplete, nil},
		{"reserved size", d, full, 0, true, 7, nil, coap.BadRequest, nil},
		{"short block", d, full[:9], 0, true, 0, nil, coap.BadRequest, nil},
		{"first", d, full, 0, true, 0, nil, coap.Continue, nil},
		{"other peer", other, full, 1, true, 0, nil, coap.RequestEntityIncomplete, nil},
		{"other identity", inside, full, 1, true, 0, nil, coap.RequestEntityIncomplete, nil},
		{"other tag", d, full, 1, true, 0, tag(), coap.RequestEntityIncomplete, nil},
		{"other format", d, full, 1, true, 0, func(r *coap.Request) { r.Options.AddUint(coap.ContentFormat, 60) }, coap.RequestEntityIncomplete, nil},
		{"tag's first", d, full, 0, true, 0, tag(), coap.Continue, nil},
		{"gap", d, full, 2, true, 0, nil, coap.RequestEntityIncomplete, nil},
		{"second", d, full, 1, true, 0, nil, coap.Continue, nil},
		{"second again", d, full, 1, true, 0, nil, coap.Continue, nil},
		{"second changed", d, make([]byte, 16), 1, true, 0, nil, coap.RequestEntityIncomplete, nil},
		{"last", d, full[:3], 2, false, 0, nil, coap.Changed, append(append(pattern(16), pattern(16)...), pattern(3)...)},
		{"last again", d, full[:3], 2, false, 0, nil, coap.RequestEntityIncomplete, nil},
		{"tag's last", d, full[:1], 1, false, 0, tag(), coap.Changed, append(pattern(16), 0)},
		{"too large announced", d, full, 0, true, 0, func(r *coap.Request) { r.Options.AddUint(coap.Size1, 65) }, coap.RequestEntityTooLarge, nil},
		{"64", d, pattern(64), 0, true, 2, nil, coap.Continue, nil},
		{"65", d, full[:1], 1, false, 2, nil, coap.RequestEntityTooLarge, nil},
		{"after too large", d, nil, 1, false, 2, nil, coap.RequestEntityIncomplete, nil},
	}
	for _, s := range steps {
		//spec:7959-2.3-6
		//spec:7959-2.5-1
		//spec:7959-2.2-2
		//spec:7959-2.2-3
		//spec:7959-2.3-1
		got = nil
		if code := block(s.d, s.p, s.num, s.more, s.szx, s.change); code != s.want {
			t.Errorf("%s: got %v, want %v", s.name, code, s.want)
		}
		if !bytes.Equal(got, s.body) {
			t.Errorf("%s: handler got %x, want %x", s.name, got, s.body)
		}
	}
	if code := block(d, full, 0, true, 0, nil); code != coap.Continue {
		t.Fatal(code)
	}
	now = now.Add(247 * time.Second)
	if code := block(d, full, 1, true, 0, nil); code != coap.RequestEntityIncomplete {
		t.Errorf("after the lifetime: got %v, want 4.08", code)
	}
}

// TestBlock1Roams: with an identity the address does not matter.
func TestBlock1Roams(t *testing.T) {
	h := coap.Blockwise(echo, coap.BlockwiseConfig{})
	here := &coaptest.Direct{Handler: h, Identity: identity("alice")}
	there := &coaptest.Direct{Handler: h, Identity: identity("alice"), RemoteAddr: netip.MustParseAddrPort("192.0.2.9:9")}
	//spec:9175-3.5.1-3
	if code := block(here, pattern(16), 0, true, 0, nil); code != coap.Continue {
		t.Fatal(code)
	}
	if code := block(there, pattern(3), 1, false, 0, nil); code != coap.Content {
		t.Errorf("got %v, want 2.05", code)
	}
}

// TestBlock1Interleaved sends two bodies with their own Request-Tags in every
// order of their blocks.
func TestBlock1Interleaved(t *testing.T) {
	bodies := [2][]byte{bytes.Repeat([]byte{1}, 64), bytes.Repeat([]byte{2}, 64)}
	orders := 0
	//spec:9175-3.3-1
	for order := range 1 << 8 {
		ones := 0
		for i := range 8 {
			ones += order >> i & 1
		}
		if ones != 4 {
			continue
		}
		orders++
		var got [][]byte
		h := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			got = append(got, bytes.Clone(r.Payload))
			_ = w.Respond(&coap.Response{Code: coap.Changed})
		})
		d := &coaptest.Direct{Handler: coap.Blockwise(h, coap.BlockwiseConfig{})}
		var at [2]int
		for i := range 8 {
			who := order >> i & 1
			n := at[who]
			at[who]++
			want := coap.Continue
			if n == 3 {
				want = coap.Changed
			}
			code := block(d, bodies[who][n*16:n*16+16], uint32(n), n < 3, 0, func(r *coap.Request) {
				r.Options.Add(coap.RequestTag, []byte{byte(who)})
			})
			if code != want {
				t.Fatalf("order %08b: got %v, want %v", order, code, want)
			}
		}
		for _, b := range got {
			if !bytes.Equal(b, bodies[0]) && !bytes.Equal(b, bodies[1]) {
				t.Fatalf("order %08b: mixed body %x", order, b)
			}
		}
		if len(got) != 2 {
			t.Fatalf("order %08b: %d bodies", order, len(got))
		}
	}
	if orders != 70 {
		t.Fatalf("got %d orders, want 70", orders)
	}
}

// TestBlockwiseCaps: neither one peer nor all together make the handler keep
// more than it may, and a peer's own transfers never end another's while
// there is room for both.
func TestBlockwiseCaps(t *testing.T) {
	h := coap.Blockwise(echo, coap.BlockwiseConfig{MaxBody: 1024, MaxPeerBytes: 4000, MaxBytes: 20000})
	honest := &coaptest.Direct{Handler: h, Identity: identity("honest")}
	hostile := &coaptest.Direct{Handler: h, Identity: identity("hostile")}
	if code := block(honest, pattern(16), 0, true, 0, nil); code != coap.Continue {
		t.Fatal(code)
	}
	refused := 0
	for i := range 1000 {
		code := block(hostile, pattern(1024), 0, true, 6, func(r *coap.Request) {
			r.Options.Add(coap.RequestTag, []byte{byte(i >> 8), byte(i)})
		})
		if code == coap.RequestEntityTooLarge {
			refused++
		}
	}
	if refused != 997 {
		t.Errorf("got %d refusals, want 997", refused)
	}
	if code := block(honest, nil, 1, false, 0, nil); code != coap.Content {
		t.Errorf("honest peer: got %v, want 2.05", code)
	}
	for i := range 1000 { // many peers: the total holds, the newest stay
		d := &coaptest.Direct{Handler: h, Identity: identity(fmt.Sprint(i))}
		if code := block(d, pattern(1024), 0, true, 6, nil); code != coap.Continue {
			t.Fatalf("peer %d: got %v", i, code)
		}
	}
	if code := block(&coaptest.Direct{Handler: h, Identity: identity("999")}, nil, 1, false, 6, nil); code != coap.Content {
		t.Errorf("newest: got %v, want 2.05", code)
	}
	if code := block(&coaptest.Direct{Handler: h, Identity: identity("0")}, nil, 1, false, 6, nil); code != coap.RequestEntityIncomplete {
		t.Errorf("oldest: got %v, want 4.08", code)
	}
}

// TestBlock2ETag: a representation that changes under way is fetched again,
// never mixed.
func TestBlock2ETag(t *testing.T) {
	version := byte(0)
	calls := 0
	next := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		calls++
		b, _ := r.Options.Block(coap.Block2)
		if calls == 3 {
			version++
		}
		body := bytes.Repeat([]byte{version}, 100)
		resp := &coap.Response{Code: coap.Content}
		resp.Options.Add(coap.ETag, []byte{version})
		b.SZX = min(b.SZX, 1)
		to := min(100, b.Offset()+b.Size())
		b.More = to < 100
		resp.Options.SetBlock(coap.Block2, b)
		resp.Payload = body[b.Offset():to]
		_ = w.Respond(resp)
	})
	c := coap.BlockwiseClient(&coaptest.Direct{Handler: next}, coap.BlockwiseConfig{BlockSize: 32})
	//spec:7959-2.4-7
	//spec:7959-2.6-1
	//spec:7252-5.10.6-1
	resp, err := c.Do(context.Background(), coap.NewRequest(coap.GET, "/x"))
	if err != nil || !bytes.Equal(resp.Payload, bytes.Repeat([]byte{1}, 100)) {
		t.Fatalf("got %v %v, want the second version", resp, err)
	}
	calls = -1000
	r := coap.NewRequest(coap.POST, "/x")
	version = 0
	h := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) { version++; next(w, r) })
	c = coap.BlockwiseClient(&coaptest.Direct{Handler: h}, coap.BlockwiseConfig{BlockSize: 32})
	if _, err := c.Do(context.Background(), r); !errors.Is(err, coap.ErrBlockwise) {
		t.Errorf("POST: got %v, want ErrBlockwise", err)
	}
}

func TestBlock2Server(t *testing.T) {
	d := &coaptest.Direct{Handler: coap.Blockwise(echo, coap.BlockwiseConfig{})}
	do := func(method coap.Code, payload []byte, b coap.Block) *coap.Response {
		r := coap.NewRequest(method, "/x")
		r.Payload = payload
		r.Options.SetBlock(coap.Block2, b)
		resp, err := d.Do(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	//spec:7959-2.4-3
	//spec:7959-2.4-6
	//spec:9175-3.8-1
	//spec:9175-3.8-2
	resp := do(coap.POST, pattern(40), coap.Block{SZX: 0})
	if b, _ := resp.Options.Block(coap.Block2); b != (coap.Block{More: true}) || len(resp.Payload) != 16 || !resp.Options.Has(coap.ETag) {
		t.Fatalf("got %+v, %d bytes", b, len(resp.Payload))
	}
	//spec:7959-2.2-1
	//spec:7959-2.3-3
	//spec:7959-2.4-1
	//spec:7959-2.4-2
	resp = do(coap.POST, nil, coap.Block{Num: 2, More: true}) // M is ignored
	if b, _ := resp.Options.Block(coap.Block2); b != (coap.Block{Num: 2}) || !bytes.Equal(resp.Payload, pattern(40)[32:]) {
		t.Errorf("last block: got %+v, %x", b, resp.Payload)
	}
	if resp = do(coap.POST, nil, coap.Block{Num: 3}); resp.Code != coap.BadRequest {
		t.Errorf("beyond the end: got %v, want 4.00", resp.Code)
	}
	if resp = do(coap.POST, []byte("other"), coap.Block{Num: 1}); resp.Code != coap.RequestEntityIncomplete {
		t.Errorf("other request: got %v, want 4.08", resp.Code)
	}
	if resp = do(coap.PUT, nil, coap.Block{Num: 1}); resp.Code != coap.RequestEntityIncomplete {
		t.Errorf("nothing kept: got %v, want 4.08", resp.Code)
	}
}

// TestBlockwiseNotifications: a long notification is put together from its
// first block and the blocks fetched.
func TestBlockwiseNotifications(t *testing.T) {
	var mu sync.Mutex
	body := pattern(100)
	h := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		send := func(n byte) {
			mu.Lock()
			body = bytes.Repeat([]byte{n}, 100)
			mu.Unlock()
			resp := &coap.Response{Code: coap.Content, Payload: body}
			resp.Options.AddUint(coap.Observe, uint32(n))
			if err := w.Respond(resp); err != nil {
				t.Error(err)
			}
		}
		if !r.Options.Has(coap.Observe) { // asked anew, as the body has changed
			mu.Lock()
			defer mu.Unlock()
			_ = w.Respond(&coap.Response{Code: coap.Content, Payload: body})
			return
		}
		send(0)
		send(1)
	})
	c := coap.BlockwiseClient(&coaptest.Direct{Handler: coap.Blockwise(h, coap.BlockwiseConfig{BlockSize: 32})}, coap.BlockwiseConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var got [][]byte
	err := c.(coap.Observer).Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(resp *coap.Response) {
		got = append(got, resp.Payload)
		cancel()
	})
	if err != nil || len(got) != 1 || !bytes.Equal(got[0], bytes.Repeat([]byte{1}, 100)) {
		t.Errorf("got %x, %v", got, err)
	}
}
