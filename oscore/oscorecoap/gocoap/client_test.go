package gocoap_test

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore/oscorecoap/gocoap"
)

// A peerServer is a server played by hand.
type peerServer struct {
	t      *testing.T
	conn   *net.UDPConn
	remote netip.AddrPort
}

func newPeerServer(t *testing.T) *peerServer {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &peerServer{t: t, conn: conn}
}

func (p *peerServer) addr() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *peerServer) receive() []byte {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 2048)
	n, remote, err := p.conn.ReadFromUDPAddrPort(b)
	if err != nil {
		p.t.Fatalf("receive: %v", err)
	}
	p.remote = remote
	return b[:n]
}

func (p *peerServer) send(b []byte) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(b, p.remote); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

type result struct {
	resp *coap.Response
	err  error
}

func start(ctx context.Context, d coap.Doer, r *coap.Request) <-chan result {
	c := make(chan result, 1)
	go func() {
		resp, err := d.Do(ctx, r)
		c <- result{resp, err}
	}()
	return c
}

func tokenOf(b []byte) string { return string(b[4 : 4+b[0]&0xf]) }

func TestClientRetransmits(t *testing.T) {
	server := newPeerServer(t)
	c := dial(t, server.addr(), gocoap.Config{AckTimeout: time.Millisecond})
	done := start(t.Context(), c, coap.NewRequest(coap.GET, "/x"))
	first := server.receive()
	for range 3 {
		if again := server.receive(); !bytes.Equal(again, first) {
			t.Errorf("retransmission %x, want %x", again, first)
		}
	}
	server.send(message(ack, coap.Content, midOf(first), tokenOf(first), 0xff, 'y'))
	if r := wait(t, done, "Do"); r.err != nil || string(r.resp.Payload) != "y" {
		t.Errorf("got %+v, want y", r)
	}
}

func TestClientGivesUp(t *testing.T) {
	server := newPeerServer(t)
	c := dial(t, server.addr(), gocoap.Config{AckTimeout: time.Millisecond, MaxRetransmit: 2, ResponseTimeout: time.Millisecond})
	wantError(t, wait(t, start(t.Context(), c, coap.NewRequest(coap.GET, "/x")), "Do").err, coap.ErrTimeout)
	for range 3 {
		server.receive()
	}

	done := start(t.Context(), c, coap.NewRequest(coap.GET, "/x"))
	server.send(message(ack, coap.Empty, midOf(server.receive()), ""))
	wantError(t, wait(t, done, "Do, acknowledged").err, coap.ErrTimeout)
}

func TestClientReset(t *testing.T) {
	server := newPeerServer(t)
	c := dial(t, server.addr(), gocoap.Config{AckTimeout: time.Hour})
	done := start(t.Context(), c, coap.NewRequest(coap.GET, "/x"))
	b := server.receive()
	server.send(message(rst, coap.Empty, midOf(b)+1, "")) // of something else
	server.send(message(rst, coap.Empty, midOf(b), ""))
	wantError(t, wait(t, done, "Do").err, coap.ErrReset)
}

func TestClientIgnoresWhatIsNotItsResponse(t *testing.T) {
	server, other := newPeerServer(t), newPeerServer(t)
	c := dial(t, server.addr(), gocoap.Config{AckTimeout: time.Hour})
	done := start(t.Context(), c, coap.NewRequest(coap.GET, "/x"))
	b := server.receive()
	token := tokenOf(b)
	other.remote = server.remote
	other.send(message(ack, coap.Content, midOf(b), token, 0xff, 'a'))        // of another address
	other.send(message(non, coap.Content, 1, token, 0xff, 'a'))               // of another address
	server.send(message(ack, coap.Content, midOf(b)+1, token, 0xff, 'b'))     // of another message
	server.send(message(non, coap.Content, 2, token, 0xd0, 65-13, 0xff, 'c')) // an unknown critical option
	server.send(message(ack, coap.Content, midOf(b), token, 0xff, 'd'))       // this one
	if r := wait(t, done, "Do"); r.err != nil || string(r.resp.Payload) != "d" {
		t.Errorf("got %+v, want d", r)
	}
}

