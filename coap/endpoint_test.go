package coap_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

var (
	serverAddr = netip.MustParseAddrPort("192.0.2.1:5683")
	clientAddr = netip.MustParseAddrPort("198.51.100.1:40001")
)

func endpoint(t *testing.T, n *coaptest.Network, addr netip.AddrPort, cfg coap.Config) *coap.Endpoint {
	t.Helper()
	e, err := coap.NewEndpoint(n.Listen(addr), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// raw is a peer that speaks bytes.
type raw struct {
	t    *testing.T
	sock *coaptest.Socket
}

func (r raw) send(s string) {
	r.t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.sock.WriteTo(b, netUDP(serverAddr)); err != nil {
		r.t.Fatal(err)
	}
}

// expect receives one datagram, or none for "".
func (r raw) expect(what, want string) {
	r.t.Helper()
	d, ok := r.sock.Receive(time.Second)
	if got := hex.EncodeToString(d.Data); got != want || ok != (want != "") {
		r.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestEndpointRoundTrip(t *testing.T) {
	for _, network := range []string{"127.0.0.1:0", "[::1]:0"} {
		server, err := coap.Listen("udp", network, coap.Config{Handler: coap.Blockwise(echo, coap.BlockwiseConfig{}), DangerUnlimited: true})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		c, err := coap.Dial("udp", server.LocalAddr().String(), coap.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, n := range []int{0, 10, 1024, 5000} {
			for _, non := range []bool{false, true} {
				r := coap.NewRequest(coap.POST, "/echo")
				r.Payload = pattern(n)
				r.NonConfirmable = non
				resp, err := c.Do(context.Background(), r)
				if err != nil || resp.Code != coap.Content || !bytes.Equal(resp.Payload, r.Payload) {
					t.Fatalf("%s: got %v, %v", network, resp, err)
				}
			}
		}
		if err := c.Ping(context.Background()); err != nil {
			t.Errorf("ping: %v", err)
		}
	}
}

// TestMalformed sends what no client should: the answer is a Reset, 4.02 or
// silence as the RFC says, and neither the peer nor what is remembered of its
// messages is lost.
func TestMalformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		calls := 0
		server := endpoint(t, n, serverAddr, coap.Config{Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			calls++
			_ = w.Respond(&coap.Response{Code: coap.Changed})
		})})
		peer := raw{t, n.Listen(clientAddr)}
		const good, answer = "42020001" + "aabb" + "b178", "62440001" + "aabb"
		peer.send(good)
		peer.expect("good request", answer)
		for _, tt := range []struct{ name, in, want string }{
			//spec:7252-3-2
			{"too short", "400200", ""},
			{"nothing", "", ""},
			{"version 0", "02020001aabbb178", ""},
			{"version 2", "82020001aabbb178", ""},
			{"version 3", "c2020001aabbb178", ""},
			//spec:7252-4.2-1
			{"ping", "40001234", "70001234"},
			{"ping with bytes", "4000123400", "70001234"},
			{"ping with token", "4100123401", "70001234"},
			//spec:7252-4.3-3
			//spec:7252-4.3-4
			{"empty NON", "50001234", ""},
			{"empty NON with bytes", "5000123401", ""},
			{"token length 9 cut off", "49020001aabb", "70000001"},
			{"NON, token length 9 cut off", "59020001aabb", ""},
			{"token length 15", "4f020001aabb00000000000000000000000000", "70000001"},
			{"NON, token length 15", "5f020001aabb00000000000000000000000000", ""},
			//spec:7252-4.2-1
			//spec:7252-4.2-4
			//spec:7252-4.2-5
			{"reserved class 1", "42210001aabb", "70000001"},
			{"reserved class 3", "42610001aabb", "70000001"},
			{"reserved class 6", "42c10001aabb", "70000001"},
			{"reserved class 7", "42e10001aabb", "70000001"},
			{"NON, reserved class 7", "52e10001aabb", ""},
			{"marker without payload", "42020001aabbff", "70000001"},
			{"NON, marker without payload", "52020001aabbff", ""},
			{"option delta 15", "42020001aabbf1", "70000001"},
			{"option length 15", "42020001aabb1f", "70000001"},
			{"option delta 13 cut off", "42020001aabbd0", "70000001"},
			{"option delta 14 cut off", "42020001aabbe000", "70000001"},
			{"option length cut off", "42020001aabbb5", "70000001"},
			{"option number above 65535", "42020001aabbe0ffff", "70000001"},
			//spec:7252-4.2-6
			{"ACK with a request", "62020001aabbb178", ""},
			{"ACK of nothing", "60001234", ""},
			{"ACK with reserved class", "62e10001aabb", ""},
			{"ACK with format error", "62450001aabbff", ""},
			{"RST of nothing", "70001234", ""},
			{"RST that is not empty", "72450001aabb", ""},
			{"RST with bytes", "7000123400", ""},
			//spec:7252-5.3.2-5
			{"unexpected CON response", "42451234aabb", "70001234"},
			{"unexpected NON response", "52451234aabb", ""},
			{"unexpected ACK response", "62451234aabb", ""},
			//spec:7252-5.4.1-2
			{"unknown critical option", "42020002aabb" + "e0fef2", "62820002aabbff" + hex.EncodeToString([]byte("option 65535"))},
			{"OSCORE option here", "42020003aabb" + "90", "62820003aabbff" + hex.EncodeToString([]byte("option 9"))},
			//spec:7252-5.4.1-4
			{"NON, unknown critical option", "52020004aabb" + "90", ""},
			//spec:7252-5.4.1-1
			{"unknown elective option", "42020005aabb" + "e0fef1", "62440005aabb"},
			//spec:7252-5.4.3-1
			{"Accept too long", "42020006aabb" + "d3040000 00", "62820006aabbff" + hex.EncodeToString([]byte("option 17"))},
			{"ETag too long", "42020007aabb" + "49000000000000000000", "62440007aabb"},
			//spec:7252-5.4.5-2
			{"Accept twice", "42020008aabb" + "d00400", "62820008aabbff" + hex.EncodeToString([]byte("option 17"))},
			//spec:7252-5.10.2-1
			{"Proxy-Uri", "42020009aabb" + "d11661", "62a50009aabb"},
			//spec:8768-3-3
			{"Hop-Limit 0", "4202000aaabb" + "d10300", "6280000aaabb"},
			//spec:8974-2.2.2-2
			{"token of 65", "4d02000b34" + hex.EncodeToString(make([]byte, 65)), "6d80000b34" + hex.EncodeToString(make([]byte, 65))},
			{"token of 64", "4d02000c33" + hex.EncodeToString(make([]byte, 64)), "6d44000c33" + hex.EncodeToString(make([]byte, 64))},
			//spec:7252-5.8-1
		} {
			peer.send(removeSpaces(tt.in))
			peer.expect(tt.name, tt.want)
			before := calls
			peer.send(good)
			peer.expect("duplicate after "+tt.name, answer)
			if calls != before {
				t.Errorf("%s: the duplicate was executed", tt.name)
			}
		}
		if s := server.Stats(); s.Panics != 0 || s.FormatErrors == 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func removeSpaces(s string) string { return string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)) }

// TestRetransmission checks the times of a Confirmable request that nobody
// answers (RFC 7252, Section 4.2).
func TestRetransmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		var first []byte
		start := time.Now()
		n := &coaptest.Network{Filter: func(d coaptest.Datagram) []coaptest.Datagram {
			times = append(times, time.Since(start))
			if first == nil {
				first = d.Data
			}
			if !bytes.Equal(d.Data, first) {
				t.Error("a retransmission differs")
			}
			return nil
		}}
		e := endpoint(t, n, clientAddr, coap.Config{})
		//spec:7252-4.2-7
		//spec:7252-4.2-8
		firsts := map[time.Duration]bool{}
		for range 20 {
			times, first, start = nil, nil, time.Now()
			_, err := e.Do(context.Background(), request(coap.GET, "/x"))
			took := time.Since(start)
			if !errors.Is(err, coap.ErrTimeout) || len(times) != 5 {
				t.Fatalf("got %v after %d messages", err, len(times))
			}
			timeout := times[1]
			firsts[timeout] = true
			if timeout < 2*time.Second || timeout > 3*time.Second {
				t.Errorf("first timeout %v, want 2 s to 3 s", timeout)
			}
			for i, want := range []time.Duration{0, timeout, 3 * timeout, 7 * timeout, 15 * timeout} {
				if times[i] != want {
					t.Errorf("transmission %d at %v, want %v", i, times[i], want)
				}
			}
			if took != 31*timeout {
				t.Errorf("gave up after %v, want %v", took, 31*timeout)
			}
		}
		if len(firsts) < 10 {
			t.Errorf("only %d different first timeouts of 20", len(firsts))
		}
		if s := e.Stats(); s.Retransmissions != 80 || s.Timeouts != 20 || s.Outstanding != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

func request(code coap.Code, path string) *coap.Request {
	r := coap.NewRequest(code, path)
	r.RemoteAddr = serverAddr
	return r
}

// TestDedupExpiry: a Confirmable message is known for EXCHANGE_LIFETIME, a
// Non-confirmable one for NON_LIFETIME, and no longer.
func TestDedupExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		calls := 0
		endpoint(t, n, serverAddr, coap.Config{Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			calls++
			_ = w.Respond(&coap.Response{Code: coap.Changed, Payload: []byte{byte('0' + calls)}})
		})})
		peer := raw{t, n.Listen(clientAddr)}
		const con, non = "41020001aab178", "51020002aab178"
		//spec:7252-4.5-1
		peer.send(con)
		peer.expect("request", "61440001aaff31")
		time.Sleep(246 * time.Second)
		synctest.Wait()
		peer.send(con)
		peer.expect("duplicate after 246 s", "61440001aaff31")
		time.Sleep(time.Second)
		peer.send(con)
		peer.expect("the same after 247 s", "61440001aaff32")
		peer.send(non)
		if d, ok := peer.sock.Receive(time.Second); !ok || d.Data[0] != 0x51 || calls != 3 {
			t.Errorf("NON request: got %x, %d calls", d.Data, calls)
		}
		time.Sleep(143 * time.Second)
		peer.send(non)
		peer.expect("NON duplicate after 144 s", "")
		time.Sleep(time.Second)
		peer.send(non)
		if _, ok := peer.sock.Receive(time.Second); !ok || calls != 4 {
			t.Errorf("NON after 145 s: %d calls, want 4", calls)
		}
		other := raw{t, n.Listen(netip.MustParseAddrPort("198.51.100.1:40002"))}
		other.send(con)
		other.expect("same ID from another peer", "61440001aaff35")
	})
}

