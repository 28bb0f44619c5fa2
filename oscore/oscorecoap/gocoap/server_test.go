package gocoap_test

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore/oscorecoap/gocoap"
)

func TestRequestReachesTheHandlerWhole(t *testing.T) {
	type seen struct {
		path, query, payload string
		format               uint32
		remote               netip.AddrPort
		local                netip.AddrPort
		non                  bool
	}
	got := make(chan seen, 1)
	_, addr := serve(t, gocoap.Config{Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		format, _ := r.Options.Uint(coap.ContentFormat)
		got <- seen{r.Path(), strings.Join(r.Options.Queries(), "&"), string(r.Payload), format, r.RemoteAddr, r.LocalAddr, r.NonConfirmable}
		resp := r.NewResponse(coap.Changed)
		resp.Options.AddUint(coap.MaxAge, 7)
		resp.Payload = []byte("done")
		_ = w.Respond(resp)
	})})
	c := dial(t, addr, gocoap.Config{})
	for _, nonConfirmable := range []bool{false, true} {
		r := coap.NewRequest(coap.FETCH, "/a/b?x=1&y")
		r.Options.AddUint(coap.ContentFormat, 60)
		r.Payload = []byte{0xa0}
		r.NonConfirmable = nonConfirmable
		resp, err := c.Do(t.Context(), r)
		if err != nil {
			t.Fatalf("Do: %v", err)
		}
		age, _ := resp.Options.Uint(coap.MaxAge)
		if resp.Code != coap.Changed || age != 7 || string(resp.Payload) != "done" || resp.RemoteAddr != addr {
			t.Errorf("got %+v, want 2.04, Max-Age 7, done, from %v", resp, addr)
		}
		want := seen{"/a/b", "x=1&y", "\xa0", 60, netip.AddrPortFrom(addr.Addr(), c.LocalAddr().Port()), addr, nonConfirmable}
		if s := wait(t, got, "handler"); s != want {
			t.Errorf("handler got %+v, want %+v", s, want)
		}
	}
}

// The transport answers a duplicate with the same bytes (RFC 7252, Section
// 4.2), and go-coap does not come in between: neither its cache, which a
// malformed datagram empties, nor its own answers.
func TestDuplicateGetsTheSameBytes(t *testing.T) {
	for _, typ := range []byte{con, non} {
		var runs atomic.Int32
		_, addr := serve(t, gocoap.Config{Handler: coap.HandlerFunc(func(w coap.ResponseWriter, _ *coap.Request) {
			_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte{byte(runs.Add(1))}})
		})})
		p := newPeer(t, addr)
		request := message(typ, coap.GET, 77, "tok", path("x")...)
		p.send(request)
		first := p.receive()
		p.send(request)
		if again := p.receive(); !bytes.Equal(again, first) {
			t.Errorf("type %d: duplicate got %x, want %x", typ, again, first)
		}
		p.send([]byte{0x4f, 1, 0, 1})             // a token of 15 bytes
		p.send([]byte{0x40, 1, 0, 1, 0xf0, 0xf0}) // a reserved option delta
		p.send([]byte{0})
		if again := p.answerTo(request); !bytes.Equal(again, first) {
			t.Errorf("type %d: duplicate after malformed datagrams got %x, want %x", typ, again, first)
		}
		if n := runs.Load(); n != 1 {
			t.Errorf("type %d: handler ran %d times, want once", typ, n)
		}
	}
}

func (p *peer) answerTo(b []byte) []byte {
	p.t.Helper()
	p.send(b)
	return p.receive()
}

