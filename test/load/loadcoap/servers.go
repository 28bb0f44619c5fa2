package loadcoap

import (
	"bytes"
	"net"
	"net/netip"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/mux"
	gonet "github.com/plgd-dev/go-coap/v3/net"
	"github.com/plgd-dev/go-coap/v3/options"
	"github.com/plgd-dev/go-coap/v3/udp"
	"golang.org/x/net/ipv4"

	"github.com/ostiary/ostiary/coap"
)

// startRaw echoes datagrams, one at a time.
func startRaw() (netip.AddrPort, func(), error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	_ = conn.SetReadBuffer(4 << 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if _, err := conn.WriteToUDPAddrPort(b[:n], from); err != nil {
				return
			}
		}
	}()
	return addrOf(conn), func() { _ = conn.Close(); <-done }, nil
}

// startRawBatched echoes datagrams, several in a system call.
func startRawBatched() (netip.AddrPort, func(), error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	_ = conn.SetReadBuffer(4 << 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p := ipv4.NewPacketConn(conn)
		ms := make([]ipv4.Message, burst)
		buffers := make([][]byte, burst)
		for i := range ms {
			buffers[i] = make([]byte, 2048)
			ms[i].Buffers = make([][]byte, 1)
		}
		for {
			for i := range ms {
				ms[i].Buffers[0] = buffers[i]
			}
			n, err := p.ReadBatch(ms, 0)
			if err != nil {
				return
			}
			for i := range n {
				ms[i].Buffers[0] = buffers[i][:ms[i].N]
			}
			for sent := 0; sent < n; {
				k, err := p.WriteBatch(ms[sent:n], 0)
				if err != nil {
					return
				}
				sent += k
			}
		}
	}()
	return addrOf(conn), func() { _ = conn.Close(); <-done }, nil
}

func addrOf(conn *net.UDPConn) netip.AddrPort { return conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// startGoCoAP echoes with go-coap's UDP server.
func startGoCoAP() (netip.AddrPort, func(), error) {
	l, err := gonet.NewListenUDP("udp4", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	r := mux.NewRouter()
	err = r.Handle("/echo", mux.HandlerFunc(func(w mux.ResponseWriter, r *mux.Message) {
		body, err := r.ReadBody()
		if err == nil {
			_ = w.SetResponse(codes.Content, message.AppOctets, bytes.NewReader(body))
		}
	}))
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	s := udp.NewServer(options.WithMux(r), options.WithErrors(func(error) {}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	addr := l.LocalAddr().(*net.UDPAddr).AddrPort()
	return addr, func() { s.Stop(); _ = l.Close(); <-done }, nil
}

// echo answers with the payload.
var echo = coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
	resp := r.NewResponse(coap.Content)
	resp.Payload = r.Payload
	_ = w.Respond(resp)
})

// startCoAP echoes with package coap.
func startCoAP() (netip.AddrPort, func(), error) {
	m := new(coap.Mux)
	m.Handle("/echo", echo)
	e, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{Handler: m})
	if err != nil {
		return netip.AddrPort{}, nil, err
	}
	return e.LocalAddr(), func() { _ = e.Close() }, nil
}
