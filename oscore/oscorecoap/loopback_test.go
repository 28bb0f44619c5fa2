package oscorecoap_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
	"github.com/ostiary/ostiary/oscore/oscorecoap/gocoap"
)

// A transport carries CoAP over loopback.
type transport struct {
	serve func(t *testing.T, h coap.Handler) netip.AddrPort
	dial  func(t *testing.T, addr netip.AddrPort) coap.Doer
}

// transports are those that OSCORE runs on here. Their timers are short, so
// that what is lost is sent again soon.
var transports = map[string]transport{
	"go-coap": {
		func(t *testing.T, h coap.Handler) netip.AddrPort {
			s := gocoap.NewServer(gocoap.Config{Handler: h, Understands: []coap.OptionID{coap.OSCORE}, AckTimeout: 20 * time.Millisecond, MaxRetransmit: 8})
			return serveUDP(t, s.Serve)
		},
		func(t *testing.T, addr netip.AddrPort) coap.Doer {
			c, err := gocoap.Dial(t.Context(), addr.String(), gocoap.Config{AckTimeout: 20 * time.Millisecond, MaxRetransmit: 8})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			return c
		},
	},
	"coap": {
		func(t *testing.T, h coap.Handler) netip.AddrPort {
			s := &coap.Server{Handler: h, Config: coap.Config{Understands: []coap.OptionID{coap.OSCORE}, AckTimeout: 20 * time.Millisecond, MaxRetransmit: 8}}
			return serveUDP(t, func(ctx context.Context, conn *net.UDPConn) error { return s.Serve(ctx, conn) })
		},
		func(t *testing.T, addr netip.AddrPort) coap.Doer {
			e, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{AckTimeout: 20 * time.Millisecond, MaxRetransmit: 8})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = e.Close() })
			return e.Client(addr)
		},
	},
}

func serveUDP(t *testing.T, serve func(context.Context, *net.UDPConn) error) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, conn) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// overLoopback runs a test on each transport.
func overLoopback(t *testing.T, test func(t *testing.T, tr transport)) {
	for name, tr := range transports {
		t.Run(name, func(t *testing.T) { test(t, tr) })
	}
}

func TestLoopback(t *testing.T) {
	overLoopback(t, func(t *testing.T, tr transport) {
		p := newPair(t, nil)
		body := bytes.Repeat([]byte("0123456789abcdef"), 300) // 4800 bytes
		h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			_ = w.Respond(&coap.Response{Code: coap.Content, Payload: append([]byte(r.Code.String()+r.Path()), r.Payload...)})
		}), nil, oscorecoap.Config{})
		addr := tr.serve(t, h)
		c := oscorecoap.NewClient(tr.dial(t, addr), p.client, oscorecoap.ClientConfig{})
		for _, code := range []coap.Code{coap.GET, coap.PUT, coap.POST, coap.FETCH, coap.DELETE} {
			for _, size := range []int{0, 10, 4800} {
				if size > 0 && (code == coap.GET || code == coap.DELETE) {
					continue
				}
				r := coap.NewRequest(code, "/a/b")
				r.Payload = body[:size]
				resp, err := c.Do(t.Context(), r)
				wantResponse(t, resp, err, coap.Content, code.String()+"/a/b"+string(body[:size]))
			}
		}
		resp, err := tr.dial(t, addr).Do(t.Context(), coap.NewRequest(coap.GET, "/a/b"))
		wantResponse(t, resp, err, coap.Unauthorized, "")
	})
}

func TestLoopbackObserve(t *testing.T) {
	overLoopback(t, func(t *testing.T, tr transport) {
		p := newPair(t, nil)
		res := newResource()
		path := newRelay(t, tr.serve(t, p.handler(t, res, nil, oscorecoap.Config{})))
		c := oscorecoap.NewClient(tr.dial(t, path.addr()), p.client, oscorecoap.ClientConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan *coap.Response, 64)
		done := make(chan error, 1)
		go func() {
			done <- c.Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { got <- r })
		}()
		out := wait(t, res.writers, "registration")
		wait(t, got, "first response")
		for i := range 50 {
			want := string(rune('a' + i))
			if i == 20 {
				want = string(make([]byte, 3000))
			}
			if err := out.Respond(notification(want)); err != nil {
				t.Fatalf("notification %d: %v", i, err)
			}
			if resp := wait(t, got, "notification"); string(resp.Payload) != want {
				t.Errorf("notification %d: got %d bytes, want %d", i, len(resp.Payload), len(want))
			}
		}
		before := len(path.passed(true))
		cancel()
		if err := wait(t, done, "Observe"); err != nil {
			t.Errorf("Observe: %v, want nil", err)
		}
		wait(t, res.ended, "end at the server")
		if err := out.Respond(notification("late")); err == nil {
			t.Error("notification after the end: no error")
		}
		cancellations := 0
		for _, b := range path.passed(true)[before:] {
			if codeOf(b) == coap.FETCH {
				cancellations++
			}
		}
		if cancellations == 0 {
			t.Error("no cancellation was sent")
		}
	})
}