func TestSlowPeerDoesNotStallAnother(t *testing.T) {
	release := make(chan struct{})
	started := make(chan struct{}, 64)
	dropped := make(chan netip.AddrPort, 64)
	_, addr := serve(t, gocoap.Config{
		RequestsPerPeer: 4, AckDelay: time.Hour,
		Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			if r.Path() == "/slow" {
				started <- struct{}{}
				<-release
			}
			_ = w.Respond(r.NewResponse(coap.Content))
		}),
		Observer: gocoap.Observer{Dropped: func(p netip.AddrPort) { dropped <- p }},
	})
	slow, quick := newPeer(t, addr), newPeer(t, addr)
	for i := range 64 { // far more than go-coap's queue holds
		slow.send(message(con, coap.GET, uint16(i), "s", path("slow")...))
	}
	for range 4 {
		wait(t, started, "slow handler")
	}
	for range 60 {
		wait(t, dropped, "drop")
	}
	if got := codeOf(quick.answerTo(message(con, coap.GET, 1, "q", path("quick")...))); got != coap.Content {
		t.Errorf("quick peer got %v, want %v", got, coap.Content)
	}
	close(release)
	served := map[uint16]bool{}
	for range 4 {
		served[midOf(slow.receive())] = true
	}
	// What was dropped left no trace: its retransmission is served.
	var mid uint16
	for served[mid] {
		mid++
	}
	if got := slow.answerTo(message(con, coap.GET, mid, "s", path("slow")...)); midOf(got) != mid || codeOf(got) != coap.Content {
		t.Errorf("retransmission of a dropped request got %x, want 2.05", got)
	}
}

func TestSeparateResponse(t *testing.T) {
	release := make(chan struct{})
	var runs atomic.Int32
	_, addr := serve(t, gocoap.Config{
		AckDelay: time.Millisecond, AckTimeout: 10 * time.Millisecond,
		Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			runs.Add(1)
			<-release
			_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte("late")})
		}),
	})
	p := newPeer(t, addr)
	request := message(con, coap.GET, 5, "tok", path("x")...)
	wantAck := message(ack, coap.Empty, 5, "")
	if got := p.answerTo(request); !bytes.Equal(got, wantAck) {
		t.Fatalf("got %x, want the acknowledgement %x", got, wantAck)
	}
	if got := p.answerTo(request); !bytes.Equal(got, wantAck) {
		t.Fatalf("duplicate got %x, want the acknowledgement %x", got, wantAck)
	}
	close(release)
	first := p.receive()
	if typeOf(first) != con || codeOf(first) != coap.Content || !bytes.HasSuffix(first, []byte("late")) || string(first[4:7]) != "tok" {
		t.Fatalf("got %x, want a confirmable 2.05", first)
	}
	if again := p.receive(); !bytes.Equal(again, first) {
		t.Errorf("retransmission is %x, want %x", again, first)
	}
	p.send(message(ack, coap.Empty, midOf(first), ""))
	if n := runs.Load(); n != 1 {
		t.Errorf("handler ran %d times, want once", n)
	}
}

