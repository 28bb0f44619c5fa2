package gocoap_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore/oscorecoap/gocoap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits before it calls a thing lost. It is not
// waited for when the test passes.
const patience = 20 * time.Second

// serve runs a server on loopback until the test ends.
func serve(t *testing.T, cfg gocoap.Config) (*gocoap.Server, netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := gocoap.NewServer(cfg)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, conn) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// dial returns a client that is closed when the test ends.
func dial(t *testing.T, addr netip.AddrPort, cfg gocoap.Config) *gocoap.Client {
	t.Helper()
	c, err := gocoap.Dial(t.Context(), addr.String(), cfg)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A peer is a socket that sends and receives datagrams as they are.
type peer struct {
	t    *testing.T
	conn *net.UDPConn
}

func newPeer(t *testing.T, server netip.AddrPort) *peer {
	t.Helper()
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &peer{t, conn}
}

func (p *peer) send(b []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

func (p *peer) receive() []byte {
	p.t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	b := make([]byte, 2048)
	n, err := p.conn.Read(b)
	if err != nil {
		p.t.Fatalf("receive: %v", err)
	}
	return b[:n]
}

// nothing fails the test if a datagram came before the answer to a ping.
func (p *peer) nothing() {
	p.t.Helper()
	p.send(message(con, coap.Empty, 0xffff, ""))
	want := message(rst, coap.Empty, 0xffff, "")
	if got := p.receive(); string(got) != string(want) {
		p.t.Fatalf("got %x, want nothing but the Reset message %x", got, want)
	}
}

// Types of messages (RFC 7252, Section 3).
const (
	con = 0
	non = 1
	ack = 2
	rst = 3
)

// message encodes a message by the book, without go-coap. Options are given
// as an already encoded tail.
func message(typ byte, code coap.Code, mid uint16, token string, tail ...byte) []byte {
	b := []byte{1<<6 | typ<<4 | byte(len(token)), byte(code), byte(mid >> 8), byte(mid)}
	return append(append(b, token...), tail...)
}

func typeOf(b []byte) byte      { return b[0] >> 4 & 3 }
func codeOf(b []byte) coap.Code { return coap.Code(b[1]) }
func midOf(b []byte) uint16     { return uint16(b[2])<<8 | uint16(b[3]) }

// path is an encoded Uri-Path of one short segment.
func path(segment string) []byte { return append([]byte{0xb0 | byte(len(segment))}, segment...) }

func respondWith(code coap.Code, payload string) coap.HandlerFunc {
	return func(w coap.ResponseWriter, _ *coap.Request) {
		_ = w.Respond(&coap.Response{Code: code, Payload: []byte(payload)})
	}
}

// wait receives from a channel.
func wait[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: did not happen", what)
		panic("unreachable")
	}
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("error: got %v, want %v", got, want)
	}
}
