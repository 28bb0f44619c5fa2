package coap

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/coder/websocket"
)

// wsFramer carries each message in a binary WebSocket message (RFC 8323,
// Section 4.2).
type wsFramer struct {
	conn    *websocket.Conn
	ctx     context.Context
	cancel  context.CancelFunc
	timeout time.Duration
}

func newWSFramer(conn *websocket.Conn, cfg ConnConfig) *wsFramer {
	conn.SetReadLimit(int64(cfg.MaxMessageSize))
	f := &wsFramer{conn: conn, timeout: cfg.WriteTimeout}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

func (f *wsFramer) readMessage(m *message) error {
	typ, b, err := f.conn.Read(f.ctx)
	if err != nil {
		return err
	}
	//spec:8323-4.2-1
	if typ != websocket.MessageBinary || len(b) < 2 || b[0]>>4 != 0 {
		return errFormat
	}
	n, rest, ok := readLength(int(b[0]&15), b[2:])
	if !ok || n > len(rest) {
		return errFormat
	}
	m.typ, m.mid, m.code, m.token, m.options, m.payload = 0, 0, Code(b[1]), nil, m.options[:0], nil
	if n > 0 {
		m.token = rest[:n:n]
	}
	return m.parseOptions(rest[n:])
}

func (f *wsFramer) writeMessage(code Code, token []byte, options Options, payload []byte) error {
	b, err := appendFrame(nil, code, token, options, payload, false)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(f.ctx, f.timeout)
	defer cancel()
	return f.conn.Write(ctx, websocket.MessageBinary, b)
}

func (f *wsFramer) close() error {
	defer f.cancel()
	return f.conn.CloseNow()
}

// WebSocketPath is where a server of CoAP over WebSockets is found (RFC 8323,
// Sections 8.3 and 8.4).
const WebSocketPath = "/.well-known/coap"

// WebSocketHandler returns an HTTP handler for WebSocketPath that serves CoAP
// over WebSockets (RFC 8323, Section 4). It does not answer requests of web
// pages of other origins. Its connections end with the server's: shut that
// down by its base context.
func WebSocketHandler(cfg ConnConfig) http.Handler {
	cfg = cfg.withDefaults()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"coap"}})
		if err != nil {
			return // Accept has answered
		}
		if conn.Subprotocol() != "coap" {
			_ = conn.Close(websocket.StatusPolicyViolation, "subprotocol coap expected")
			return
		}
		cfg := cfg
		cfg.RemoteAddr, _ = netip.ParseAddrPort(r.RemoteAddr)
		if r.TLS != nil && cfg.Identity == nil {
			cfg.Identity = certificateIdentity(r.TLS.PeerCertificates)
		}
		c := newConn(newWSFramer(conn, cfg), cfg)
		select {
		case <-r.Context().Done():
		case <-c.Done():
		}
		_ = c.Close()
	})
}

// DialWebSocket connects to a server of CoAP over WebSockets by a URL such as
// "wss://example.com/.well-known/coap". config is for wss and may be nil.
func DialWebSocket(ctx context.Context, url string, config *tls.Config, cfg ConnConfig) (*Conn, error) {
	cfg = cfg.withDefaults()
	options := &websocket.DialOptions{Subprotocols: []string{"coap"}} //spec:8323-4.1-1
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: cfg.Dial, TLSClientConfig: config.Clone()}
	defer transport.CloseIdleConnections()
	options.HTTPClient = &http.Client{Transport: transport}
	conn, _, err := websocket.Dial(ctx, url, options)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if conn.Subprotocol() != "coap" {
		_ = conn.CloseNow()
		return nil, fmt.Errorf("connect: %w", errSetup)
	}
	return newConn(newWSFramer(conn, cfg), cfg), nil
}