func TestRejections(t *testing.T) {
	_, addr := serve(t, gocoap.Config{Handler: respondWith(coap.Content, "x"), Understands: oscoreOption})
	p := newPeer(t, addr)
	for name, c := range map[string]struct{ in, want []byte }{
		"ping":                   {message(con, coap.Empty, 1, ""), message(rst, coap.Empty, 1, "")},
		"reserved class":         {message(con, coap.Code(1<<5), 2, ""), message(rst, coap.Empty, 2, "")},
		"signalling":             {message(con, coap.Code(7<<5|1), 3, ""), message(rst, coap.Empty, 3, "")},
		"response nobody awaits": {message(con, coap.Content, 4, "zz"), message(rst, coap.Empty, 4, "")},
		"NON response":           {message(non, coap.Content, 5, "zz"), message(rst, coap.Empty, 5, "")},
		"unknown critical":       {message(con, coap.GET, 6, "t", 0xd0, 65-13), message(ack, coap.BadOption, 6, "t")},
		"Uri-Host twice":         {message(con, coap.GET, 7, "t", 0x31, 'a', 0x01, 'b'), message(ack, coap.BadOption, 7, "t")},
		"OSCORE twice":           {message(con, coap.POST, 8, "t", 0x91, 9, 0x01, 9), message(ack, coap.BadOption, 8, "t")},
		"Proxy-Scheme":           {message(con, coap.GET, 9, "t", 0xd4, 39-13, 'c', 'o', 'a', 'p'), message(ack, coap.ProxyingNotSupported, 9, "t")},
	} {
		if got := p.answerTo(c.in); !bytes.Equal(got, c.want) {
			t.Errorf("%s: got %x, want %x", name, got, c.want)
		}
	}
	p.send(message(non, coap.GET, 20, "t", 0xd0, 65-13)) // unknown critical, Non-confirmable
	p.send(message(ack, coap.Empty, 21, ""))
	p.send(message(rst, coap.Empty, 22, ""))
	p.send(message(non, coap.Empty, 23, ""))
	p.nothing()
	if got := p.answerTo(message(con, coap.GET, 30, "t", 0xd0, 64-13)); codeOf(got) != coap.Content {
		t.Errorf("unknown elective option: got %v, want %v", codeOf(got), coap.Content)
	}
}

func TestServerUnawareOfOSCORE(t *testing.T) {
	_, addr := serve(t, gocoap.Config{Handler: respondWith(coap.Content, "x")})
	p := newPeer(t, addr)
	if got := codeOf(p.answerTo(message(con, coap.POST, 1, "t", 0x91, 9, 0xff, 1))); got != coap.BadOption {
		t.Errorf("got %v, want %v", got, coap.BadOption)
	}
}

// oscoreOption is what a server with OSCORE understands.
var oscoreOption = []coap.OptionID{coap.OSCORE}

func TestNoResponse(t *testing.T) {
	_, addr := serve(t, gocoap.Config{Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		code := coap.Content
		if r.Path() == "/e" {
			code = coap.NotFound
		}
		_ = w.Respond(r.NewResponse(code))
	}), Understands: oscoreOption})
	p := newPeer(t, addr)
	quiet := func(segment string, class byte) []byte {
		return append(path(segment), 0xd1, 258-11-13, class)
	}
	if got, want := p.answerTo(message(con, coap.GET, 1, "t", quiet("x", 2)...)), message(ack, coap.Empty, 1, ""); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	if got := codeOf(p.answerTo(message(con, coap.GET, 2, "t", quiet("e", 2)...))); got != coap.NotFound {
		t.Errorf("a class that is wanted: got %v, want %v", got, coap.NotFound)
	}
	p.send(message(non, coap.GET, 3, "t", quiet("x", 2)...))
	p.nothing()
	// A server ignores the No-Response outside of OSCORE.
	outer := append([]byte{0x91, 9}, 0xd1, 258-9-13, 2)
	if got := codeOf(p.answerTo(message(con, coap.POST, 4, "t", outer...))); got != coap.Content {
		t.Errorf("with OSCORE: got %v, want %v", got, coap.Content)
	}
}

func TestSecondRespond(t *testing.T) {
	second := make(chan error, 1)
	_, addr := serve(t, gocoap.Config{Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		_ = w.Respond(r.NewResponse(coap.Content))
		second <- w.Respond(r.NewResponse(coap.Content))
	})})
	if _, err := dial(t, addr, gocoap.Config{}).Do(t.Context(), coap.NewRequest(coap.GET, "/")); err != nil {
		t.Fatal(err)
	}
	wantError(t, wait(t, second, "second Respond"), coap.ErrResponded)
}

