package coap_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

// TestIfNoneMatchBlocks: the condition goes with the first block only, and the
// handler sees it with the whole body.
func TestIfNoneMatchBlocks(t *testing.T) {
	var seen *coap.Request
	h := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		seen = r.Clone()
		_ = w.Respond(&coap.Response{Code: coap.Created})
	})
	d := &coaptest.Direct{Handler: coap.Blockwise(h, coap.BlockwiseConfig{})}
	r := coap.NewRequest(coap.PUT, "/x")
	r.Options.Add(coap.IfNoneMatch, nil)
	r.Payload = pattern(40)
	resp, err := coap.BlockwiseClient(d, coap.BlockwiseConfig{BlockSize: 16}).Do(context.Background(), r)
	if err != nil || resp.Code != coap.Created || !bytes.Equal(seen.Payload, r.Payload) || !seen.Options.Has(coap.IfNoneMatch) {
		t.Fatalf("got %v, %v, handler saw %+v", resp, err, seen)
	}
	//spec:7959-2.10-1
	for i, in := range d.Requests() {
		if in.Options.Has(coap.IfNoneMatch) != (i == 0) {
			t.Errorf("block %d: If-None-Match %t", i, in.Options.Has(coap.IfNoneMatch))
		}
	}
}

// TestBlockwiseClientBlocks looks at the requests of a transfer both ways.
func TestBlockwiseClientBlocks(t *testing.T) {
	var tags [][]byte
	h := coap.Blockwise(echo, coap.BlockwiseConfig{BlockSize: 32})
	d := &coaptest.Direct{Handler: h}
	c := coap.BlockwiseClient(d, coap.BlockwiseConfig{BlockSize: 64})
	for range 3 {
		before := len(d.Requests())
		r := coap.NewRequest(coap.POST, "/x")
		r.Options.AddUint(coap.ContentFormat, 60)
		r.Payload = pattern(200)
		if resp, err := c.Do(context.Background(), r); err != nil || !bytes.Equal(resp.Payload, r.Payload) {
			t.Fatalf("got %v, %v", resp, err)
		}
		second := false
		var first []byte
		for _, in := range d.Requests()[before:] {
			tag, ok := in.Options.Get(coap.RequestTag)
			if first == nil {
				first = tag
				tags = append(tags, tag)
			}
			//spec:9175-3.4-1
			//spec:9175-3.5.1-2
			//spec:9175-3.5.1-4
			if !ok || !bytes.Equal(tag, first) {
				t.Errorf("Request-Tag %x, want %x throughout", tag, first)
			}
			//spec:7959-2.3-5
			if f, _ := in.Options.Uint(coap.ContentFormat); f != 60 {
				t.Errorf("Content-Format %d, want 60", f)
			}
			if b, ok := in.Options.Block(coap.Block1); ok {
				if b.More && len(in.Payload) != b.Size() || second {
					t.Errorf("Block1 %+v with %d bytes", b, len(in.Payload))
				}
				continue
			}
			second = true
			//spec:7959-2.2-2
			//spec:7959-2.2-3
			//spec:7959-2.3-2
			//spec:7959-2.4-4
			//spec:7959-2.4-5
			//spec:7959-2.2-1
			//spec:7959-2.3-3
			//spec:7959-2.4-1
			//spec:7959-2.4-2
			//spec:7959-2.7-1
			if b, _ := in.Options.Block(coap.Block2); b.More || b.SZX != 1 {
				t.Errorf("Block2 %+v, want blocks of 32", b)
			}
		}
		if !second {
			t.Error("no Block2 phase")
		}
	}
	if bytes.Equal(tags[0], tags[1]) || bytes.Equal(tags[1], tags[2]) {
		t.Errorf("recycled: %x", tags)
	}
}

// TestNestedBlockwise: one inside another does nothing but keep its bound.
func TestNestedBlockwise(t *testing.T) {
	inner := coap.Blockwise(echo, coap.BlockwiseConfig{MaxBody: 3000, BlockSize: 16})
	c := coap.BlockwiseClient(&coaptest.Direct{Handler: coap.Blockwise(inner, coap.BlockwiseConfig{})}, coap.BlockwiseConfig{})
	for n, want := range map[int]coap.Code{3000: coap.Content, 3001: coap.RequestEntityTooLarge} {
		r := coap.NewRequest(coap.POST, "/x")
		r.Payload = pattern(n)
		resp, err := c.Do(context.Background(), r)
		if err != nil || resp.Code != want {
			t.Errorf("%d bytes: got %v, %v, want %v", n, resp, err, want)
		}
	}
}

