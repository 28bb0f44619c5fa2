package coap_test

import (
	"net"
	"net/netip"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func netUDP(a netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(a) }
