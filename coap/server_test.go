package coap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

// respond answers with a code and n bytes.
func respond(code coap.Code, n int) coap.HandlerFunc {
	return func(w coap.ResponseWriter, r *coap.Request) {
		resp := r.NewResponse(code)
		resp.Payload = pattern(n)
		_ = w.Respond(resp)
	}
}

// TestAmplification: nobody gets more than 136 bytes sent to an address that
// has not shown that it listens, and a client that shows it gets its answer.
func TestAmplification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		var posts atomic.Int64
		var mux coap.Mux
		mux.Handle("/small", respond(coap.Content, 100))
		mux.Handle("/large", respond(coap.Content, 1000))
		mux.HandleFunc("POST /unsafe", func(w coap.ResponseWriter, r *coap.Request) {
			posts.Add(1)
			respond(coap.Created, 1000)(w, r)
		})
		mux.Handle("/late", coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			posts.Add(1)
			go func() {
				time.Sleep(3 * time.Second)
				respond(coap.Created, 1000)(w, coap.NewRequest(coap.POST, "/"))
			}()
		}))
		mux.HandleFunc("/observe", func(w coap.ResponseWriter, r *coap.Request) {
			resp := notification(string(pattern(1000)))
			_ = w.Respond(resp)
		})
		server := endpoint(t, n, serverAddr, coap.Config{Handler: &mux})
		peer := raw{t, n.Listen(clientAddr)}
		for _, path := range []string{"large", "unsafe", "observe", "late"} {
			for _, typ := range []byte{0x40, 0x50} {
				r := coap.NewRequest(coap.POST, "/"+path)
				b := []byte{typ | 1, byte(r.Code), 1, byte(len(path)) ^ typ, 0xaa, 0xb0 | byte(len(path))}
				n.Send(coaptest.Datagram{From: clientAddr, To: serverAddr, Data: append(b, path...)})
				total := 0
				for {
					d, ok := peer.sock.Receive(100 * time.Second)
					if !ok {
						break
					}
					//spec:9175-2.2.1-3
					//spec:9175-2.4-2
					//spec:9175-2.4-3
					if total += len(d.Data); len(d.Data) > 136 || d.Data[0]&0x30 == 0 {
						t.Errorf("%s: got %x", path, d.Data)
					}
				}
				if total == 0 || total > 136 {
					t.Errorf("%s: got %d bytes", path, total)
				}
			}
		}
		if st := server.Stats(); st.Observations != 0 || st.Challenges != 8 {
			t.Errorf("got %+v", st)
		}
		posts.Store(0)
		client := endpoint(t, n, netip.MustParseAddrPort("198.51.100.2:2"), coap.Config{})
		//spec:9175-2.2.1-1
		//spec:9175-2.3-2
		for i, tt := range []struct {
			method coap.Code
			path   string
		}{{coap.POST, "/late"}, {coap.POST, "/unsafe"}, {coap.GET, "/large"}, {coap.GET, "/small"}} {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(10 + i)}), 2)
			fresh := endpoint(t, n, from, coap.Config{})
			for _, e := range []*coap.Endpoint{fresh, client} {
				if resp, err := e.Do(context.Background(), request(tt.method, tt.path)); err != nil || !resp.Code.IsSuccess() {
					t.Errorf("%s: got %v, %v", tt.path, resp, err)
				}
			}
		}
		if posts.Load() != 4 {
			t.Errorf("executed %d times, want 4: an answer kept is not made again", posts.Load())
		}
		before := server.Stats().Challenges
		if resp, err := client.Do(context.Background(), request(coap.GET, "/large")); err != nil || len(resp.Payload) != 1000 {
			t.Errorf("got %v, %v", resp, err)
		}
		if server.Stats().Challenges != before {
			t.Error("a validated peer was challenged again")
		}
		forged := request(coap.GET, "/large")
		forged.Options.Add(coap.Echo, make([]byte, 12))
		stranger := endpoint(t, n, netip.MustParseAddrPort("198.51.100.3:2"), coap.Config{})
		if resp, err := stranger.Do(context.Background(), forged); err != nil || resp.Code != coap.Unauthorized {
			t.Errorf("forged Echo: got %v, %v", resp, err)
		}
	})
}

// TestAmplificationLimit: 136 bytes are the most, unless the handler says that the peer
// has shown its address.
func TestAmplificationLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		var mux coap.Mux
		mux.Handle("/a", respond(coap.Content, 130))
		mux.Handle("/b", respond(coap.Content, 131))
		mux.Handle("/c", coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			resp := r.NewResponse(coap.Content)
			resp.Payload, resp.AddressShown = pattern(131), true
			_ = w.Respond(resp)
		}))
		endpoint(t, n, serverAddr, coap.Config{Handler: &mux})
		peer := raw{t, n.Listen(clientAddr)}
		for _, tt := range []struct {
			path string
			want coap.Code
		}{{"61", coap.Content}, {"62", coap.Unauthorized}, {"63", coap.Content}} {
			peer.send("410100" + tt.path + "aab1" + tt.path)
			if d, ok := peer.sock.Receive(time.Second); !ok || d.Data[1] != byte(tt.want) || len(d.Data) > 136 && tt.path != "63" {
				t.Errorf("%s: got %d bytes, %x", tt.path, len(d.Data), d.Data)
			}
		}
	})
}

func TestNoResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		var mux coap.Mux
		mux.Handle("/x", respond(coap.Changed, 0))
		mux.Handle("/y", respond(coap.InternalServerError, 0))
		endpoint(t, n, serverAddr, coap.Config{Handler: &mux})
		peer := raw{t, n.Listen(clientAddr)}
		//spec:7967-2.1-1
		for i, tt := range []struct{ typ, path, value, want string }{
			{"4", "78", "02", "6000%s"}, // 2.xx not wanted
			{"5", "78", "02", ""},
			{"4", "78", "18", "6144%saa"}, // errors not wanted
			{"4", "79", "02", "61a0%saa"},
			{"5", "7a", "08", ""}, // 4.04
			{"4", "7a", "1a", "6000%s"},
			{"5", "79", "1a", ""},
			{"4", "78", "00", "6144%saa"},
		} {
			id := fmt.Sprintf("%04x", i+1)
			want := tt.want
			if want != "" {
				want = fmt.Sprintf(want, id)
			}
			req := tt.typ + "102" + id + "aab1" + tt.path + "d1ea" + tt.value
			peer.send(req)
			peer.expect(req, want)
			if tt.typ == "4" {
				peer.send(req)
				peer.expect("again "+req, want)
			}
		}
	})
}

func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		var got any
		server := endpoint(t, n, serverAddr, coap.Config{
			Handler:  coap.HandlerFunc(func(coap.ResponseWriter, *coap.Request) { panic("bug") }),
			Panicked: func(v any) { got = v },
		})
		peer := raw{t, n.Listen(clientAddr)}
		peer.send("41010001aa")
		peer.expect("panic", "61a00001aa")
		if got != "bug" || server.Stats().Panics != 1 {
			t.Errorf("got %v", got)
		}
	})
}

// TestSlowPeer: 40 slow requests of one peer delay nobody else, and the peer
// is told to come later.
func TestSlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		pool := coap.NewPool(coap.PoolConfig{Workers: 8, Queue: 16, PerPeer: 4})
		var mux coap.Mux
		mux.Handle("/slow", pool.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			time.Sleep(10 * time.Second)
			_ = w.Respond(&coap.Response{Code: coap.Changed})
		})))
		mux.Handle("/fast", respond(coap.Content, 3))
		endpoint(t, n, serverAddr, coap.Config{Handler: &mux})
		hostile := endpoint(t, n, clientAddr, coap.Config{NStart: 40})
		codes := make(chan coap.Code, 40)
		start := time.Now()
		for range 40 {
			go func() {
				resp, err := hostile.Do(context.Background(), request(coap.POST, "/slow"))
				if err != nil {
					t.Error(err)
					codes <- 0
					return
				}
				//spec:8516-4-1
				if age, ok := resp.Options.Uint(coap.MaxAge); resp.Code == coap.TooManyRequests && (!ok || age != 2) {
					t.Errorf("Max-Age: got %d", age)
				}
				codes <- resp.Code
			}()
		}
		synctest.Wait()
		honest := endpoint(t, n, netip.MustParseAddrPort("198.51.100.7:7"), coap.Config{})
		for _, path := range []string{"/fast", "/slow"} {
			before := time.Now()
			resp, err := honest.Do(context.Background(), request(coap.POST, path))
			took := time.Since(before)
			if err != nil || !resp.Code.IsSuccess() || path == "/fast" && took > 0 || took > 10*time.Second {
				t.Errorf("%s: got %v, %v after %v", path, resp, err, took)
			}
		}
		count := map[coap.Code]int{}
		for range 40 {
			count[<-codes]++
		}
		if count[coap.Changed] != 4 || count[coap.TooManyRequests] != 36 {
			t.Errorf("got %v after %v, want 4 done and 36 refused", count, time.Since(start))
		}
		pool.Close()
	})
}

func TestPoolFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := coap.NewPool(coap.PoolConfig{Workers: 2, Queue: 3, PerPeer: 1})
		h := pool.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			time.Sleep(time.Second)
			_ = w.Respond(&coap.Response{Code: coap.Changed, Payload: r.Payload})
		}))
		codes := make(chan coap.Code, 20)
		for i := range 20 {
			d := &coaptest.Direct{Handler: h, Identity: identity(fmt.Sprint(i))}
			go func() {
				r := coap.NewRequest(coap.POST, "/")
				resp, _ := d.Do(context.Background(), r)
				codes <- resp.Code
			}()
		}
		count := map[coap.Code]int{}
		for range 20 {
			count[<-codes]++
		}
		if count[coap.Changed] != 5 || count[coap.ServiceUnavailable] != 15 {
			t.Errorf("got %v, want 5 done and 15 refused", count)
		}
		pool.Close()
	})
}

