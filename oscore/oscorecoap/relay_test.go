package oscorecoap_test

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/coap"
)

// A relay is a NAT between one client and a server. It remembers what passes,
// and may lose datagrams and change the client's address.
type relay struct {
	t      *testing.T
	inside *net.UDPConn // to the client
	server netip.AddrPort
	done   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	outside *net.UDPConn
	sockets []*net.UDPConn
	client  netip.AddrPort
	up      [][]byte // to the server
	down    [][]byte // to the client
	lose    func(up bool, b []byte) bool
}

func newRelay(t *testing.T, server netip.AddrPort) *relay {
	t.Helper()
	inside, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{t: t, inside: inside, server: server}
	r.rebind()
	r.done.Go(r.forward)
	t.Cleanup(func() {
		_ = inside.Close()
		r.mu.Lock()
		for _, s := range r.sockets {
			_ = s.Close()
		}
		r.mu.Unlock()
		r.done.Wait()
	})
	return r
}

func (r *relay) addr() netip.AddrPort { return r.inside.LocalAddr().(*net.UDPAddr).AddrPort() }

// rebind gives the client another address, as a NAT does that has forgotten
// it. What is sent to the old one is lost.
func (r *relay) rebind() {
	outside, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(r.server))
	if err != nil {
		r.t.Errorf("rebind: %v", err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outside = outside
	r.sockets = append(r.sockets, outside)
	r.done.Go(func() { r.back(outside) })
}

func (r *relay) forward() {
	b := make([]byte, 4096)
	for {
		n, from, err := r.inside.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.client = from
		r.up = append(r.up, slices.Clone(b[:n]))
		lost := r.lose != nil && r.lose(true, b[:n])
		outside := r.outside
		r.mu.Unlock()
		if !lost {
			_, _ = outside.Write(b[:n])
		}
	}
}

func (r *relay) back(outside *net.UDPConn) {
	b := make([]byte, 4096)
	for {
		n, err := outside.Read(b)
		if err != nil {
			return
		}
		r.mu.Lock()
		current, client := r.outside == outside, r.client
		lost := r.lose != nil && r.lose(false, b[:n])
		if current {
			r.down = append(r.down, slices.Clone(b[:n]))
		}
		r.mu.Unlock()
		if current && !lost {
			_, _ = r.inside.WriteToUDPAddrPort(b[:n], client)
		}
	}
}

func (r *relay) setLoss(lose func(up bool, b []byte) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lose = lose
}

// passed returns what has passed in a direction.
func (r *relay) passed(up bool) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if up {
		return slices.Clone(r.up)
	}
	return slices.Clone(r.down)
}

func codeOf(b []byte) coap.Code { return coap.Code(b[1]) }
