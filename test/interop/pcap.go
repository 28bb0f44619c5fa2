package interop

import (
	"bytes"
	"encoding/binary"
	"os"
)

// WritePCAP writes datagrams to a file for Wireshark. Server and clients are all on
// 127.0.0.1, and only the ports tell them apart.
func WritePCAP(path string, datagrams []Datagram) error {
	const (
		rawIPv4     = 228
		serverPort  = 5683
		clientPorts = 40000
	)
	var b []byte
	order := binary.LittleEndian
	for _, field := range []uint32{0xa1b2c3d4, 4<<16 | 2, 0, 0, 65535, rawIPv4} {
		b = order.AppendUint32(b, field)
	}
	for i := range datagrams {
		d := &datagrams[i]
		from, to := uint16(clientPorts+d.Client), uint16(serverPort)
		if d.From == FromServer {
			from, to = to, from
		}
		packet := ipv4(from, to, d.Bytes)
		for _, field := range []int{i, 0, len(packet), len(packet)} { // one each second
			b = order.AppendUint32(b, uint32(field))
		}
		b = append(b, packet...)
	}
	return os.WriteFile(path, b, 0o600)
}

// ipv4 makes a packet of a UDP datagram, without checksums.
func ipv4(from, to uint16, payload []byte) []byte {
	order := binary.BigEndian
	b := []byte{0x45, 0}
	b = order.AppendUint16(b, uint16(20+8+len(payload)))
	b = append(b, 0, 0, 0, 0, 64, 17, 0, 0)
	b = append(b, bytes.Repeat([]byte{127, 0, 0, 1}, 2)...)
	for _, field := range []uint16{from, to, uint16(8 + len(payload)), 0} {
		b = order.AppendUint16(b, field)
	}
	return append(b, payload...)
}
