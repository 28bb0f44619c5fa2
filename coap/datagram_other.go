//go:build !linux || !(amd64 || arm64)

package coap

import "net"

// newBatchConn returns conn's reads and writes, one datagram a call.
func newBatchConn(conn net.PacketConn) (batchConn, error) { return plainConn{conn}, nil }

// reusePort is not offered here; one socket serves.
func listenPackets(network, address string, _ int) ([]net.PacketConn, error) {
	c, err := net.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	return []net.PacketConn{c}, nil
}