// TestSeparate: an answer that takes its time is promised by an Empty
// acknowledgement and then sent on its own, until it is acknowledged.
func TestSeparate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		calls := 0
		pool := coap.NewPool(coap.PoolConfig{})
		server := endpoint(t, n, serverAddr, coap.Config{Handler: pool.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			calls++
			time.Sleep(5 * time.Second)
			_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte(r.Path())})
			if err := w.Respond(&coap.Response{Code: coap.Content}); !errors.Is(err, coap.ErrResponded) {
				t.Errorf("second Respond: %v", err)
			}
		}))})
		peer := raw{t, n.Listen(clientAddr)}
		const get = "41010007aab178"
		start := time.Now()
		peer.send(get)
		peer.expect("acknowledgement", "60000007")
		if d := time.Since(start); d != 500*time.Millisecond {
			t.Errorf("acknowledged after %v, want 500 ms", d)
		}
		//spec:7252-5.2.2-1
		//spec:7252-4.2-2
		//spec:7252-4.2-3
		//spec:7252-4.4-1
		peer.send(get)
		peer.expect("duplicate while it is worked on", "60000007")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		d, ok := peer.sock.Receive(time.Second)
		if !ok || len(d.Data) != 8 || d.Data[0] != 0x41 || d.Data[1] != 0x45 || string(d.Data[5:]) != "\xff/x" {
			t.Fatalf("separate response: got %x", d.Data)
		}
		peer.send(get)
		//spec:7252-4.2-9
		//spec:7252-4.2-10
		//spec:7252-5.2.2-2
		peer.expect("duplicate after the response", "60000007")
		again, ok := peer.sock.Receive(4 * time.Second)
		if !ok || !bytes.Equal(again.Data, d.Data) {
			t.Errorf("retransmission: got %x, want %x", again.Data, d.Data)
		}
		//spec:7252-5.2.2-4
		peer.send("60" + "00" + hex.EncodeToString(d.Data[2:4]))
		if _, ok := peer.sock.Receive(100 * time.Second); ok {
			t.Error("retransmitted after the acknowledgement")
		}
		if s := server.Stats(); calls != 1 || s.Pending != 0 || s.Outstanding != 0 {
			t.Errorf("%d calls, %+v", calls, s)
		}
		// A quick answer of the pool still travels in the acknowledgement.
		client := endpoint(t, n, netip.MustParseAddrPort("198.51.100.9:1"), coap.Config{})
		resp, err := client.Do(context.Background(), request(coap.GET, "/slow"))
		if err != nil || string(resp.Payload) != "/slow" {
			t.Errorf("client: got %v, %v", resp, err)
		}
		pool.Close()
	})
}

