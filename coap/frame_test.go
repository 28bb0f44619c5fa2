package coap

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"
)

// readFrames returns a framer that reads b.
func readFrames(b []byte, limit int) *tcpFramer {
	return &tcpFramer{r: bufio.NewReader(bytes.NewReader(b)), max: limit, timeout: time.Second}
}

// TestFrames encodes and decodes messages of every class of length.
func TestFrames(t *testing.T) {
	for _, n := range []int{0, 1, 11, 12, 13, 267, 268, 269, 65000} {
		for _, token := range []int{0, 8, 13, 300} {
			payload := bytes.Repeat([]byte{7}, n)
			b, err := appendFrame(nil, POST, bytes.Repeat([]byte{9}, token), Options{{URIPath, []byte("x")}}, payload, true)
			if err != nil {
				t.Fatal(err)
			}
			var m message
			if err := readFrames(b, 70000).readMessage(&m); err != nil || m.code != POST || len(m.token) != token ||
				len(m.options) != 1 || !bytes.Equal(m.payload, payload) {
				t.Errorf("%d bytes, token of %d: got %v", n, token, err)
			}
			if err := readFrames(b, n).readMessage(&m); err == nil {
				t.Errorf("%d bytes: longer than accepted", n)
			}
			if err := readFrames(b[:len(b)-1], 70000).readMessage(&m); err == nil {
				t.Errorf("%d bytes: cut off and accepted", n)
			}
		}
	}
	//spec:8323-4.2-1
	if b, _ := appendFrame(nil, Valid, []byte{0x7f}, nil, []byte("payload"), false); string(b) != "\x01\x43\x7f\xffpayload" {
		t.Errorf("WebSocket message: got %x", b)
	}
	// RFC 8323, Figure 5.
	if b, _ := appendFrame(nil, Valid, []byte{0x7f}, nil, nil, true); string(b) != "\x01\x43\x7f" {
		t.Errorf("got %x", b)
	}
}

func FuzzFrame(f *testing.F) {
	for _, s := range []string{"\x01\x43\x7f", "\x00\xe1", "\xd1\x08\x45\xaa\xff" + strings.Repeat("x", 20), "\x0d\x01\x00" + strings.Repeat("t", 13)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fr := readFrames(b, 4096)
		var m message
		if fr.readMessage(&m) != nil {
			return
		}
		out, err := appendFrame(nil, m.code, m.token, m.options, m.payload, true)
		if err != nil || !bytes.HasPrefix(b, out) || len(b) <= 4096 && len(b)-len(out) != fr.r.Buffered() {
			t.Fatalf("%x encodes to %x: %v", b, out, err)
		}
	})
}