func TestHandlerThatPanics(t *testing.T) {
	failed := make(chan error, 8)
	_, addr := serve(t, gocoap.Config{
		Handler:  coap.HandlerFunc(func(coap.ResponseWriter, *coap.Request) { panic("mistake") }),
		Observer: gocoap.Observer{Error: func(_ netip.AddrPort, err error) { failed <- err }},
	})
	resp, err := dial(t, addr, gocoap.Config{}).Do(t.Context(), coap.NewRequest(coap.GET, "/"))
	if err != nil || resp.Code != coap.InternalServerError {
		t.Errorf("got %v, %v, want %v", resp, err, coap.InternalServerError)
	}
	if err := wait(t, failed, "report"); !strings.Contains(err.Error(), "mistake") {
		t.Errorf("report %q does not name the panic", err)
	}
}

func TestResponseThatCannotBeEncoded(t *testing.T) {
	errs := make(chan error, 1)
	_, addr := serve(t, gocoap.Config{Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		errs <- w.Respond(&coap.Response{Code: coap.Content, Payload: make([]byte, 70000)})
	})})
	resp, err := dial(t, addr, gocoap.Config{}).Do(t.Context(), coap.NewRequest(coap.GET, "/"))
	if err != nil || resp.Code != coap.InternalServerError {
		t.Errorf("got %v, %v, want %v", resp, err, coap.InternalServerError)
	}
	wantError(t, wait(t, errs, "Respond"), coap.ErrTooLarge)
}

// Serve drains: a handler that runs finishes and its answer is sent; no new
// request is taken; the socket is closed when Serve returns.
func TestGracefulStop(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	started, release := make(chan struct{}, 64), make(chan struct{})
	s := gocoap.NewServer(gocoap.Config{DrainTimeout: time.Hour, AckDelay: time.Hour, Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if r.Path() != "/slow" {
			_ = w.Respond(r.NewResponse(coap.Valid))
			return
		}
		started <- struct{}{}
		<-release
		if err := r.Context().Err(); err != nil {
			t.Errorf("context of a draining handler: %v, want none", err)
		}
		_ = w.Respond(r.NewResponse(coap.Content))
	})})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, conn) }()
	p := newPeer(t, conn.LocalAddr().(*net.UDPAddr).AddrPort())
	p.send(message(con, coap.GET, 1, "t", path("slow")...))
	wait(t, started, "handler")
	stop()
	for mid := uint16(100); ; mid++ { // until Serve has heard of it, then a new request is rejected
		got := p.answerTo(message(con, coap.GET, mid, "t"))
		if typeOf(got) == rst {
			break
		}
	}
	close(release)
	if got := p.receive(); midOf(got) != 1 || codeOf(got) != coap.Content {
		t.Errorf("draining handler: got %x, want 2.05", got)
	}
	if err := wait(t, done, "Serve"); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := conn.Write(nil); err == nil {
		t.Error("socket is open after Serve")
	}
	if err := s.Serve(t.Context(), conn); err == nil {
		t.Error("second Serve: no error")
	}
}

func TestStopCancelsHandlersThatDoNotEnd(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan struct{}), make(chan struct{})
	s := gocoap.NewServer(gocoap.Config{DrainTimeout: time.Millisecond, Handler: coap.HandlerFunc(func(_ coap.ResponseWriter, r *coap.Request) {
		close(started)
		<-r.Context().Done()
		close(ended)
	})})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, conn) }()
	newPeer(t, conn.LocalAddr().(*net.UDPAddr).AddrPort()).send(message(con, coap.GET, 1, "t"))
	wait(t, started, "handler")
	stop()
	wait(t, ended, "end of the handler")
	if err := wait(t, done, "Serve"); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestSocketThatFails(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := gocoap.NewServer(gocoap.Config{})
	done := make(chan error, 1)
	go func() { done <- s.Serve(t.Context(), conn) }()
	if resp, err := s.Do(t.Context(), &coap.Request{Code: coap.GET}); resp != nil || err == nil {
		t.Errorf("Do without address: got %v, %v, want an error", resp, err)
	}
	_ = conn.Close()
	if err := wait(t, done, "Serve"); err == nil {
		t.Error("Serve of a closed socket: no error")
	}
}