// TestClientMatching: only a response from the right peer with the right
// token, and in an acknowledgement the right Message ID, is taken.
func TestClientMatching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		server := raw{t, n.Listen(serverAddr)}
		e := endpoint(t, n, clientAddr, coap.Config{})
		type answer struct {
			resp *coap.Response
			err  error
		}
		do := func(r *coap.Request) chan answer {
			c := make(chan answer, 1)
			go func() {
				resp, err := e.Do(context.Background(), r)
				c <- answer{resp, err}
			}()
			return c
		}
		receive := func() (token, id []byte) {
			d, ok := server.sock.Receive(time.Minute)
			if !ok || len(d.Data) < 12 || d.Data[0]&15 != 8 {
				t.Fatalf("got %x", d.Data)
			}
			return d.Data[4:12], d.Data[2:4]
		}
		send := func(from netip.AddrPort, parts ...[]byte) {
			n.Send(coaptest.Datagram{From: from, To: clientAddr, Data: bytes.Join(parts, nil)})
			synctest.Wait()
		}
		b := func(v ...byte) []byte { return v }

		c := do(request(coap.GET, "/x"))
		//spec:9175-4.2-1
		token, id := receive()
		other := netip.MustParseAddrPort("192.0.2.1:5684")
		//spec:7252-5.3.2-1
		//spec:7252-5.2.1-1
		//spec:7252-5.3.2-2
		//spec:7252-5.3.2-3
		//spec:7252-5.2.3-1
		//spec:7252-5.3.2-4
		//spec:7252-4.4-3
		send(other, b(0x68, 0x45), id, token, b(0xff, 'a'))
		send(serverAddr, b(0x68, 0x45, id[0]^1, id[1]), token, b(0xff, 'b'))
		send(serverAddr, b(0x68, 0x45), id, token[:7], b(0, 0xff, 'c'))
		send(other, b(0x58, 0x45, 1, 1), token, b(0xff, 'd'))
		send(other, b(0x70, 0), id)
		//spec:7252-5.4.1-3
		send(serverAddr, b(0x68, 0x45), id, token, b(0xb1, 'x', 0xff, 'e')) // Uri-Path in a response
		select {
		case a := <-c:
			t.Fatalf("took %v, %v", a.resp, a.err)
		default:
		}
		// The last one has ended the transmission, but not the request.
		send(serverAddr, b(0x58, 0x45, 1, 2), token, b(0xff, 'f'))
		if a := <-c; a.err != nil || string(a.resp.Payload) != "f" {
			t.Errorf("NON response: got %v, %v", a.resp, a.err)
		}

		c = do(request(coap.GET, "/x"))
		token, _ = receive()
		//spec:7252-5.2.2-3
		for range 2 {
			send(serverAddr, b(0x48, 0x45, 9, 9), token, b(0xff, 'g'))
			server.expect("acknowledgement of a separate response", "60000909")
		}
		if a := <-c; a.err != nil || string(a.resp.Payload) != "g" {
			t.Errorf("separate response before the acknowledgement: got %v, %v", a.resp, a.err)
		}
		server.expect("retransmission after the response", "")

		c = do(request(coap.GET, "/x"))
		_, id = receive()
		send(serverAddr, b(0x70, 0), id)
		if a := <-c; !errors.Is(a.err, coap.ErrReset) {
			t.Errorf("Reset: got %v", a.err)
		}

		//spec:7252-4.7-1
		c, c2 := do(request(coap.GET, "/1")), do(request(coap.GET, "/2"))
		token, id = receive()
		if d, ok := server.sock.Receive(time.Second); ok {
			t.Fatalf("NSTART is 1: got %x", d.Data)
		}
		send(serverAddr, b(0x60, 0), id) // acknowledged: no longer outstanding
		token2, id2 := receive()
		send(serverAddr, b(0x68, 0x45), id2, token2)
		send(serverAddr, b(0x58, 0x45, 1, 9), token)
		if a, a2 := <-c, <-c2; a.err != nil || a2.err != nil {
			t.Errorf("two: %v, %v", a.err, a2.err)
		}
		if s := e.Stats(); s.Outstanding != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestNoLongerWanted: a request that waits for its turn is not sent once its
