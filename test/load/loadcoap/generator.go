package loadcoap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	burst  = 32 // datagrams in one system call
	window = 96 // requests outstanding
)

// perSocket is how many requests one socket sends: fewer than there are
// Message IDs, so that none is a duplicate.
const perSocket = 60_000

// drive sends requests to a server for a while, keeping a window of them
// outstanding, and counts the answers. It sends and receives in batches, so
// that most of the time is the server's. The window is divided among the peers,
// which are sockets.
func drive(addr netip.AddrPort, requests [][]byte, d time.Duration, peers int) (answered int, took time.Duration, err error) {
	begin, share := time.Now(), len(requests)/peers
	counts, errs := make([]int, peers), make([]error, peers)
	var wg sync.WaitGroup
	for i := range peers {
		wg.Go(func() { counts[i], errs[i] = drivePeer(addr, requests[i*share:][:share], begin.Add(d), window/peers) })
	}
	wg.Wait()
	for _, n := range counts {
		answered += n
	}
	return answered, time.Since(begin), errors.Join(errs...)
}

func drivePeer(addr netip.AddrPort, requests [][]byte, deadline time.Time, window int) (answered int, err error) {
	for len(requests) > burst && time.Now().Before(deadline) {
		n := min(perSocket, len(requests))
		got, err := driveSocket(addr, requests[:n], deadline, window)
		if err != nil {
			return 0, err
		}
		answered += got
		requests = requests[n:]
	}
	return answered, nil
}

func driveSocket(addr netip.AddrPort, requests [][]byte, deadline time.Time, window int) (answered int, err error) {
	burst := min(burst, max(1, window/3))
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	_ = conn.SetReadBuffer(4 << 20)
	p := ipv4.NewPacketConn(conn)
	in, out := make([]ipv4.Message, burst), make([]ipv4.Message, burst)
	for i := range in {
		in[i].Buffers = [][]byte{make([]byte, 2048)}
		out[i].Buffers = make([][]byte, 1)
	}
	extended := time.Time{}
	outstanding, next := 0, 0
	for now := time.Now(); now.Before(deadline); now = time.Now() {
		for outstanding+burst <= window && next+burst <= len(requests) {
			for i := range out {
				out[i].Buffers[0] = requests[next+i]
			}
			n, err := p.WriteBatch(out, 0)
			if err != nil {
				return 0, err
			}
			next += n
			outstanding += n
		}
		if next+burst > len(requests) && outstanding <= 0 {
			break
		}
		if now.Sub(extended) > 20*time.Millisecond {
			_ = conn.SetReadDeadline(now.Add(50 * time.Millisecond))
			extended = now
		}
		n, err := p.ReadBatch(in, 0)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			outstanding, extended = 0, time.Time{} // lost
			continue
		}
		if err != nil {
			return 0, err
		}
		for i := range n {
			if b := in[i].Buffers[0][:in[i].N]; len(b) < 12 || b[1] != 0x45 && b[1] != 0x44 && b[1] != 0x02 {
				return 0, fmt.Errorf("answer %x is not the echo", b)
			}
		}
		answered += n
		outstanding -= n
	}
	return answered, nil
}

// plainRequests makes Confirmable POST requests for /echo, each with its own
// Message ID and token.
func plainRequests(n, payload int) [][]byte {
	requests := make([][]byte, n)
	for i := range requests {
		requests[i] = encode(uint32(i), 0x02, [][2][]byte{{{0xb4}, []byte("echo")}}, make([]byte, payload))
	}
	return requests
}

// encode makes a Confirmable message with the token and Message ID made of i.
// Each option is its first bytes and its value.
func encode(i uint32, code byte, options [][2][]byte, payload []byte) []byte {
	b := []byte{0x48, code, byte(i >> 8), byte(i), 0, 0, 0, 0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
	for _, o := range options {
		b = append(append(b, o[0]...), o[1]...)
	}
	if len(payload) > 0 {
		b = append(append(b, 0xff), payload...)
	}
	return b
}
