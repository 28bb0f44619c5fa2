package coap_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

// TestChaosOnce: however datagrams are lost, doubled, held back and
// reordered, no request is executed twice, every answer belongs to its
// request, and nearly all requests come through.
func TestChaosOnce(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				chaos := &coaptest.Chaos{Seed: seed, Loss: 0.25, Duplicate: 0.3, Reorder: 0.4, MaxDelay: 3 * time.Second}
				n := chaos.Network()
				var mu sync.Mutex
				executed := map[string]int{}
				pool := coap.NewPool(coap.PoolConfig{PerPeer: 16})
				count := func(w coap.ResponseWriter, r *coap.Request) {
					mu.Lock()
					executed[string(r.Payload)]++
					mu.Unlock()
					echo(w, r)
				}
				var mux coap.Mux
				mux.HandleFunc("/inline", count)
				mux.Handle("/late", pool.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
					time.Sleep(time.Second)
					count(w, r)
				})))
				mux.Handle("/blocks", coap.Blockwise(coap.HandlerFunc(count), coap.BlockwiseConfig{}))
				server := endpoint(t, n, serverAddr, coap.Config{Handler: &mux, DangerUnlimited: true})
				var wg sync.WaitGroup
				var failed atomic.Int64
				const clients, each = 4, 25
				for c := range clients {
					e := endpoint(t, n, netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(c)}), 1), coap.Config{})
					client := e.Client(serverAddr)
					wg.Go(func() {
						for i := range each {
							size := 8
							path := []string{"/inline", "/late", "/blocks"}[i%3]
							if i%3 == 2 {
								size = 3000
							}
							r := coap.NewRequest(coap.POST, path)
							r.Payload = make([]byte, size)
							binary.BigEndian.PutUint64(r.Payload, uint64(c*each+i))
							resp, err := client.Do(context.Background(), r)
							switch {
							case errors.Is(err, coap.ErrTimeout), errors.Is(err, coap.ErrReset):
								failed.Add(1)
							case err != nil || resp.Code != coap.Content || !bytes.Equal(resp.Payload, r.Payload):
								t.Errorf("%s: got %v, %v", path, resp, err)
							}
						}
					})
				}
				wg.Wait()
				for payload, times := range executed {
					if times != 1 {
						t.Errorf("%x executed %d times", payload[:8], times)
					}
				}
				if n := failed.Load(); n > clients*each/10 {
					t.Errorf("%d of %d requests failed", n, clients*each)
				}
				if s := server.Stats(); s.Panics != 0 || s.FormatErrors != 0 {
					t.Errorf("got %+v", s)
				}
				pool.Close()
				time.Sleep(5 * time.Minute) // what is on its way arrives
			})
		})
	}
}

// TestChaosCorrupt: with wrong bits and missing ends nothing panics, nothing
// is left over, and a good network afterwards is used at once.
func TestChaosCorrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chaos := &coaptest.Chaos{Seed: 3, Loss: 0.1, Duplicate: 0.2, Reorder: 0.3, Corrupt: 0.3, Truncate: 0.1}
		bad := chaos.Network()
		var good atomic.Bool
		filter := bad.Filter
		bad.Filter = func(d coaptest.Datagram) []coaptest.Datagram {
			if good.Load() {
				return []coaptest.Datagram{d}
			}
			return filter(d)
		}
		s := new(subject)
		var mux coap.Mux
		mux.Handle("/echo", coap.Blockwise(echo, coap.BlockwiseConfig{}))
		mux.Handle("/observe", s)
		server := endpoint(t, bad, serverAddr, coap.Config{Handler: &mux})
		e := endpoint(t, bad, clientAddr, coap.Config{NStart: 4})
		client := e.Client(serverAddr)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range 40 {
					r := coap.NewRequest(coap.PUT, "/echo")
					r.Payload = pattern(100 * i)
					short, stop := context.WithTimeout(ctx, time.Minute)
					_, _ = client.Do(short, r)
					stop()
				}
			})
			wg.Go(func() {
				for ctx.Err() == nil {
					_ = client.Observe(ctx, coap.NewRequest(coap.GET, "/observe"), func(*coap.Response) {})
				}
			})
		}
		for range 500 {
			time.Sleep(3 * time.Second)
			s.mu.Lock()
			writers := s.writers
			s.mu.Unlock()
			if len(writers) > 0 {
				_ = writers[len(writers)-1].Respond(notification("x"))
			}
		}
		cancel()
		wg.Wait()
		time.Sleep(10 * time.Minute)
		good.Store(true)
		resp, err := client.Do(context.Background(), coap.NewRequest(coap.POST, "/echo"))
		if err != nil || resp.Code != coap.Content {
			t.Errorf("got %v, %v", resp, err)
		}
		if st := server.Stats(); st.Panics != 0 || st.FormatErrors == 0 || st.Pending != 0 || st.Outstanding != 0 {
			t.Errorf("server: %+v", st)
		}
		if st := e.Stats(); st.Outstanding != 0 {
			t.Errorf("client: %+v", st)
		}
	})
}

// TestChaosProxy runs over real sockets through the proxy.
func TestChaosProxy(t *testing.T) {
	server, err := coap.Listen("udp", "127.0.0.1:0", coap.Config{Handler: coap.Blockwise(echo, coap.BlockwiseConfig{}), DangerUnlimited: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	proxy, err := coaptest.NewProxy(server.LocalAddr(), &coaptest.Chaos{Seed: 1, Loss: 0.2, Duplicate: 0.2, Reorder: 0.2, MaxDelay: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	c, err := coap.Dial("udp", proxy.Addr().String(), coap.Config{AckTimeout: 30 * time.Millisecond, MaxRetransmit: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 30 {
		if i%10 == 9 {
			proxy.Rebind()
		}
		r := coap.NewRequest(coap.PUT, "/x")
		r.Payload = pattern(100 * (i % 10))
		resp, err := c.Do(context.Background(), r)
		if err != nil || !bytes.Equal(resp.Payload, r.Payload) {
			t.Errorf("%d: got %v, %v", i, resp, err)
		}
	}
}
