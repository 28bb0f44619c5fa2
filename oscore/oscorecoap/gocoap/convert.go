package gocoap

import (
	"net"
	"net/netip"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/message/pool"
	gonet "github.com/plgd-dev/go-coap/v3/net"
	"github.com/plgd-dev/go-coap/v3/udp/client"

	"github.com/ostiary/ostiary/coap"
)

// A datagram is a message as it was received, copied out of go-coap's buffers.
type datagram struct {
	path      path
	typ       message.Type
	mid       uint16
	token     string
	code      coap.Code
	options   coap.Options
	payload   []byte
	multicast bool
}

// A path is where to send an answer: through a go-coap session to the address
// the request came from, from the address it was sent to. The session serves
// for as long as its socket is open, also when go-coap has closed its
// connection for being idle.
type path struct {
	session client.Session
	remote  netip.AddrPort
	control *gonet.ControlMessage
}

func received(cc *client.Conn, m *pool.Message) *datagram {
	d := &datagram{
		path:  path{session: cc.Session(), remote: addrPort(cc.RemoteAddr())},
		typ:   m.Type(),
		mid:   uint16(m.MessageID()), //nolint:gosec // go-coap has decoded it from two bytes
		token: string(m.Token()),
		code:  coap.Code(m.Code()), //nolint:gosec // one byte on the wire
	}
	if cm := m.ControlMessage(); cm != nil {
		d.multicast = cm.Dst.IsMulticast()
		if !d.multicast {
			d.path.control = &gonet.ControlMessage{Src: cm.Dst, IfIndex: cm.IfIndex}
		}
	}
	for _, o := range m.Options() {
		d.options = append(d.options, coap.Option{ID: coap.OptionID(o.ID), Value: o.Value})
	}
	d.options = d.options.Clone()
	if body, err := m.ReadBody(); err == nil {
		d.payload = body
	}
	return d
}

func addrPort(a net.Addr) netip.AddrPort {
	udp, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := udp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// A packet is a message to be sent. It owns its bytes and is not changed once
// it is made, so that a retransmission has the same ones.
type packet struct{ m message.Message }

func newPacket(typ message.Type, mid uint16, token string, code coap.Code, options coap.Options, payload []byte) *packet {
	m := message.Message{Type: typ, MessageID: int32(mid), Code: codes.Code(code), Payload: append([]byte(nil), payload...)}
	if token != "" {
		m.Token = message.Token(token)
	}
	for _, o := range options.Clone() {
		m.Options = append(m.Options, message.Option{ID: message.OptionID(o.ID), Value: o.Value})
	}
	return &packet{m}
}

// size is about what p occupies in memory.
func (p *packet) size() int {
	n := 128 + len(p.m.Token) + len(p.m.Payload)
	for _, o := range p.m.Options {
		n += 32 + len(o.Value)
	}
	return n
}