// TestBareHandler: an endpoint deals with blocks whether its handler can or
// not, so that a block is never taken for a body.
func TestBareHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		calls := 0
		endpoint(t, n, serverAddr, coap.Config{Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			calls++
			echo(w, r)
		})})
		r := request(coap.PUT, "/x")
		r.Options.SetBlock(coap.Block1, coap.Block{Num: 1})
		r.Payload = []byte("part")
		e := endpoint(t, n, clientAddr, coap.Config{})
		//spec:7959-2.1-1
		if resp, err := e.Do(context.Background(), r); err != nil || resp.Code != coap.RequestEntityIncomplete || calls != 0 {
			t.Errorf("got %v, %v, %d calls", resp, err, calls)
		}
	})
}

// TestPathSegments: a segment that a URI cannot have is not sent.
func TestPathSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		endpoint(t, n, serverAddr, coap.Config{Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			resp := &coap.Response{Code: coap.Created}
			resp.Options.AddString(coap.LocationPath, "..")
			if err := w.Respond(resp); !errors.Is(err, coap.ErrBadRequest) {
				t.Errorf("Location-Path: got %v", err)
			}
		})})
		e := endpoint(t, n, clientAddr, coap.Config{})
		//spec:7252-5.10.1-1
		//spec:7252-5.10.7-1
		for _, path := range []string{"/.", "/a/../b"} {
			if _, err := e.Do(context.Background(), request(coap.GET, path)); !errors.Is(err, coap.ErrBadRequest) {
				t.Errorf("%s: got %v", path, err)
			}
		}
		if resp, err := e.Do(context.Background(), request(coap.GET, "/...")); err != nil || resp.Code != coap.InternalServerError {
			t.Errorf("got %v, %v", resp, err)
		}
		//spec:7252-8.2.1-1
		r := request(coap.GET, "/x")
		r.RemoteAddr, r.NonConfirmable = netip.MustParseAddrPort("224.0.1.187:5683"), true
		r.Options.Add(coap.ETag, []byte{1})
		if _, err := e.Do(context.Background(), r); !errors.Is(err, coap.ErrBadRequest) {
			t.Errorf("ETag to a group: got %v", err)
		}
	})
}

// TestObserveFormat: an observation cannot change its Content-Format.
func TestObserveFormat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		s := new(subject)
		server := endpoint(t, n, serverAddr, coap.Config{Handler: s})
		e := endpoint(t, n, clientAddr, coap.Config{})
		done := make(chan error)
		var last *coap.Response
		go func() {
			done <- e.Observe(context.Background(), request(coap.GET, "/x"), func(r *coap.Response) { last = r })
		}()
		synctest.Wait()
		w, _ := s.last()
		note := notification("{}")
		note.Options.AddUint(coap.ContentFormat, 50)
		//spec:7641-4.2-5
		//spec:7641-4.2-6
		//spec:7641-4.2-2
		//spec:7641-4.2-3
		//spec:7641-4.2-4
		_ = w.Respond(note)
		if err := <-done; err != nil || last.Code != coap.NotAcceptable || last.Options.Has(coap.Observe) {
			t.Errorf("got %v, %v", last, err)
		}
		time.Sleep(time.Second)
		if st := server.Stats(); st.Observations != 0 {
			t.Errorf("got %+v", st)
		}
	})
}

// TestNonExchange: a Non-confirmable request and its answer, and the token of
// any length given back.
func TestNonExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		endpoint(t, n, serverAddr, coap.Config{Handler: respond(coap.Changed, 0)})
		peer := raw{t, n.Listen(clientAddr)}
		//spec:7252-4.3-1
		//spec:7252-4.3-2
		//spec:7252-5.3.1-1
		//spec:7252-5.3.1-2
		for i, token := range []string{"0", "1ff", "8" + "0001020304050607", "c" + "000102030405060708090a0b"} {
			peer.send("5" + token[:1] + "02000" + string(rune('0'+i)) + token[1:])
			d, ok := peer.sock.Receive(time.Second)
			if !ok || d.Data[0] != 0x50|byte(len(token)/2) && len(token) < 25 || d.Data[1] != 0x44 || !bytes.Equal(d.Data[4:], unhexBytes(t, token[1:])) {
				t.Errorf("token %s: got %x", token[1:], d.Data)
			}
			peer.expect("a second answer", "")
		}
	})
}
