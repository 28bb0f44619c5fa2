//go:build linux && (amd64 || arm64)

package coap

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTrain(t *testing.T) {
	a, b := netip.MustParseAddrPort("192.0.2.1:5683"), netip.MustParseAddrPort("192.0.2.1:5684")
	here, there := netip.MustParseAddr("192.0.2.8"), netip.MustParseAddr("192.0.2.9")
	of := func(size int, peer netip.AddrPort, local netip.Addr) datagram {
		return datagram{buf: make([]byte, size), peer: peer, local: local}
	}
	for _, c := range []struct {
		name string
		ds   []datagram
		want int
	}{
		{"one", []datagram{of(20, a, here)}, 1},
		{"alike", []datagram{of(20, a, here), of(20, a, here), of(20, a, here)}, 3},
		{"a shorter one is the last", []datagram{of(20, a, here), of(20, a, here), of(19, a, here), of(19, a, here)}, 3},
		{"a longer one is not of it", []datagram{of(20, a, here), of(20, a, here), of(21, a, here)}, 2},
		{"another peer", []datagram{of(20, a, here), of(20, b, here)}, 1},
		{"from another address", []datagram{of(20, a, here), of(20, a, there)}, 1},
		{"an empty one", []datagram{of(20, a, here), of(0, a, here)}, 1},
		{"at most", []datagram{of(1232, a, here), of(1232, a, here)}, 2},
		{"too long", []datagram{of(1233, a, here), of(1233, a, here)}, 1},
	} {
		if got := train(c.ds); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

// pair is two sockets, the first as the endpoint has it.
func pair(t *testing.T, network, local, peer string) (*udpConn, *net.UDPConn) {
	t.Helper()
	var sockets [2]*net.UDPConn
	for i, address := range []string{local, peer} {
		conn, err := net.ListenPacket(network, net.JoinHostPort(address, "0"))
		if err != nil {
			t.Skip(err) // no IPv6 here
		}
		t.Cleanup(func() { _ = conn.Close() })
		sockets[i] = conn.(*net.UDPConn)
	}
	c, err := newBatchConn(sockets[0])
	if err != nil {
		t.Fatal(err)
	}
	return c.(*udpConn), sockets[1]
}

// batch is datagrams to a peer of sizes that make trains of several lengths.
func batch(peer netip.AddrPort, local netip.Addr) []datagram {
	ds := make([]datagram, batchSize)
	for i := range ds {
		size := []int{40, 40, 40, 17, 40, 60, 60, 1300}[i/2%8]
		ds[i] = datagram{buf: bytes.Repeat([]byte{byte(i + 1)}, size), peer: peer, local: local}
	}
	return ds
}

func expect(t *testing.T, conn *net.UDPConn, ds []datagram) {
	t.Helper()
	b := make([]byte, 65536)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for i := range ds {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatalf("datagram %d: %v", i, err)
		}
		if !bytes.Equal(b[:n], ds[i].buf) {
			t.Errorf("datagram %d: got %d bytes of %d, want %d bytes of %d", i, n, b[0], len(ds[i].buf), i+1)
		}
		if want := ds[i].local; want.IsValid() && from.Addr().Unmap() != want {
			t.Errorf("datagram %d: from %v, want %v", i, from, want)
		}
	}
}

// TestTrains: what goes in trains arrives as it would without.
func TestTrains(t *testing.T) {
	for _, c := range []struct{ network, local, peer, from string }{
		{"udp4", "127.0.0.1", "127.0.0.1", ""},
		{"udp4", "0.0.0.0", "127.0.0.1", "127.0.0.7"},
		{"udp6", "::1", "::1", ""},
		{"udp6", "::", "::1", "::1"},
		{"udp", "::", "127.0.0.1", "127.0.0.7"},
	} {
		t.Run(c.network+" "+c.local+" "+c.peer, func(t *testing.T) {
			conn, peer := pair(t, c.network, c.local, c.peer)
			var from netip.Addr
			if c.from != "" {
				from = netip.MustParseAddr(c.from)
			}
			before := conn.trains
			to := peer.LocalAddr().(*net.UDPAddr).AddrPort()
			ds := batch(netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), from)
			for range 3 {
				if err := conn.writeBatch(ds); err != nil {
					t.Fatal(err)
				}
				expect(t, peer, ds)
			}
			if conn.trains != before {
				t.Error("trains were given up")
			}
		})
	}
}

// TestTrainRefused: datagrams that the system does not send as a train are sent
// one by one. It refuses a train on a socket without checksums.
func TestTrainRefused(t *testing.T) {
	conn, peer := pair(t, "udp4", "127.0.0.1", "127.0.0.1")
	if !conn.trains {
		t.Skip("the system knows no trains")
	}
	err := conn.raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	ds := batch(peer.LocalAddr().(*net.UDPAddr).AddrPort(), netip.Addr{})
	conn.gather(&conn.tx, ds[:6], true)
	err = conn.raw.Write(conn.tx.call)
	if err != nil || !errors.Is(conn.tx.err, unix.EINVAL) || conn.tx.count != 1 {
		t.Fatalf("a train of %d messages: got %v, %v, want EINVAL of one message", conn.tx.count, err, conn.tx.err)
	}
	if err := conn.writeBatch(ds); err != nil {
		t.Fatal(err)
	}
	expect(t, peer, ds)
}

// TestWriteBatchRefused: a datagram that the system refuses is left out, alone or
// in a train, and the others are sent.
func TestWriteBatchRefused(t *testing.T) {
	conn, peer := pair(t, "udp4", "127.0.0.1", "127.0.0.1")
	ds := batch(peer.LocalAddr().(*net.UDPAddr).AddrPort(), netip.Addr{})
	bad := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 0)
	all := append([]datagram{ds[0], {buf: ds[0].buf, peer: bad}, {buf: ds[0].buf, peer: bad}}, ds[1:]...)
	if err := conn.writeBatch(all); !errors.Is(err, unix.EINVAL) {
		t.Errorf("got %v, want EINVAL", err)
	}
	expect(t, peer, ds)
}

func TestWriteBatchAllocs(t *testing.T) {
	conn, peer := pair(t, "udp4", "127.0.0.1", "127.0.0.1")
	ds := batch(peer.LocalAddr().(*net.UDPAddr).AddrPort(), netip.Addr{})
	n := testing.AllocsPerRun(100, func() {
		if err := conn.writeBatch(ds); err != nil {
			t.Error(err)
		}
	})
	if n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}
