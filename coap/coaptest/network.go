package coaptest

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// A Network carries datagrams between in-memory sockets, without loss and in
// order, unless Filter says otherwise. It needs no system call, so that a
// test with testing/synctest can run its endpoints. It is safe for concurrent
// use; set its fields before the first datagram.
type Network struct {
	// Filter, if set, is called for each datagram and returns those to be
	// delivered in its place: none for loss, two for a duplicate.
	Filter func(d Datagram) []Datagram
	// Delay, if set, is how long a datagram takes.
	Delay func(d Datagram) time.Duration

	mu    sync.Mutex // guards socks and port
	socks map[netip.AddrPort]*Socket
	port  uint16
}

// A Datagram is one on its way.
type Datagram struct {
	From, To netip.AddrPort
	Data     []byte
}

// Listen opens a socket. Port 0 means any.
func (n *Network) Listen(addr netip.AddrPort) *Socket {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.socks == nil {
		n.socks = make(map[netip.AddrPort]*Socket)
		n.port = 40000
	}
	if addr.Port() == 0 {
		n.port++
		addr = netip.AddrPortFrom(addr.Addr(), n.port)
	}
	s := &Socket{net: n, addr: addr, in: make(chan Datagram, 4096), closed: make(chan struct{})}
	n.socks[addr] = s
	return s
}

// Send puts a datagram on the network, from whatever address it says.
func (n *Network) Send(d Datagram) {
	d.Data = append([]byte(nil), d.Data...)
	out := []Datagram{d}
	if n.Filter != nil {
		out = n.Filter(d)
	}
	for _, d := range out {
		if n.Delay == nil {
			n.deliver(d)
			continue
		}
		time.AfterFunc(n.Delay(d), func() { n.deliver(d) })
	}
}

func (n *Network) deliver(d Datagram) {
	n.mu.Lock()
	s := n.socks[d.To]
	n.mu.Unlock()
	if s == nil {
		return
	}
	select {
	case s.in <- d:
	case <-s.closed:
	default: // its buffer is full
	}
}

// A Socket is a net.PacketConn on a Network.
type Socket struct {
	net    *Network
	addr   netip.AddrPort
	in     chan Datagram
	closed chan struct{}
	once   sync.Once
}

// ReadFrom receives a datagram.
func (s *Socket) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-s.in:
		return copy(b, d.Data), net.UDPAddrFromAddrPort(d.From), nil
	case <-s.closed:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends a datagram.
func (s *Socket) WriteTo(b []byte, addr net.Addr) (int, error) {
	select {
	case <-s.closed:
		return 0, net.ErrClosed
	default:
	}
	s.net.Send(Datagram{From: s.address(), To: addr.(*net.UDPAddr).AddrPort(), Data: b})
	return len(b), nil
}

// Receive waits for a datagram; it is false when none comes in time.
func (s *Socket) Receive(wait time.Duration) (Datagram, bool) {
	select {
	case d := <-s.in:
		return d, true
	default:
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case d := <-s.in:
		return d, true
	case <-t.C:
	case <-s.closed:
	}
	return Datagram{}, false
}

// Close closes the socket.
func (s *Socket) Close() error {
	s.once.Do(func() {
		close(s.closed)
		s.net.mu.Lock()
		defer s.net.mu.Unlock()
		if s.net.socks[s.addr] == s {
			delete(s.net.socks, s.addr)
		}
	})
	return nil
}

// Rebind gives the socket another address, as a NAT does to an idle peer.
func (s *Socket) Rebind(addr netip.AddrPort) {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	delete(s.net.socks, s.addr)
	s.addr = addr
	s.net.socks[addr] = s
}

// LocalAddr returns the socket's address.
func (s *Socket) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(s.address()) }

func (s *Socket) address() netip.AddrPort {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return s.addr
}

// SetDeadline is not offered.
func (s *Socket) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is not offered.
func (s *Socket) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline is not offered.
func (s *Socket) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
