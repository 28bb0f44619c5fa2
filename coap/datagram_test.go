package coap

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// FuzzDatagram gives an endpoint any two datagrams: what it sends parses, fits
// what came, and is little.
func FuzzDatagram(f *testing.F) {
	for _, s := range []string{"40017d34bb74656d7065726174757265", "580100060f", "48010001aaaaaaaaaaaaaaaa60b1612301", "4401000201020304b16183ff00", "60001234", "70001234", "48450001aaaaaaaaaaaaaaaa"} {
		f.Add(unhexString(f, s), unhexString(f, "40020001b161"))
	}
	var mux Mux
	mux.Handle("/a", echoHandler)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		s := &sink{keep: true}
		l := bench(t, Config{Handler: Blockwise(&mux, BlockwiseConfig{})}, s)
		for _, in := range [][]byte{a, b} {
			before := len(s.sent)
			l.in[0] = datagram{buf: in, peer: peer1}
			l.handleBatch(1, time.Second)
			for _, out := range s.sent[before:] {
				var m message
				if err := m.parse(out); err != nil || len(out) > 136 && len(m.token) <= 64 {
					t.Fatalf("%x is answered by %x: %v", in, out, err)
				}
				if in[0]>>4&3 == byte(confirmable) && (m.typ != acknowledgement && m.typ != reset || in[2] != out[2] || in[3] != out[3]) {
					t.Fatalf("%x is answered by %x", in, out)
				}
				if in[0]>>4&3 > byte(nonConfirmable) {
					t.Fatalf("acknowledgement or Reset %x is answered by %x", in, out)
				}
			}
			if len(s.sent) > before+1 {
				t.Fatalf("%x is answered %d times", in, len(s.sent)-before)
			}
		}
		if n := l.e.Stats().Panics; n != 0 {
			t.Fatalf("%x, %x: %d panics", a, b, n)
		}
	})
}

// TestSockets: several sockets on one port are one endpoint, as server and as
// client.
func TestSockets(t *testing.T) {
	e, err := Listen("udp4", "127.0.0.1:0", Config{Handler: echoHandler, Sockets: 3, NStart: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c, err := Dial("udp4", e.LocalAddr().String(), Config{Handler: echoHandler})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			self := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), c.Endpoint.LocalAddr().Port())
			for i := range 20 {
				r := NewRequest(POST, "/")
				r.Payload = []byte{byte(i)}
				if resp, err := c.Do(context.Background(), r); err != nil || string(resp.Payload) != string(r.Payload) {
					t.Errorf("got %v, %v", resp, err)
				}
				r.RemoteAddr = self
				if resp, err := e.Do(context.Background(), r); err != nil || string(resp.Payload) != string(r.Payload) {
					t.Errorf("back: got %v, %v", resp, err)
				}
			}
		})
	}
	wg.Wait()
	if s := e.Stats(); s.Requests != 160 || s.Retransmissions != 0 {
		t.Errorf("got %+v", s)
	}
}

// TestPacketInfo: an answer leaves from the address that was asked, though the
// socket is bound to all.
func TestPacketInfo(t *testing.T) {
	for network, addresses := range map[string][]string{"udp4": {"127.0.0.1", "127.0.0.2"}, "udp": {"127.0.0.3", "::1"}} {
		local := "0.0.0.0:0"
		if network == "udp" {
			local = "[::]:0"
		}
		var got sync.Map
		e, err := Listen(network, local, Config{Handler: HandlerFunc(func(w ResponseWriter, r *Request) {
			got.Store(r.LocalAddr.Addr().String(), true)
			_ = w.Respond(r.NewResponse(Changed))
		})})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addresses {
			to := netip.AddrPortFrom(netip.MustParseAddr(a), e.LocalAddr().Port())
			c, err := Dial("udp", to.String(), Config{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			if _, err := c.Get(ctx, "/"); err != nil {
				t.Errorf("%s: %v", a, err)
			}
			if _, ok := got.Load(a); !ok {
				t.Errorf("%s: the handler does not know", a)
			}
			cancel()
			_ = c.Close()
		}
		_ = e.Close()
	}
}
