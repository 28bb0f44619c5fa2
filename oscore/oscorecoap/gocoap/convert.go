package gocoap

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/message/pool"
	gonet "github.com/plgd-dev/go-coap/v3/net"
	"github.com/plgd-dev/go-coap/v3/udp/client"
	"github.com/plgd-dev/go-coap/v3/udp/coder"

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

// A path is where to send an answer: to the address the request came from,
// from the address it was sent to.
type path struct {
	remote  netip.AddrPort
	control *gonet.ControlMessage // nil if that does not matter
}

func received(cc *client.Conn, m *pool.Message) *datagram {
	d := &datagram{
		path:  path{remote: addrPort(cc.RemoteAddr())},
		typ:   m.Type(),
		mid:   uint16(m.MessageID()), // decoded from two bytes
		token: string(m.Token()),
		code:  coap.Code(m.Code()), // one byte on the wire
	}
	if cm := m.ControlMessage(); cm != nil {
		d.multicast = cm.Dst.IsMulticast()
		if !d.multicast {
			d.path.control = &gonet.ControlMessage{Src: cm.Dst, IfIndex: cm.IfIndex}
		}
	}
	options := make(coap.Options, 0, len(m.Options()))
	for _, o := range m.Options() {
		options = append(options, coap.Option{ID: coap.OptionID(o.ID), Value: o.Value})
	}
	d.options = options.Clone()
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

// maxDatagram is the most that UDP carries over IPv4.
const maxDatagram = 65507

// encode makes a message. The bytes are kept for retransmissions and
// duplicates, so that those are the same.
func encode(typ message.Type, mid uint16, token string, code coap.Code, options coap.Options, payload []byte) ([]byte, error) {
	m := message.Message{Type: typ, MessageID: int32(mid), Code: codes.Code(code), Payload: payload}
	if token != "" {
		m.Token = message.Token(token)
	}
	m.Options = make(message.Options, len(options))
	for i, o := range options {
		if i > 0 && options[i-1].ID > o.ID {
			return nil, fmt.Errorf("%w: options out of order", coap.ErrBadRequest)
		}
		m.Options[i] = message.Option{ID: message.OptionID(o.ID), Value: o.Value}
	}
	size, err := coder.DefaultCoder.Size(m)
	switch {
	case err != nil:
		return nil, fmt.Errorf("encode: %w", err)
	case size > maxDatagram:
		return nil, coap.ErrTooLarge
	}
	b := make([]byte, size)
	if _, err := coder.DefaultCoder.Encode(m, b); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return b, nil
}

// empty is an acknowledgement or Reset message (RFC 7252, Section 4.1).
func empty(typ message.Type, mid uint16) []byte {
	const version = 1 << 6
	return []byte{version | byte(typ)<<4, 0, byte(mid >> 8), byte(mid)}
}