// TestShutdown: what was taken is finished, what comes is refused.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		pool := coap.NewPool(coap.PoolConfig{})
		s := &coap.Server{Handler: pool.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			time.Sleep(5 * time.Second)
			_ = w.Respond(&coap.Response{Code: coap.Changed})
		}))}
		ctx, cancel := context.WithCancel(context.Background())
		served := make(chan error)
		go func() { served <- s.Serve(ctx, n.Listen(serverAddr)) }()
		synctest.Wait()
		client := endpoint(t, n, clientAddr, coap.Config{NStart: 2})
		first := make(chan coap.Code)
		go func() {
			resp, err := client.Do(context.Background(), request(coap.POST, "/x"))
			if err != nil {
				t.Error(err)
			}
			first <- resp.Code
		}()
		time.Sleep(time.Second)
		cancel()
		time.Sleep(time.Second)
		resp, err := client.Do(context.Background(), request(coap.POST, "/x"))
		if err != nil || resp.Code != coap.ServiceUnavailable || !resp.Options.Has(coap.MaxAge) {
			t.Errorf("while draining: got %v, %v", resp, err)
		}
		if code := <-first; code != coap.Changed {
			t.Errorf("taken before: got %v", code)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		pool.Close()
	})
}

func TestMulticast(t *testing.T) {
	group := netip.MustParseAddrPort("224.0.1.187:5683")
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		client := endpoint(t, n, clientAddr, coap.Config{})
		sock := n.Listen(group)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		var from []netip.AddrPort
		done := make(chan error)
		go func() {
			r := coap.NewRequest(coap.GET, "/.well-known/core")
			r.RemoteAddr = group
			done <- client.DoMulticast(ctx, r, func(resp *coap.Response) { from = append(from, resp.RemoteAddr) })
		}()
		d, ok := sock.Receive(time.Second)
		//spec:7252-8.1-1
		if !ok || d.Data[0] != 0x58 {
			t.Fatalf("got %x, want NON", d.Data)
		}
		//spec:7252-8.2-1
		for i := range 3 {
			answer := append([]byte{0x58, 0x45, 0, byte(i)}, d.Data[4:12]...)
			n.Send(coaptest.Datagram{From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 5683), To: clientAddr, Data: answer})
		}
		if err := <-done; err != nil || len(from) != 3 {
			t.Errorf("got %v, %v", from, err)
		}
	})
}

func TestNewEndpointRefuses(t *testing.T) {
	n := new(coaptest.Network)
	//spec:7252-4.8.1-2
	if _, err := coap.NewEndpoint(n.Listen(clientAddr), coap.Config{AckRandomFactor: 0.5}); !errors.Is(err, coap.ErrConfig) {
		t.Errorf("got %v", err)
	}
}

// TestTruncated: a request longer than the buffer gets 4.13, and a smaller
// one is served.
func TestTruncated(t *testing.T) {
	server, err := coap.Listen("udp", "127.0.0.1:0", coap.Config{Handler: echo, MaxMessageSize: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := coap.Listen("udp", "127.0.0.1:0", coap.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for n, want := range map[int]coap.Code{100: coap.Content, 2000: coap.RequestEntityTooLarge} {
		r := coap.NewRequest(coap.POST, "/x")
		r.RemoteAddr = server.LocalAddr()
		r.Payload = bytes.Repeat([]byte{1}, n)
		if resp, err := client.Do(context.Background(), r); err != nil || resp.Code != want {
			t.Errorf("%d bytes: got %v, %v, want %v", n, resp, err, want)
		}
	}
}

// TestEchoAfterBlocks: the repetition with Echo of the last block of a FETCH gets
// the answer, though the body in blocks was used up.
func TestEchoAfterBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(coaptest.Network)
		server := endpoint(t, n, serverAddr, coap.Config{Handler: echo})
		client := endpoint(t, n, clientAddr, coap.Config{})
		r := request(coap.FETCH, "/x")
		r.Payload = pattern(3000)
		resp, err := coap.BlockwiseClient(client, coap.BlockwiseConfig{}).Do(context.Background(), r)
		if err != nil || resp.Code != coap.Content || !bytes.Equal(resp.Payload, r.Payload) {
			t.Errorf("got %v, %v, want what was sent", resp, err)
		}
		if got := server.Stats().Challenges; got != 1 {
			t.Errorf("got %d challenges, want 1", got)
		}
	})
}
