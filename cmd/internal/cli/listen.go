package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
)

// ListenUDP opens the socket of a server at address, an IP address and a port.
// The error says what to do.
func ListenUDP(address string) (*net.UDPConn, error) {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, Usage(fmt.Errorf(`address %q: want an address and a port, such as "[::]:5683"`, address))
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w; is another server running?", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%w; this machine does not have the address", err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%w; a port below 1024 needs a privilege", err)
	}
	return conn, err
}

// Drained is the error of a server that was told to stop. That it did not wait
// for the slowest requests is told, and is no failure.
func Drained(err error, log *slog.Logger) error {
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("requests were left without an answer")
		return nil
	}
	return err
}
