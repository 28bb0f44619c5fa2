package coap

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A CertificateIdentity is the party a TLS or DTLS handshake has authenticated
// by its certificate. It is comparable; two sessions with one key have equal
// identities.
type CertificateIdentity struct {
	// KeyHash is the SHA-256 of the SubjectPublicKeyInfo.
	KeyHash [32]byte
}

// Subject returns "sha-256:" and the key's hash in hexadecimal digits.
func (i CertificateIdentity) Subject() string { return "sha-256:" + hex.EncodeToString(i.KeyHash[:]) }

// certificateIdentity names the owner of the first certificate of a chain
// that a handshake has verified; nil for none.
func certificateIdentity(chain []*x509.Certificate) Identity {
	if len(chain) == 0 {
		return nil
	}
	return CertificateIdentity{sha256.Sum256(chain[0].RawSubjectPublicKeyInfo)}
}

// NewConn begins CoAP on a connection over TCP or TLS, whichever side it is
// of, and takes it over. The caller closes it. For a *tls.Conn whose
// handshake is done, cfg.Identity nil means the certificate's.
func NewConn(conn net.Conn, cfg ConnConfig) *Conn {
	cfg = cfg.withDefaults()
	if t, ok := conn.(*tls.Conn); ok && cfg.Identity == nil {
		cfg.Identity = certificateIdentity(t.ConnectionState().PeerCertificates)
	}
	cfg.RemoteAddr, cfg.LocalAddr = streamAddr(conn.RemoteAddr()), streamAddr(conn.LocalAddr())
	return newConn(newTCPFramer(conn, cfg.MaxMessageSize, cfg.WriteTimeout), cfg)
}

func streamAddr(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

// DialTCP connects to a CoAP server over TCP (RFC 8323), such as
// "[2001:db8::1]:5683", or over TLS if config is not nil; then the protocol
// "coap" is asked for (RFC 8323, Section 8.2).
func DialTCP(ctx context.Context, address string, config *tls.Config, cfg ConnConfig) (*Conn, error) {
	cfg = cfg.withDefaults()
	conn, err := cfg.Dial(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if config != nil {
		config = config.Clone()
		config.NextProtos = []string{"coap"} //spec:8323-8.2-2
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(address)
		}
		t := tls.Client(conn, config)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("handshake: %w", err)
		}
		//spec:8323-8.2-3
		//spec:8323-8.2-4
		if _, port, _ := net.SplitHostPort(address); port != "5684" && t.ConnectionState().NegotiatedProtocol != "coap" {
			_ = t.Close()
			return nil, fmt.Errorf("handshake: %w", errProtocol)
		}
		conn = t
	}
	return NewConn(conn, cfg), nil
}

var errProtocol = errors.New("coap: the server does not speak CoAP")

// A StreamServer serves a Handler over TCP, or over TLS on the listener of
// package tls, whose configuration has "coap" among its NextProtos (RFC 8323,
// Section 8.2). Its fields are not changed once it serves.
type StreamServer struct {
	// Config is the configuration of each connection.
	Config ConnConfig
	// MaxConns bounds the connections; more are closed at once. Default 4096.
	MaxConns int
}

// Serve serves connections until ctx is done, and closes the listener then
// and the connections.
func (s *StreamServer) Serve(ctx context.Context, l net.Listener) error {
	cfg := s.Config.withDefaults()
	limit := s.MaxConns
	setDefault(&limit, 4096)
	slots := make(chan struct{}, limit)
	var wait sync.WaitGroup
	defer wait.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			pause(ctx, 10*time.Millisecond) // out of descriptors, or the like
			continue
		}
		select {
		case slots <- struct{}{}:
			wait.Go(func() {
				defer func() { <-slots }()
				serveStream(ctx, conn, cfg)
			})
		default:
			_ = conn.Close()
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func serveStream(ctx context.Context, conn net.Conn, cfg ConnConfig) {
	if t, ok := conn.(*tls.Conn); ok {
		short, cancel := context.WithTimeout(ctx, cfg.SetupTimeout)
		err := t.HandshakeContext(short)
		cancel()
		if err != nil {
			_ = conn.Close()
			return
		}
	}
	c := NewConn(conn, cfg)
	select {
	case <-ctx.Done():
	case <-c.Done():
	}
	_ = c.Close()
}
