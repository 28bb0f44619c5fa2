//go:build linux && (amd64 || arm64)

package coap

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxSegment is the longest datagram of a train: one that fits into the smallest
// MTU of IPv6, as a train is not fragmented.
const maxSegment = 1280 - 40 - 8

// gather prepares a call that sends the first of ds. Datagrams in a row that are
// alike go together, as a train which the system cuts at its last moment (UDP
// generic segmentation offload, udp(7)): the way through the system, which costs
// more than all that is done here for a request, is paid once. It comes to pass
// with a peer that has many requests under way, such as a proxy.
func (c *udpConn) gather(m *mmsgs, ds []datagram, trains bool) {
	ds = ds[:min(len(ds), len(m.iovs))]
	for i := range ds {
		m.iovs[i].Base = unsafe.SliceData(ds[i].buf)
		m.iovs[i].SetLen(len(ds[i].buf))
	}
	m.count = 0
	for from := 0; from < len(ds); m.count++ {
		n := 1
		if trains {
			n = train(ds[from:])
		}
		c.fill(m, m.count, &ds[from])
		h := &m.hdrs[m.count].hdr
		h.Iov = &m.iovs[from]
		h.SetIovlen(n)
		if n > 1 {
			at := int(h.Controllen)
			h.Control = &m.control[m.count][0]
			h.SetControllen(at + encodeSegment(m.control[m.count][at:], len(ds[from].buf)))
		}
		m.lengths[m.count] = n
		from += n
	}
}

// train returns how many of ds, from the first, may go together: those to one
// peer, from one address, of one size, and as the last a shorter one.
func train(ds []datagram) int {
	first := &ds[0]
	if len(first.buf) > maxSegment {
		return 1
	}
	n := 1
	for n < len(ds) {
		d := &ds[n]
		if len(d.buf) == 0 || len(d.buf) > len(first.buf) || d.peer != first.peer || d.local != first.local {
			break
		}
		n++
		if len(d.buf) < len(first.buf) {
			break
		}
	}
	return n
}

// encodeSegment asks that a train is cut into datagrams of a size.
func encodeSegment(b []byte, size int) int {
	const length = unix.SizeofCmsghdr + 2
	binary.NativeEndian.PutUint64(b, length)
	binary.NativeEndian.PutUint32(b[8:], unix.IPPROTO_UDP)
	binary.NativeEndian.PutUint32(b[12:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint64(b[unix.SizeofCmsghdr:], 0)
	binary.NativeEndian.PutUint16(b[unix.SizeofCmsghdr:], uint16(size))
	return (length + 7) &^ 7
}

// fill prepares message i of a call, to the peer of d and from its address.
func (c *udpConn) fill(m *mmsgs, i int, d *datagram) {
	h := &m.hdrs[i].hdr
	*h = unix.Msghdr{Name: &m.names[i][0]}
	name := &m.names[i]
	if c.v6 {
		h.Namelen = unix.SizeofSockaddrInet6
		binary.NativeEndian.PutUint16(name[:], unix.AF_INET6)
		binary.NativeEndian.PutUint32(name[4:], 0)
		a := d.peer.Addr().As16()
		copy(name[8:], a[:])
		binary.NativeEndian.PutUint32(name[24:], scopeOf(d.peer.Addr()))
	} else {
		h.Namelen = unix.SizeofSockaddrInet4
		binary.NativeEndian.PutUint16(name[:], unix.AF_INET)
		a := d.peer.Addr().Unmap().As4()
		copy(name[4:], a[:])
		clear(name[8:16])
	}
	binary.BigEndian.PutUint16(name[2:], d.peer.Port())
	if !c.bound.IsValid() && d.local.IsValid() && !d.local.IsMulticast() {
		h.Control = &m.control[i][0]
		h.SetControllen(encodePacketInfo(m.control[i][:], d.local))
	}
}

func scopeOf(a netip.Addr) uint32 {
	zone := a.Zone()
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}

// encodePacketInfo asks that a datagram leaves from an address.
func encodePacketInfo(b []byte, local netip.Addr) int {
	clear(b)
	size, level, typ := unix.SizeofInet4Pktinfo, uint32(unix.IPPROTO_IP), uint32(unix.IP_PKTINFO)
	if local.Is6() {
		size, level, typ = unix.SizeofInet6Pktinfo, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
	}
	binary.NativeEndian.PutUint64(b, uint64(unix.SizeofCmsghdr+size))
	binary.NativeEndian.PutUint32(b[8:], level)
	binary.NativeEndian.PutUint32(b[12:], typ)
	data := b[unix.SizeofCmsghdr:]
	if local.Is6() {
		a := local.As16()
		copy(data, a[:])
	} else {
		a := local.As4()
		copy(data[4:], a[:]) // ipi_spec_dst
	}
	return (unix.SizeofCmsghdr + size + 7) &^ 7
}

// writeBatch sends ds in as few calls as possible. A datagram the system
// refuses is left out, as if the network had lost it.
func (c *udpConn) writeBatch(ds []datagram) error {
	return c.send(&c.tx, ds)
}

func (c *udpConn) write(d datagram) error {
	if !c.v6 && !d.peer.Addr().Unmap().Is4() {
		return errAddress
	}
	m := c.one.Get().(*mmsgs)
	defer c.one.Put(m)
	return c.send(m, []datagram{d})
}

func (c *udpConn) send(m *mmsgs, ds []datagram) error {
	var first error
	trains := len(ds) > 1 && c.trains // in this order: trains is the reader's
	for len(ds) > 0 {
		c.gather(m, ds, trains)
		if err := c.raw.Write(m.call); err != nil {
			return err
		}
		if m.err != nil && m.lengths[0] > 1 {
			// Not the datagrams are at fault but that they go together: the
			// path has a small MTU, or the device cannot compute the checksums.
			trains = false
			c.trains = c.trains && !errors.Is(m.err, unix.EIO)
			continue
		}
		if m.err != nil {
			if first == nil {
				first = m.err
			}
			m.done = 1
		}
		for _, n := range m.lengths[:m.done] {
			ds = ds[n:]
		}
	}
	return first
}
