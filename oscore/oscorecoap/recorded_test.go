package oscorecoap_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore/oscorecoap/gocoap"
)

var update = flag.Bool("update", false, "record the exchanges in testdata anew")

const recording = "testdata/plugtest-exchange.txt"

// unawareServer serves without OSCORE.
func unawareServer(t *testing.T) netip.AddrPort {
	t.Helper()
	mux := new(coap.Mux)
	mux.HandleFunc("/oscore/hello/coap", hello())
	return serveUDP(t, gocoap.NewServer(gocoap.Config{Handler: mux}).Serve)
}

// TestRecordedExchange sends the datagrams of an exchange that was recorded,
// and wants the answers that were recorded, byte for byte: the contexts are
// those of the plug tests, and a response uses the nonce of its request.
func TestRecordedExchange(t *testing.T) {
	if *update {
		record(t)
	}
	b, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	s := newPlugServer(t, transports["go-coap"])
	socket := openUDP(t, s.path.server)
	exchanges := 0
	for line := range strings.Lines(string(b)) {
		direction, datagram := parseLine(t, line)
		switch direction {
		case ">":
			if _, err := socket.Write(datagram); err != nil {
				t.Fatal(err)
			}
		case "<":
			exchanges++
			if got := readUDP(t, socket); !bytes.Equal(got, datagram) {
				t.Errorf("exchange %d: got %x, want %x", exchanges, got, datagram)
			}
		}
	}
	if exchanges < 10 {
		t.Errorf("%d exchanges recorded, want at least 10", exchanges)
	}
}

func parseLine(t *testing.T, line string) (direction string, datagram []byte) {
	t.Helper()
	direction, digits, ok := strings.Cut(strings.TrimSpace(line), " ")
	if !ok || direction == "#" {
		return "", nil
	}
	datagram, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatalf("%s: %v", recording, err)
	}
	return direction, datagram
}

// record makes the exchange of the plug tests that have one response each, and
// a transfer of several blocks.
func record(t *testing.T) {
	t.Helper()
	s := newPlugServer(t, transports["go-coap"])
	a := s.client(t, plugParams(nil))
	large := coap.NewRequest(coap.POST, "/oscore/hello/6")
	large.Payload = bytes.Repeat([]byte("0123456789abcdef"), 100)
	put := coap.NewRequest(coap.PUT, "/oscore/hello/7")
	put.Options.Add(coap.IfNoneMatch, nil)
	put.Payload = []byte{0x8a}
	for _, r := range []*coap.Request{
		coap.NewRequest(coap.GET, "/oscore/hello/1"),
		coap.NewRequest(coap.GET, "/oscore/hello/2?first=1"),
		coap.NewRequest(coap.GET, "/oscore/hello/3"),
		put, large,
		coap.NewRequest(coap.DELETE, "/oscore/test"),
		coap.NewRequest(coap.GET, "/oscore/nothing"),
	} {
		if _, err := a.Do(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	c := s.client(t, plugParams(contextC))
	if _, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/oscore/hello/1")); err != nil {
		t.Fatal(err)
	}
	plain := s.transport.dial(t, s.path.addr())
	for _, path := range []string{"/oscore/hello/coap", "/oscore/hello/1"} {
		if _, err := plain.Do(t.Context(), coap.NewRequest(coap.GET, path)); err != nil {
			t.Fatal(err)
		}
	}
	wrong := plugParams(nil)
	wrong.SenderID = []byte{7}
	if _, err := s.client(t, wrong).Do(t.Context(), coap.NewRequest(coap.GET, "/oscore/hello/1")); err == nil {
		t.Fatal("no error for an unknown kid")
	}
	var out strings.Builder
	fmt.Fprintln(&out, "# > to the server, < from it; plug test contexts A/B and C/D. Recorded with -update.")
	up, down := s.path.passed(true), s.path.passed(false)
	for i := range up {
		fmt.Fprintf(&out, "> %x\n< %x\n", up[i], down[i])
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recording, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestRecordedNoPlaintext looks for the plaintext in the recording.
func TestRecordedNoPlaintext(t *testing.T) {
	b, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	protected := 0
	for line := range strings.Lines(string(b)) {
		direction, datagram := parseLine(t, line)
		if direction != ">" || codeOf(datagram) == coap.GET {
			continue
		}
		protected++
		for _, word := range []string{"hello", "oscore", "first=1", "0123456789abcdef"} {
			if bytes.Contains(datagram, []byte(word)) {
				t.Errorf("%q stands in clear in %x", word, datagram)
			}
		}
	}
	if protected < 8 {
		t.Errorf("%d protected requests, want at least 8", protected)
	}
}
