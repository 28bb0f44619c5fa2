package main

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/coap"
)

// partlyDeaf is a device that answers requests with "/value" and no others. It says
// once for each of the others that it came.
func partlyDeaf(t *testing.T) (uri string, unanswered <-chan struct{}) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(t, err)
	heard, done := make(chan struct{}, 100), make(chan struct{})
	go func() {
		defer close(done)
		seen, b := map[string]bool{}, make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			head := b[:4+b[0]&15] // with the token
			if !bytes.Contains(b[:n], []byte("value")) {
				if !seen[string(head)] {
					seen[string(head)] = true
					heard <- struct{}{}
				}
				continue
			}
			head[0], head[1] = head[0]|0x20, byte(coap.Content) // an acknowledgement
			_, _ = conn.WriteToUDPAddrPort(head, from)
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return "coap://" + conn.LocalAddr().String(), heard
}

// TestSlowRequestsOfOnePeer: who asks for what the device does not answer, with all
// sessions that it may have, in requests and in registrations, does not keep the others
// from the device.
func TestSlowRequestsOfOnePeer(t *testing.T) {
	uri, unanswered := partlyDeaf(t)
	w := newAgentWorldWith(t, func(c *config, _ *credentials.ResourceServer) { c.Upstream = uri })
	key := w.add("mallory", `[["/slow",1],["/value",1]]`)
	bob := w.handshake(w.add("bob", `[["/value",1]]`))
	ctx, stop := context.WithCancel(t.Context())
	sessions := make([]coap.Doer, w.agent.cfg.Limits.EDHOCSessionsPerPeer)
	for i := range sessions {
		sessions[i] = w.handshake(key)
		w.want("mallory", sessions[i], coap.GET, "/value", coap.Content)
	}
	var asking sync.WaitGroup
	for i := range 40 {
		r := coap.NewRequest(coap.GET, "/slow")
		if i%2 == 0 {
			r.Options.SetUint(coap.Observe, 0)
		}
		asking.Go(func() { _, _ = sessions[i%len(sessions)].Do(ctx, r) })
	}
	defer asking.Wait()
	defer stop()
	for range upstreamPerPeer {
		<-unanswered
	}
	for range 3 * upstreamAtOnce {
		w.want("bob", bob, coap.GET, "/value", coap.Content)
	}
	if n := len(unanswered); n != 0 {
		t.Errorf("the device has heard %d requests more of one peer than its share", n)
	}
}

// TestAnsweredRegistrations: an observation that has begun keeps no place.
func TestAnsweredRegistrations(t *testing.T) {
	w := newAgentWorld(t)
	alice := w.handshake(w.add("alice", `[["/value",1]]`))
	w.want("before", alice, coap.GET, "/value", coap.Content)
	ctx, stop := context.WithCancel(t.Context())
	var observing sync.WaitGroup
	defer observing.Wait()
	defer stop()
	for range upstreamPerPeer {
		begun := make(chan coap.Code, 8)
		observing.Go(func() {
			_ = alice.(coap.Observer).Observe(ctx, coap.NewRequest(coap.GET, "/value"), func(r *coap.Response) { begun <- r.Code })
		})
		if got := <-begun; got != coap.Content {
			t.Fatalf("got %v, want 2.05", got)
		}
	}
	w.want("while it observes", alice, coap.GET, "/value", coap.Content)
}