// A server that discards an association says so to its observers, once, and
// nothing after that.
func TestLoopbackDiscard(t *testing.T) {
	overLoopback(t, func(t *testing.T, tr transport) {
		p := newPair(t, nil)
		res := newResource()
		h := p.handler(t, res, nil, oscorecoap.Config{})
		c := oscorecoap.NewClient(tr.dial(t, tr.serve(t, h)), p.client, oscorecoap.ClientConfig{})
		got := make(chan *coap.Response, 64)
		done := make(chan error, 1)
		go func() {
			done <- c.Observe(t.Context(), coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { got <- r })
		}()
		out := wait(t, res.writers, "registration")
		wait(t, got, "first response")
		h.Discard(p.server)
		if resp := wait(t, got, "last response"); resp.Code != coap.Unauthorized {
			t.Errorf("last response: got %v, want 4.01", resp.Code)
		}
		if err := wait(t, done, "Observe"); err != nil {
			t.Errorf("Observe: %v, want nil", err)
		}
		wantError(t, out.Respond(notification("late")), coap.ErrClosed)
		_, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
		var unprotected *oscorecoap.UnprotectedError
		if !asError(err, &unprotected) || unprotected.Response.Code != coap.Unauthorized {
			t.Errorf("request after that: got %v, want an unprotected 4.01", err)
		}
	})
}

// The answer is lost, the client's NAT gives it another address, and its
// retransmission is answered with the same bytes.
func TestLoopbackNATRebinding(t *testing.T) {
	overLoopback(t, func(t *testing.T, tr transport) {
		p := newPair(t, nil)
		handler := new(counter)
		path := newRelay(t, tr.serve(t, p.handler(t, handler, nil, oscorecoap.Config{})))
		c := oscorecoap.NewClient(tr.dial(t, path.addr()), p.client, oscorecoap.ClientConfig{})
		var losses atomic.Int32
		path.setLoss(func(up bool, _ []byte) bool {
			if up || losses.Add(1) > 1 {
				return false
			}
			go path.rebind()
			return true
		})
		resp, err := c.Do(t.Context(), coap.NewRequest(coap.POST, "/x"))
		wantResponse(t, resp, err, coap.Content, "1")
		if n := handler.n.Load(); n != 1 {
			t.Errorf("handler ran %d times, want once", n)
		}
		up := path.passed(true)
		if len(up) < 2 || !bytes.Equal(up[0], up[len(up)-1]) {
			t.Errorf("%d datagrams went up, want the same one at least twice", len(up))
		}
		down := path.passed(false)
		for _, b := range down {
			if !bytes.Equal(b[:2], down[0][:2]) || !bytes.Equal(b[4:], down[0][4:]) {
				t.Errorf("answers differ: %x and %x", down[0], b)
			}
		}
	})
}

// The same Confirmable datagram twice, from one socket and from another: the
// same bytes, and the handler ran once.
func TestLoopbackDuplicateDatagram(t *testing.T) {
	overLoopback(t, func(t *testing.T, tr transport) {
		p := newPair(t, nil)
		handler := new(counter)
		server := tr.serve(t, p.handler(t, handler, nil, oscorecoap.Config{}))
		r, _ := p.protect(t, coap.NewRequest(coap.POST, "/x"))
		option, _ := r.Options.Get(coap.OSCORE)
		datagram := append([]byte{0x44, byte(coap.POST), 0x12, 0x34, 't', 'o', 'k', 'n', 0x90 | byte(len(option))}, option...)
		datagram = append(append(datagram, 0xff), r.Payload...)
		var first []byte
		for _, socket := range []*net.UDPConn{openUDP(t, server), openUDP(t, server)} {
			for range 2 {
				if _, err := socket.Write(datagram); err != nil {
					t.Fatal(err)
				}
				got := readUDP(t, socket)
				if first == nil {
					first = got
				}
				if !bytes.Equal(got, first) || codeOf(got) != coap.Changed {
					t.Errorf("got %x, want %x", got, first)
				}
			}
		}
		if n := handler.n.Load(); n != 1 {
			t.Errorf("handler ran %d times, want once", n)
		}
	})
}

func openUDP(t *testing.T, server netip.AddrPort) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func readUDP(t *testing.T, conn *net.UDPConn) []byte {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return b[:n]
}

