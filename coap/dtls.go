package coap

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/pion/dtls/v3"
)

// A PSKIdentity is the party a DTLS handshake has authenticated by a
// pre-shared key: the identity it has named (RFC 7252, Section 9.1.3.1).
type PSKIdentity string

// Subject returns "psk:" and the identity.
func (i PSKIdentity) Subject() string { return "psk:" + string(i) }

// ListenDTLS returns an endpoint that serves CoAP over DTLS (RFC 7252, Section
// 9.1) on a local address such as ":5684", with pre-shared keys or
// certificates, but not raw public keys, as config says, and connection IDs if it has a generator of
// them. Requests have the peer's identity, PSKIdentity or
// CertificateIdentity. Each session has a goroutine, as the library needs it.
// The caller closes the endpoint.
func ListenDTLS(address string, config *dtls.Config, cfg Config) (*Endpoint, error) {
	local, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, fmt.Errorf("resolve address: %w", err)
	}
	//spec:7252-9.1.3.1-1
	//spec:7252-9.1.3.3-1
	//spec:7252-9.1.3.3-4
	//spec:7252-9.1.3.3-6
	//spec:7252-9.1.3.3-7
	l, err := dtls.Listen("udp", local, config)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return listenSessions(l, handshakeDTLS, cfg)
}

var errNotDTLS = errors.New("coap: not a DTLS session")

func handshakeDTLS(ctx context.Context, conn net.Conn) (Identity, error) {
	d, ok := conn.(*dtls.Conn)
	if !ok {
		return nil, errNotDTLS
	}
	if err := d.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	state, ok := d.ConnectionState()
	if !ok {
		return nil, errNotDTLS
	}
	return dtlsIdentity(state)
}

// dtlsIdentity names the peer by what the handshake has verified.
func dtlsIdentity(state dtls.State) (Identity, error) {
	if len(state.PeerCertificates) > 0 {
		leaf, err := x509.ParseCertificate(state.PeerCertificates[0])
		if err != nil {
			return nil, fmt.Errorf("parse certificate: %w", err)
		}
		return certificateIdentity([]*x509.Certificate{leaf}), nil
	}
	if len(state.IdentityHint) > 0 {
		return PSKIdentity(state.IdentityHint), nil
	}
	return nil, nil
}

// DialDTLS connects to a CoAP server over DTLS, such as "[2001:db8::1]:5684",
// and returns a client with an endpoint of its own, which also serves the
// Handler of cfg to the other side. The caller closes it. When the session ends,
// so does the endpoint: see Endpoint.Done.
func DialDTLS(ctx context.Context, address string, config *dtls.Config, cfg Config) (*Client, error) {
	remote, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, fmt.Errorf("resolve address: %w", err)
	}
	conn, err := dtls.Dial("udp", remote, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	identity, err := handshakeDTLS(ctx, conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return dialSession(conn, identity, cfg)
}