// caller has given up, and a registration not retransmitted once a
// notification has come.
func TestNoLongerWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		server := raw{t, n.Listen(serverAddr)}
		e := endpoint(t, n, clientAddr, coap.Config{})
		done := make(chan error, 2)
		go func() {
			_, err := e.Do(context.Background(), request(coap.GET, "/first"))
			done <- err
		}()
		synctest.Wait()
		first, _ := server.sock.Receive(time.Second)
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, err := e.Do(ctx, request(coap.GET, "/second"))
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		n.Send(coaptest.Datagram{From: serverAddr, To: clientAddr, Data: append([]byte{0x68, 0x45}, first.Data[2:12]...)})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		server.expect("a request given up", "")

		ctx, cancel = context.WithCancel(context.Background())
		go func() { done <- e.Observe(ctx, request(coap.GET, "/x"), func(*coap.Response) {}) }()
		reg, _ := server.sock.Receive(time.Second)
		n.Send(coaptest.Datagram{From: serverAddr, To: clientAddr, Data: append(append([]byte{0x58, 0x45, 7, 7}, reg.Data[4:12]...), 0x61, 5)})
		time.Sleep(10 * time.Second)
		server.expect("a registration answered", "")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestDoContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		e := endpoint(t, n, clientAddr, coap.Config{})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := e.Do(ctx, request(coap.GET, "/x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if s := e.Stats(); s.Outstanding != 0 {
			t.Errorf("still outstanding: %+v", s)
		}
		short, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		if err := e.Client(serverAddr).Ping(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ping: got %v", err)
		}
		if err := e.Client(serverAddr).Ping(context.Background()); !errors.Is(err, coap.ErrTimeout) {
			t.Errorf("ping of nobody: got %v", err)
		}
		for name, r := range map[string]*coap.Request{
			"no address":      coap.NewRequest(coap.GET, "/x"),
			"a response code": request(coap.Content, "/x"),
			//spec:7252-8.1-1
			"Confirmable to a group": {Code: coap.GET, RemoteAddr: netip.MustParseAddrPort("224.0.1.187:5683")},
		} {
			if _, err := e.Do(context.Background(), r); !errors.Is(err, coap.ErrBadRequest) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		done := make(chan error)
		go func() {
			_, err := e.Do(context.Background(), request(coap.GET, "/x"))
			done <- err
		}()
		synctest.Wait()
		_ = e.Close()
		if err := <-done; !errors.Is(err, coap.ErrClosed) {
			t.Errorf("Close: got %v", err)
		}
		if _, err := e.Do(context.Background(), request(coap.GET, "/x")); !errors.Is(err, coap.ErrClosed) {
			t.Errorf("after Close: got %v", err)
		}
	})
}