func TestClientSeparateResponse(t *testing.T) {
	server := newPeerServer(t)
	c := dial(t, server.addr(), gocoap.Config{AckTimeout: time.Hour})
	done := start(t.Context(), c, coap.NewRequest(coap.GET, "/x"))
	b := server.receive()
	server.send(message(ack, coap.Empty, midOf(b), ""))
	server.send(message(con, coap.Content, 900, tokenOf(b), 0xff, 'z'))
	if got, want := server.receive(), message(ack, coap.Empty, 900, ""); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	if r := wait(t, done, "Do"); r.err != nil || string(r.resp.Payload) != "z" {
		t.Errorf("got %+v, want z", r)
	}
	server.send(message(con, coap.Content, 900, tokenOf(b), 0xff, 'z'))
	if got, want := server.receive(), message(ack, coap.Empty, 900, ""); !bytes.Equal(got, want) {
		t.Errorf("duplicate: got %x, want %x", got, want)
	}
	server.send(message(con, coap.GET, 901, "q")) // a mere client serves nothing
	if got, want := server.receive(), message(rst, coap.Empty, 901, ""); !bytes.Equal(got, want) {
		t.Errorf("request: got %x, want %x", got, want)
	}
}

func TestClientContext(t *testing.T) {
	server := newPeerServer(t)
	c := dial(t, server.addr(), gocoap.Config{AckTimeout: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	first := start(ctx, c, coap.NewRequest(coap.GET, "/x"))
	server.receive()
	second := start(ctx, c, coap.NewRequest(coap.GET, "/y")) // NSTART: waits for the first
	cancel()
	wantError(t, wait(t, first, "Do").err, context.Canceled)
	wantError(t, wait(t, second, "Do behind").err, context.Canceled)

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	acknowledged := start(ctx, c, coap.NewRequest(coap.GET, "/z"))
	server.send(message(ack, coap.Empty, midOf(server.receive()), ""))
	unacknowledged := start(t.Context(), c, coap.NewRequest(coap.GET, "/z"))
	server.receive()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	wantError(t, wait(t, acknowledged, "Do").err, coap.ErrClosed)
	wantError(t, wait(t, unacknowledged, "Do").err, coap.ErrClosed)
	_, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/"))
	wantError(t, err, coap.ErrClosed)
}

// NSTART is 1: the second request goes out when the first was acknowledged.
func TestClientNStart(t *testing.T) {
	server := newPeerServer(t)
	c := dial(t, server.addr(), gocoap.Config{AckTimeout: time.Hour})
	a := start(t.Context(), c, coap.NewRequest(coap.GET, "/x"))
	first := server.receive()
	b := start(t.Context(), c, coap.NewRequest(coap.GET, "/x"))
	n := coap.NewRequest(coap.GET, "/n")
	n.NonConfirmable = true
	d := start(t.Context(), c, n)
	if got := server.receive(); typeOf(got) != non { // passes b, if b was there at all
		t.Fatalf("got %x before the first request was answered", got)
	} else {
		server.send(message(non, coap.Content, 1, tokenOf(got)))
	}
	wait(t, d, "NON request")
	server.send(message(ack, coap.Empty, midOf(first), ""))
	second := server.receive()
	server.send(message(ack, coap.Content, midOf(second), tokenOf(second)))
	if r := wait(t, b, "second"); r.err != nil {
		t.Error(r.err)
	}
	server.send(message(non, coap.Content, 2, tokenOf(first)))
	if r := wait(t, a, "first"); r.err != nil {
		t.Error(r.err)
	}
}

func TestDialErrors(t *testing.T) {
	for _, addr := range []string{"", "127.0.0.1", "127.0.0.1:no-such-port", "[::1"} {
		if c, err := gocoap.Dial(t.Context(), addr, gocoap.Config{}); err == nil {
			_ = c.Close()
			t.Errorf("Dial(%q): no error", addr)
		}
	}
}

func TestRequestThatCannotBeSent(t *testing.T) {
	server := newPeerServer(t)
	c := dial(t, server.addr(), gocoap.Config{})
	for name, r := range map[string]*coap.Request{
		"no method":    {},
		"a response":   {Code: coap.Content},
		"option order": {Code: coap.GET, Options: coap.Options{{ID: coap.URIPath}, {ID: coap.IfMatch}}},
	} {
		_, err := c.Do(t.Context(), r)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	_, err := c.Do(t.Context(), &coap.Request{Code: coap.PUT, Payload: make([]byte, 70000)})
	wantError(t, err, coap.ErrTooLarge)
}

// One socket is server and client.
func TestServerAsClient(t *testing.T) {
	a, addrA := serve(t, gocoap.Config{Handler: respondWith(coap.Content, "a")})
	b, addrB := serve(t, gocoap.Config{Handler: respondWith(coap.Content, "b")})
	for _, c := range []struct {
		from *gocoap.Server
		to   netip.AddrPort
		want string
	}{{a, addrB, "b"}, {b, addrA, "a"}, {a, addrA, "a"}} {
		r := coap.NewRequest(coap.GET, "/")
		r.RemoteAddr = c.to
		resp, err := c.from.Do(t.Context(), r)
		if err != nil || string(resp.Payload) != c.want {
			t.Errorf("got %v, %v, want %s", resp, err, c.want)
		}
	}
}
