package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/test/interop"
)

// replayPlain sends what aiocoap has sent as client to a new server, and returns
// what that answers beside what it answered then. change may alter the segments.
func replayPlain(t *testing.T, run string, change func([]segment)) (got, want []string) {
	t.Helper()
	segments, err := loadSegments(filepath.Join("testdata", run+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var now, then []byte
	for _, s := range segments {
		if s.From == interop.FromServer {
			then = append(then, s.Bytes...)
		}
	}
	if change != nil {
		change(segments)
	}
	transport := plainTransports[strings.TrimPrefix(run, "plain-client")]
	synctest.Test(t, func(t *testing.T) {
		l := coaptest.NewListener()
		defer transport.serve(plainResources(), l)()
		conn, err := l.Dial(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		b := make([]byte, 65536)
		for _, s := range segments {
			if s.From == interop.FromClient {
				_, _ = conn.Write(s.Bytes)
			}
			for {
				_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
				n, err := conn.Read(b)
				now = append(now, b[:n]...)
				if err != nil {
					break
				}
			}
		}
	})
	parse := streamMessages
	if transport.scheme == "coap+ws" {
		parse = webSocketMessages
	}
	return parse(t, now), parse(t, then)
}

// TestPlainReplay: our server answers what aiocoap has sent over TCP and WebSockets
// as it did then, but for the numbers of notifications.
func TestPlainReplay(t *testing.T) {
	for _, run := range []string{"plain-client-tcp", "plain-client-ws"} {
		got, want := replayPlain(t, run, nil)
		if len(want) < 15 || !slices.Equal(got, want) {
			t.Errorf("%s: got\n%.3000s\nwant\n%.3000s", run, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		segments, err := loadSegments(filepath.Join("testdata", run+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		peer, err := interop.LoadJSON[interop.Peer]("expect.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range peer.Runs {
			for _, c := range r.Cases {
				has := slices.ContainsFunc(segments, func(s segment) bool { return s.Case == c.Name && s.From == interop.FromClient })
				if r.Name == run && c.Skip == "" && !has {
					t.Errorf("%s, %s: nothing recorded", run, c.Name)
				}
			}
		}
	}
}

// TestPlainReplayNotices: another request has another answer.
func TestPlainReplayNotices(t *testing.T) {
	got, want := replayPlain(t, "plain-client-tcp", func(segments []segment) {
		for _, s := range segments {
			if i := bytes.Index(s.Bytes, []byte("put by aiocoap")); i >= 0 && s.From == interop.FromClient {
				s.Bytes[i] = 'P'
			}
		}
	})
	if slices.Equal(got, want) {
		t.Error("a change was not noticed")
	}
}

// streamMessages reads the messages of RFC 8323, Section 3.2. The codec is not that
// of package coap.
func streamMessages(t *testing.T, b []byte) (messages []string) {
	t.Helper()
	for len(b) > 0 {
		n, tkl := int(b[0]>>4), int(b[0]&15)
		b = b[1:]
		switch n {
		case 13:
			n, b = int(b[0])+13, b[1:]
		case 14:
			n, b = int(binary.BigEndian.Uint16(b))+269, b[2:]
		case 15:
			t.Fatal("message of more than 64 KiB")
		}
		if 1+tkl+n > len(b) {
			t.Fatalf("%d bytes more than there are", 1+tkl+n-len(b))
		}
		messages = append(messages, messageText(t, b[0], b[1:1+tkl], b[1+tkl:][:n]))
		b = b[1+tkl+n:]
	}
	return messages
}

// webSocketMessages reads the messages of RFC 8323, Section 4.2, after the HTTP
// response, from frames without a mask (RFC 6455, Section 5.2).
func webSocketMessages(t *testing.T, b []byte) (messages []string) {
	t.Helper()
	head, b, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok || !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		t.Fatalf("got %q", head)
	}
	for len(b) > 0 {
		first, n := b[0], int(b[1])
		b = b[2:]
		if n == 126 {
			n, b = int(binary.BigEndian.Uint16(b)), b[2:]
		}
		if first != 0x82 || n > len(b) || b[0] > 8 {
			t.Fatalf("frame %x of %d bytes", first, n)
		}
		tkl := int(b[0])
		messages = append(messages, messageText(t, b[1], b[2:2+tkl], b[2+tkl:n]))
		b = b[n:]
	}
	return messages
}

// messageText shows a message, but for the number of a notification.
func messageText(t *testing.T, code byte, token, rest []byte) string {
	t.Helper()
	out := new(strings.Builder)
	fmt.Fprintf(out, "%d.%02d %x", code>>5, code&31, token)
	extended := func(nibble int) int {
		switch nibble {
		case 13:
			nibble, rest = int(rest[0])+13, rest[1:]
		case 14:
			nibble, rest = int(binary.BigEndian.Uint16(rest))+269, rest[2:]
		}
		return nibble
	}
	number := 0
	for len(rest) > 0 && rest[0] != 0xff {
		delta, size := int(rest[0]>>4), int(rest[0]&15)
		rest = rest[1:]
		number += extended(delta)
		size = extended(size)
		if size > len(rest) {
			t.Fatal("option cut off")
		}
		value := rest[:size]
		if number == 6 && code>>5 == 2 {
			value = nil
		}
		fmt.Fprintf(out, " %d:%x", number, value)
		rest = rest[size:]
	}
	fmt.Fprintf(out, " %x", rest)
	return out.String()
}