// Loss in both directions, with bodies of many blocks and both challenges.
func TestLoopbackWithLoss(t *testing.T) {
	overLoopback(t, func(t *testing.T, tr transport) {
		p := newPair(t, func(client, server *oscore.Config) { client.B2, server.B2 = oscore.B2Required, oscore.B2Required })
		var bodies []string
		h := p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			bodies = append(bodies, string(r.Payload))
			_ = w.Respond(&coap.Response{Code: coap.Content, Payload: slices.Clone(r.Payload)})
		}), nil, oscorecoap.Config{})
		path := newRelay(t, tr.serve(t, h))
		c := oscorecoap.NewClient(tr.dial(t, path.addr()), p.client, oscorecoap.ClientConfig{})
		n := 0
		path.setLoss(func(bool, []byte) bool { n++; return n%3 == 0 })
		for i := range 4 {
			r := coap.NewRequest(coap.PUT, "/x")
			r.Payload = bytes.Repeat([]byte{byte('a' + i)}, 4000)
			resp, err := c.Do(t.Context(), r)
			wantResponse(t, resp, err, coap.Content, string(r.Payload))
		}
		if len(bodies) != 4 {
			t.Errorf("handler ran %d times, want 4", len(bodies))
		}
	})
}

// A captured datagram, repeated from wherever, does not exhaust the transport:
// it is told of each repetition that it will not be answered.
func TestLoopbackFloodOfRepetitions(t *testing.T) {
	p := newPair(t, nil)
	h := p.handler(t, respondWith(coap.Content, string(make([]byte, 400))), nil, oscorecoap.Config{})
	understands := []coap.OptionID{coap.OSCORE}
	for name, serve := range map[string]func(context.Context, *net.UDPConn) error{
		"go-coap": gocoap.NewServer(gocoap.Config{Handler: h, Understands: understands, RequestsPerPeer: 4, Requests: 4}).Serve,
		"coap": func(ctx context.Context, conn *net.UDPConn) error {
			return (&coap.Server{Handler: h, Config: coap.Config{Understands: understands, MaxPending: 4}}).Serve(ctx, conn)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := serveUDP(t, serve)
			r, _ := p.protect(t, coap.NewRequest(coap.GET, "/x"))
			option, _ := r.Options.Get(coap.OSCORE)
			datagram := append([]byte{0x44, byte(coap.POST), 0, 1, 't', 'o', 'k', 'n', 0x90 | byte(len(option))}, option...)
			datagram = append(append(datagram, 0xff), r.Payload...)
			for i := range 40 {
				socket := openUDP(t, server)
				if _, err := socket.Write(datagram); err != nil {
					t.Fatal(err)
				}
				got := readUDP(t, socket)
				if len(got) > 136 && i > 0 {
					t.Errorf("repetition %d got %d bytes for %d", i, len(got), len(datagram))
				}
			}
			ping := []byte{0x40, byte(coap.GET), 0, 2} // somebody else, in clear
			socket := openUDP(t, server)
			if _, err := socket.Write(ping); err != nil {
				t.Fatal(err)
			}
			if got := readUDP(t, socket); codeOf(got) != coap.Unauthorized {
				t.Errorf("another request got %v, want %v", codeOf(got), coap.Unauthorized)
			}
		})
	}
}

// Many clients at once, each with several requests under way.
func TestLoopbackManyClients(t *testing.T) {
	overLoopback(t, func(t *testing.T, tr transport) {
		oracle := watch(t)
		var contexts oscore.Contexts
		var served atomic.Int32
		h := oscorecoap.Handler(&contexts, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			served.Add(1)
			_ = w.Respond(&coap.Response{Code: coap.Content, Payload: append([]byte(r.Identity.Subject()), r.Payload...)})
		}), nil, oscorecoap.Config{})
		addr := tr.serve(t, h)
		var work sync.WaitGroup
		for i := range 6 {
			params := oscore.Params{
				MasterSecret: []byte{byte(i), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
				SenderID:     []byte{byte(i)}, RecipientID: []byte{0xff},
			}
			swapped := params
			swapped.SenderID, swapped.RecipientID = params.RecipientID, params.SenderID
			subject := string(rune('A' + i))
			if err := contexts.Add(associate(t, oscore.Config{Params: swapped, Subject: subject, DangerNewAEAD: oracle})); err != nil {
				t.Fatal(err)
			}
			c := oscorecoap.NewClient(tr.dial(t, addr), associate(t, oscore.Config{Params: params, DangerNewAEAD: oracle}), oscorecoap.ClientConfig{})
			for j := range 3 {
				work.Go(func() {
					for k := range 20 {
						r := coap.NewRequest(coap.POST, "/x")
						r.Payload = bytes.Repeat([]byte{byte(j), byte(k)}, 10+k*20)
						resp, err := c.Do(t.Context(), r)
						if err != nil || string(resp.Payload) != subject+string(r.Payload) {
							var u *oscorecoap.UnprotectedError
							if errors.As(err, &u) {
								t.Errorf("client %s: got an unprotected %v %q with %v", subject, u.Response.Code, u.Response.Payload, u.Response.Options)
							}
							t.Errorf("client %s: got %v, error %v", subject, resp, err)
							return
						}
					}
				})
			}
		}
		work.Wait()
		if n := served.Load(); n != 6*3*20 {
			t.Errorf("handler ran %d times, want %d", n, 6*3*20)
		}
	})
}
