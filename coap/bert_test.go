package coap_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

// sized notes the largest message that a side writes, which it does in one go.
type sized struct {
	*coaptest.Stream
	mu      sync.Mutex
	largest int
	count   int
}

func (s *sized) Write(b []byte) (int, error) {
	s.mu.Lock()
	s.largest = max(s.largest, len(b))
	s.count++
	s.mu.Unlock()
	return s.Stream.Write(b)
}

// mirror answers with the body it gets, or with as many bytes as the query says.
func mirror(w coap.ResponseWriter, r *coap.Request) {
	resp := &coap.Response{Code: coap.Content, Payload: r.Payload}
	if v, ok := r.Options.Get(coap.URIQuery); ok {
		var n int
		_, _ = fmt.Sscan(string(v), &n)
		resp.Payload = pattern(n)
	}
	_ = w.Respond(resp)
}

// TestBERT: bodies of any length arrive whole, whatever message sizes the two
// sides accept, and no message is longer than its receiver accepts.
func TestBERT(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sizes := rapid.SampledFrom([]int{1152, 1153, 2048, 2300, 5000, 65536})
		server, client := sizes.Draw(rt, "server"), sizes.Draw(rt, "client")
		up, down := rapid.IntRange(0, 20000).Draw(rt, "up"), rapid.IntRange(0, 20000).Draw(rt, "down")
		var failure string
		synctest.Test(t, func(*testing.T) {
			near, far := coaptest.Pipe()
			nearSized, farSized := &sized{Stream: near}, &sized{Stream: far}
			s := coap.NewConn(farSized, coap.ConnConfig{Handler: coap.HandlerFunc(mirror), MaxMessageSize: server})
			defer s.Close()
			c := coap.NewConn(nearSized, coap.ConnConfig{MaxMessageSize: client})
			defer c.Close()
			synctest.Wait() // for the settings
			put := coap.NewRequest(coap.FETCH, "/x")
			put.Payload = pattern(up)
			resp, err := c.Do(context.Background(), put)
			if err != nil || !bytes.Equal(resp.Payload, put.Payload) {
				failure = fmt.Sprintf("mirror: got %v, %v", resp, err)
			}
			resp, err = c.Do(context.Background(), coap.NewRequest(coap.GET, fmt.Sprintf("/x?%d", down)))
			if err != nil || !bytes.Equal(resp.Payload, pattern(down)) {
				failure = fmt.Sprintf("GET: got %v, %v", resp, err)
			}
			if nearSized.largest > server || farSized.largest > client {
				failure = fmt.Sprintf("messages of %d and %d bytes", nearSized.largest, farSized.largest)
			}
		})
		if failure != "" {
			rt.Fatal(failure)
		}
	})
}

// TestBERTMessages: what fits goes at once, and what does not in as few messages
// as there is room for (RFC 8323, Section 6).
func TestBERTMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := coaptest.Pipe()
		nearSized, farSized := &sized{Stream: near}, &sized{Stream: far}
		s := coap.NewConn(farSized, coap.ConnConfig{Handler: coap.HandlerFunc(mirror), MaxMessageSize: 20000})
		defer s.Close()
		c := coap.NewConn(nearSized, coap.ConnConfig{MaxMessageSize: 20000})
		defer c.Close()
		synctest.Wait()
		for _, tt := range []struct{ body, messages int }{{19000, 1}, {40000, 3}} {
			nearSized.count = 0
			put := coap.NewRequest(coap.FETCH, "/x?0")
			put.Payload = pattern(tt.body)
			if _, err := c.Do(context.Background(), put); err != nil || nearSized.count != tt.messages {
				t.Errorf("%d bytes up: %d messages, %v, want %d", tt.body, nearSized.count, err, tt.messages)
			}
			farSized.count = 0
			if _, err := c.Do(context.Background(), coap.NewRequest(coap.GET, fmt.Sprintf("/x?%d", tt.body))); err != nil || farSized.count != tt.messages {
				t.Errorf("%d bytes down: %d messages, %v, want %d", tt.body, farSized.count, err, tt.messages)
			}
		}
	})
}

// TestBERTOnTheWire: a server's part, as in RFC 8323, Figures 13 and 14.
func TestBERTOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := coaptest.Pipe()
		c := coap.NewConn(near, coap.ConnConfig{Handler: coap.HandlerFunc(mirror)})
		defer far.Close()
		defer c.Close()
		peer := frames{t, far}
		peer.expect("50e12301000020")
		peer.send("40e1" + "221400" + "20") // Max-Message-Size 5120, Block-Wise-Transfer
		body := func(from, to int) string { return hex.EncodeToString(pattern(to)[from:]) }

		const get = "b178" + "453130303030" // x?10000
		peer.send("8101aa" + get)
		peer.expect("e10f0345aa" + "48")
		etag := peer.read(8)
		peer.expect("d1060f" + "522710" + "ff" + body(0, 4096)) // 0/1/BERT(4096)
		peer.send("a101aa" + get + "8147")
		peer.expect("e10f0045aa" + "48" + etag + "d1064f" + "ff" + body(4096, 8192)) // 4/1/BERT(4096)
		peer.send("a101aa" + get + "8187")
		peer.expect("e1061045aa" + "48" + etag + "d10687" + "ff" + body(8192, 10000)) // 8/0/BERT(1808)
		peer.send("a101aa" + get + "8186")
		peer.expect("e1030045aa" + "48" + etag + "d1068e" + "ff" + body(8192, 9216)) // 8/1/1024, as asked for

		peer.send("e106f905ab" + "b178" + "d1030f" + "ff" + body(0, 2048)) // 0/1/BERT(2048)
		peer.expect("315fab" + "d10e0f")
		peer.send("e1002505ab" + "b178" + "d10327" + "ff" + body(2048, 2348)) // 2/0/BERT(300)
		peer.expect("e1082345ab" + "d10e27" + "ff" + body(0, 2348))
		peer.send("e102e105ab" + "b178" + "d1030f" + "ff" + body(0, 1000)) // no whole blocks, and more
		peer.expect("0180ab")
	})
	synctest.Test(t, func(t *testing.T) {
		near, far := coaptest.Pipe()
		c := coap.NewConn(near, coap.ConnConfig{Handler: coap.HandlerFunc(mirror), MaxMessageSize: 1152})
		defer far.Close()
		defer c.Close()
		peer := frames{t, far}
		peer.expect("40e1" + "220480" + "20")
		peer.send("40e1" + "221400" + "20")
		peer.send("4101aa" + "b178" + "c107")
		peer.expect("0180aa") // 7 is reserved without BERT
	})
}
