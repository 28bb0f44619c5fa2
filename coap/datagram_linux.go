//go:build linux && (amd64 || arm64)

package coap

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// udpConn reads and writes batches with recvmmsg and sendmmsg. The calls of
// golang.org/x/net do the same, but allocate two objects for the address of
// each datagram; and they, or the system's UDP socket bound to no address,
// answer from another address than the one asked, unless the packet
// information is passed on as here.
type udpConn struct {
	conn   *net.UDPConn
	raw    syscall.RawConn
	v6     bool       // the socket's family
	bound  netip.Addr // the one address it is bound to; zero if to all
	trains bool       // the system cuts a train; used by the reader only
	zones  sync.Map   // of link-local scopes, uint32 -> string
	rx     mmsgs      // used by the reader only
	tx     mmsgs      // used by the reader only
	one    sync.Pool  // of *mmsgs, for write
}

// mmsghdr is struct mmsghdr of recvmmsg(2) on 64-bit systems.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

const (
	nameSize    = unix.SizeofSockaddrInet6
	controlSize = 64
)

// mmsgs is the memory a system call works on. It is referred to by pointers
// inside hdrs and therefore never copied.
type mmsgs struct {
	hdrs    []mmsghdr
	iovs    []unix.Iovec
	names   [][nameSize]byte
	control [][controlSize]byte
	lengths []int // of the trains to be sent, see gather

	call  func(fd uintptr) bool // made once, so that a call allocates nothing
	count int
	done  int
	err   error
}

func (m *mmsgs) init(n int, trap uintptr) {
	m.hdrs, m.iovs = make([]mmsghdr, n), make([]unix.Iovec, n)
	m.names, m.control = make([][nameSize]byte, n), make([][controlSize]byte, n)
	m.lengths = make([]int, n)
	m.call = func(fd uintptr) bool {
		r, _, errno := unix.Syscall6(trap, fd, uintptr(unsafe.Pointer(&m.hdrs[0])), uintptr(m.count), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			m.done, m.err = int(r), nil
		case unix.EAGAIN:
			return false
		case unix.EINTR:
			m.done, m.err = 0, nil
		default:
			m.done, m.err = 0, errno
		}
		return true
	}
}

// newBatchConn returns batched reads and writes for a UDP socket, and plain
// ones for anything else.
func newBatchConn(conn net.PacketConn) (batchConn, error) {
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return plainConn{conn}, nil
	}
	raw, err := udp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &udpConn{conn: udp, raw: raw}
	var inner error
	err = raw.Control(func(fd uintptr) {
		sa, err := unix.Getsockname(int(fd))
		if err != nil {
			inner = err
			return
		}
		var a netip.Addr
		switch sa := sa.(type) {
		case *unix.SockaddrInet6:
			c.v6, a = true, netip.AddrFrom16(sa.Addr).Unmap()
		case *unix.SockaddrInet4:
			a = netip.AddrFrom4(sa.Addr)
		}
		if !a.IsUnspecified() {
			c.bound = a
		} else {
			inner = c.askPacketInfo(int(fd))
		}
		_, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		c.trains = err == nil
		// A burst is kept while the handlers work; the system may grant less.
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20)
	})
	if err = errors.Join(err, inner); err != nil {
		return nil, err
	}
	c.rx.init(batchSize, unix.SYS_RECVMMSG)
	c.tx.init(batchSize, unix.SYS_SENDMMSG)
	c.one.New = func() any {
		m := new(mmsgs)
		m.init(1, unix.SYS_SENDMMSG)
		return m
	}
	return c, nil
}

// askPacketInfo asks for the address each datagram was sent to.
func (c *udpConn) askPacketInfo(fd int) error {
	v4 := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1) // of an IPv6 socket: for mapped addresses
	if c.v6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return v4
}

func (c *udpConn) read(ds []datagram) (int, error) {
	m := &c.rx
	for i := range ds {
		m.iovs[i].Base = unsafe.SliceData(ds[i].buf)
		m.iovs[i].SetLen(len(ds[i].buf))
		h := &m.hdrs[i].hdr
		h.Name, h.Namelen = &m.names[i][0], nameSize
		h.Iov, h.Iovlen = &m.iovs[i], 1
		if !c.bound.IsValid() {
			h.Control = &m.control[i][0]
			h.SetControllen(controlSize)
		}
	}
	m.count = len(ds)
	if err := c.raw.Read(m.call); err != nil {
		return 0, err
	}
	for i := range m.done {
		h := &m.hdrs[i]
		d := &ds[i]
		d.truncated = h.hdr.Flags&unix.MSG_TRUNC != 0
		d.buf = d.buf[:min(len(d.buf), int(h.n))]
		d.peer = c.decodeName(&m.names[i])
		d.local = c.bound
		if !c.bound.IsValid() {
			d.local = decodePacketInfo(m.control[i][:min(controlSize, int(h.hdr.Controllen))])
		}
	}
	return m.done, m.err
}

func (c *udpConn) decodeName(b *[nameSize]byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(b[2:])
	if binary.NativeEndian.Uint16(b[:]) == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port)
	}
	a := netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	if scope := binary.NativeEndian.Uint32(b[24:]); scope != 0 && a.Is6() {
		a = a.WithZone(c.zone(scope))
	}
	return netip.AddrPortFrom(a, port)
}

// zone names a scope; the names are kept, as there are few.
func (c *udpConn) zone(scope uint32) string {
	if z, ok := c.zones.Load(scope); ok {
		return z.(string)
	}
	z := strconv.FormatUint(uint64(scope), 10)
	c.zones.Store(scope, z)
	return z
}

// decodePacketInfo finds the address a datagram was sent to.
func decodePacketInfo(b []byte) netip.Addr {
	for len(b) >= unix.SizeofCmsghdr {
		n := int(binary.NativeEndian.Uint64(b))
		if n < unix.SizeofCmsghdr || n > len(b) {
			break
		}
		level, typ := binary.NativeEndian.Uint32(b[8:]), binary.NativeEndian.Uint32(b[12:])
		data := b[unix.SizeofCmsghdr:n]
		switch {
		case level == unix.IPPROTO_IP && typ == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4([4]byte(data[8:12]))
		case level == unix.IPPROTO_IPV6 && typ == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16([16]byte(data[:16])).Unmap()
		}
		b = b[min(len(b), (n+7)&^7):]
	}
	return netip.Addr{}
}

// listenPackets opens n sockets on one address, between which the system
// spreads the peers (SO_REUSEPORT).
func listenPackets(network, address string, n int) ([]net.PacketConn, error) {
	var lc net.ListenConfig
	if n > 1 {
		lc.Control = func(_, _ string, raw syscall.RawConn) error {
			var inner error
			err := raw.Control(func(fd uintptr) {
				inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			})
			return errors.Join(err, inner)
		}
	}
	var conns []net.PacketConn
	for range max(1, n) {
		conn, err := lc.ListenPacket(context.Background(), network, address)
		if err != nil {
			for _, c := range conns {
				_ = c.Close()
			}
			return nil, err
		}
		address = conn.LocalAddr().String() // the port, if it was chosen
		conns = append(conns, conn)
	}
	return conns, nil
}
