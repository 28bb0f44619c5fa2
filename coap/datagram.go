package coap

import (
	"errors"
	"net"
	"net/netip"
)

// batchSize is how many datagrams one system call reads or writes at most.
const batchSize = 32

// A datagram is one received or to be sent.
type datagram struct {
	buf       []byte // received: the bytes; to be sent: likewise
	peer      netip.AddrPort
	local     netip.Addr // where it was sent to, or is sent from; may be zero
	truncated bool       // longer than the buffer
}

// A batchConn reads and writes datagrams, several in one call if the system
// can. read fills the buffers of ds, which have their full length, and
// returns how many it filled; it is called by one goroutine at a time, and so
// is writeBatch. write may be called by any.
type batchConn interface {
	read(ds []datagram) (int, error)
	writeBatch(ds []datagram) error
	write(d datagram) error
}

// plainConn does with any net.PacketConn, a datagram a call.
type plainConn struct{ conn net.PacketConn }

func (c plainConn) read(ds []datagram) (int, error) {
	d := &ds[0]
	n, addr, err := c.conn.ReadFrom(d.buf)
	if err != nil {
		return 0, err
	}
	d.truncated = n == len(d.buf)
	d.buf = d.buf[:n]
	d.local = netip.Addr{}
	if d.peer, err = addrPort(addr); err != nil {
		return 0, err
	}
	return 1, nil
}

func (c plainConn) writeBatch(ds []datagram) error {
	var first error
	for i := range ds {
		if err := c.write(ds[i]); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (c plainConn) write(d datagram) error {
	_, err := c.conn.WriteTo(d.buf, net.UDPAddrFromAddrPort(d.peer))
	return err
}

var errAddress = errors.New("coap: not an address of UDP")

func addrPort(a net.Addr) (netip.AddrPort, error) {
	if u, ok := a.(*net.UDPAddr); ok {
		p := u.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()), nil
	}
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}, errAddress
	}
	return p, nil
}
