package coap_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/message/pool"
	"github.com/plgd-dev/go-coap/v3/mux"
	gonet "github.com/plgd-dev/go-coap/v3/net"
	"github.com/plgd-dev/go-coap/v3/options"
	"github.com/plgd-dev/go-coap/v3/tcp"

	"github.com/ostiary/ostiary/coap"
)

// serveTCP serves a handler until the test ends.
func serveTCP(t *testing.T, config *tls.Config, cfg coap.ConnConfig) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if config != nil {
		l = tls.NewListener(l, config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- (&coap.StreamServer{Config: cfg}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return address
}

// exercise does what every transport must: whole bodies both ways, an
// observation, a ping.
func exercise(t *testing.T, c *coap.Conn, s *store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	notes := make(chan []byte, 16)
	observed := make(chan error, 1)
	octx, ocancel := context.WithCancel(ctx)
	defer ocancel()
	go func() {
		observed <- c.Observe(octx, coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { notes <- r.Payload })
	}()
	select {
	case <-notes:
	case err := <-observed:
		t.Fatalf("observe: %v", err)
	}
	for _, n := range []int{0, 3, 1024, 1025, 5000} {
		put := coap.NewRequest(coap.PUT, "/x")
		put.Options.AddUint(coap.ContentFormat, 42)
		put.Payload = pattern(n)
		if resp, err := c.Do(ctx, put); err != nil || resp.Code != coap.Changed {
			t.Fatalf("PUT %d: got %v, %v", n, resp, err)
		}
		if resp, err := c.Do(ctx, coap.NewRequest(coap.GET, "/x")); err != nil || !bytes.Equal(resp.Payload, pattern(n)) {
			t.Errorf("GET %d: got %v, %v", n, resp, err)
		}
		select {
		case b := <-notes:
			if !bytes.Equal(b, pattern(n)) {
				t.Errorf("notification: got %d bytes, want %d", len(b), n)
			}
		case <-ctx.Done():
			t.Fatalf("no notification of %d bytes", n)
		}
	}
	//spec:8323-7.1-1
	//spec:8323-7.4-1
	ocancel()
	if err := <-observed; err != nil {
		t.Error(err)
	}
	if err := c.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	s.mu.Lock()
	if err := s.last(notification("x")); !errors.Is(err, coap.ErrClosed) {
		t.Errorf("after deregistration: got %v", err)
	}
	s.mu.Unlock()
	bad := coap.NewRequest(coap.GET, "/x")
	bad.Options.Add(9999, nil)
	if resp, err := c.Do(ctx, bad); err != nil || resp.Code != coap.BadOption {
		t.Errorf("unknown critical option: got %v, %v", resp, err)
	}
}

func TestTCP(t *testing.T) {
	s := &store{body: []byte("first")}
	address := serveTCP(t, nil, coap.ConnConfig{Handler: s})
	c, err := coap.DialTCP(context.Background(), address, nil, coap.ConnConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	exercise(t, c, s)
}

// TestTCPObserverGone: the end of a connection ends its observations.
func TestTCPObserverGone(t *testing.T) {
	s := new(subject)
	c, err := coap.DialTCP(context.Background(), serveTCP(t, nil, coap.ConnConfig{Handler: s}), nil, coap.ConnConfig{})
	if err != nil {
		t.Fatal(err)
	}
	seen, done := make(chan bool, 1), make(chan error)
	go func() {
		done <- c.Observe(context.Background(), coap.NewRequest(coap.GET, "/x"), func(*coap.Response) { seen <- true })
	}()
	<-seen
	_, ctx := s.last()
	_ = c.Close()
	//spec:8323-7.4-2
	<-ctx.Done()
	if err := <-done; !errors.Is(err, coap.ErrClosed) {
		t.Errorf("client: got %v", err)
	}
}

// TestTCPObserveOSCORE: a protected request is not sent twice, also to deregister.
func TestTCPObserveOSCORE(t *testing.T) {
	var requests atomic.Int64
	h := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		requests.Add(1)
		_ = w.Respond(notification("0"))
	})
	address := serveTCP(t, nil, coap.ConnConfig{Handler: h, Understands: []coap.OptionID{coap.OSCORE}})
	c, err := coap.DialTCP(context.Background(), address, nil, coap.ConnConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	r := coap.NewRequest(coap.FETCH, "")
	r.Options.Add(coap.OSCORE, []byte{1})
	if err := c.Observe(ctx, r, func(*coap.Response) { cancel() }); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(context.Background()); err != nil { // behind what was sent before
		t.Fatal(err)
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("the server got %d requests, want 1", n)
	}
}

// certificate returns a self-signed certificate and a pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, trust
}

// TestTLS: the handler learns who is there by the key of his certificate.
func TestTLS(t *testing.T) {
	server, trustServer := certificate(t)
	client, trustClient := certificate(t)
	s := &store{body: []byte("first")}
	var m coap.Mux
	m.Handle("/x", s)
	m.HandleFunc("/who", func(w coap.ResponseWriter, r *coap.Request) {
		resp := r.NewResponse(coap.Content)
		if r.Identity != nil {
			resp.Payload = []byte(r.Identity.Subject())
		}
		_ = w.Respond(resp)
	})
	address := serveTCP(t, &tls.Config{
		Certificates: []tls.Certificate{server}, ClientCAs: trustClient, ClientAuth: tls.VerifyClientCertIfGiven, NextProtos: []string{"coap"},
	}, coap.ConnConfig{Handler: &m})
	for _, certificates := range [][]tls.Certificate{nil, {client}} {
		c, err := coap.DialTCP(context.Background(), address, &tls.Config{RootCAs: trustServer, Certificates: certificates}, coap.ConnConfig{})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(context.Background(), coap.NewRequest(coap.GET, "/who"))
		if err != nil || strings.HasPrefix(string(resp.Payload), "sha-256:") != (certificates != nil) {
			t.Fatalf("%d certificates: got %v, %v", len(certificates), resp, err)
		}
		exercise(t, c, s)
		_ = c.Close()
	}
	if c, err := coap.DialTCP(context.Background(), address, &tls.Config{}, coap.ConnConfig{}); err == nil {
		_ = c.Close()
		t.Error("an unknown server was accepted")
	}
	//spec:8323-8.2-2
	//spec:8323-8.2-3
	//spec:8323-8.2-4
	for _, protocols := range [][]string{nil, {"h2"}} {
		other := serveTCP(t, &tls.Config{Certificates: []tls.Certificate{server}, NextProtos: protocols}, coap.ConnConfig{Handler: &m})
		if c, err := coap.DialTCP(context.Background(), other, &tls.Config{RootCAs: trustServer}, coap.ConnConfig{}); err == nil {
			_ = c.Close()
			t.Errorf("server of %v accepted", protocols)
		}
	}
}

func TestWebSocket(t *testing.T) {
	s := &store{body: []byte("first")}
	server := httptest.NewTLSServer(coap.WebSocketHandler(coap.ConnConfig{Handler: s}))
	defer server.Close()
	trust := x509.NewCertPool()
	trust.AddCert(server.Certificate())
	url := "wss" + strings.TrimPrefix(server.URL, "https") + coap.WebSocketPath
	c, err := coap.DialWebSocket(context.Background(), url, &tls.Config{RootCAs: trust}, coap.ConnConfig{})
	if err != nil {
		t.Fatal(err)
	}
	exercise(t, c, s)
	_ = c.Close()
	//spec:8323-4.1-1
	resp, err := server.Client().Get(server.URL)
	if err != nil || resp.StatusCode < 400 {
		t.Errorf("plain HTTP: got %v, %v", resp, err)
	}
	if err == nil {
		_ = resp.Body.Close()
	}
}

// rawTCP is a peer that speaks bytes.
func rawTCP(t *testing.T, cfg coap.ConnConfig) (net.Conn, func(send string, want ...string)) {
	t.Helper()
	conn, err := net.Dial("tcp", serveTCP(t, nil, cfg))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn, func(send string, want ...string) {
		t.Helper()
		if _, err := conn.Write(unhexBytes(t, send)); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			got := make([]byte, len(w)/2)
			if _, err := io.ReadFull(conn, got); err != nil || hex.EncodeToString(got) != w {
				t.Errorf("%s: got %x, %v, want %s", send, got, err, w)
			}
		}
	}
}

func TestStreamMessages(t *testing.T) {
	_, do := rawTCP(t, coap.ConnConfig{Handler: respond(coap.Content, 20)})
	//spec:8323-3.3-1
	//spec:8323-3.3-2
	//spec:8323-4.3-1
	//spec:8323-5.3-1
	//spec:8323-3.3-4
	//spec:8323-4.3-2
	//spec:8323-5.4-1
	//spec:8323-5.4-3
	do("00e1", "50e12301000020") // CSM, with Block-Wise-Transfer
	do("00")                     // the first half of an Empty message
	//spec:8323-3.4-1
	do("00")
	//spec:8323-5.4-2
	do("02e2aabb", "02e3aabb")     // Ping
	do("12e2aabb20", "12e3aabb20") // Ping with Custody
	do("01"+"01"+"aa", "d1"+"08"+"45"+"aa"+"ff"+hex.EncodeToString(pattern(20)))
	do("01e3aa") // a Pong nobody waits for
	do("0141aa") // a response nobody waits for
	do("00e9")   // an unknown signal
	do("20e18100", "")
	do("00e1"+"0101ab", "d108"+"45"+"ab"+"ff"+hex.EncodeToString(pattern(20)))
}

// TestStreamEnds: what ends a connection, and that it is told.
func TestStreamEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		in    string
		abort bool
	}{
		//spec:8323-3.3-3
		"no settings":        {"0101aa", true},
		"marker, no payload": {"00e1" + "1001ff", true},
		"token length 15":    {"00e1" + "0f01", true},
		"too long":           {"00e1" + "f0ffffffff01", true},
		"reserved class":     {"00e1" + "0021", true},
		//spec:8323-5.2-1
		"unknown critical CSM": {"00e1" + "10e110", true},
		"cut off":              {"00e1" + "5001", false},
		"Abort":                {"00e1" + "00e5", false},
		"Release":              {"00e1" + "00e4", false},
	} {
		t.Run(name, func(t *testing.T) {
			conn, do := rawTCP(t, coap.ConnConfig{Handler: respond(coap.Content, 20)})
			do(tt.in)
			if name == "cut off" {
				_ = conn.(*net.TCPConn).CloseWrite()
			}
			b, err := io.ReadAll(conn)
			if err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
				t.Fatal(err)
			}
			if bytes.Contains(b, []byte{0xe5}) != tt.abort {
				t.Errorf("got %x, want an Abort: %t", b, tt.abort)
			}
		})
	}
}

// TestStreamSilent: who does not speak is sent away; who does not serve says
// so.
func TestStreamSilent(t *testing.T) {
	conn, _ := rawTCP(t, coap.ConnConfig{SetupTimeout: 50 * time.Millisecond})
	if b, err := io.ReadAll(conn); err != nil {
		t.Errorf("got %x, %v", b, err)
	}
	_, do := rawTCP(t, coap.ConnConfig{})
	//spec:8323-3.3-5
	do("00e1"+"0101aa", "50e12301000020", "01a1aa")
}

// TestGoCoAPTCP: go-coap over TCP, both ways.
func TestGoCoAPTCP(t *testing.T) {
	s := &store{body: []byte("first")}
	conn, err := tcp.Dial(serveTCP(t, nil, coap.ConnConfig{Handler: s}), options.WithErrors(func(error) {}), periodic(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	notes := make(chan []byte, 8)
	obs, err := conn.Observe(ctx, "/x", func(m *pool.Message) {
		b, _ := m.ReadBody()
		notes <- b
	})
	if err != nil {
		t.Fatal(err)
	}
	<-notes
	for _, n := range []int{3, 1024, 5000} {
		if resp, err := conn.Put(ctx, "/x", message.AppOctets, bytes.NewReader(pattern(n))); err != nil || resp.Code() != codes.Changed {
			t.Fatalf("PUT: %v, %v", resp, err)
		}
		resp, err := conn.Get(ctx, "/x")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := resp.ReadBody(); err != nil || !bytes.Equal(b, pattern(n)) {
			t.Errorf("GET: %d bytes, %v", len(b), err)
		}
		if b := <-notes; !bytes.Equal(b, pattern(n)) {
			t.Errorf("notification of %d bytes", len(b))
		}
	}
	_ = obs.Cancel(ctx)
	_ = conn.Close()
	<-conn.Done()

	l, err := gonet.NewTCPListener("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := mux.NewRouter()
	_ = r.Handle("/x", mux.HandlerFunc(func(w mux.ResponseWriter, r *mux.Message) {
		b, _ := r.ReadBody()
		_ = w.SetResponse(codes.Content, message.AppOctets, bytes.NewReader(b))
	}))
	server := tcp.NewServer(options.WithMux(r), options.WithErrors(func(error) {}), periodic(t))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	defer func() { server.Stop(); _ = l.Close(); <-done }()
	c, err := coap.DialTCP(ctx, l.Addr().String(), nil, coap.ConnConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, n := range []int{3, 1024} {
		r := coap.NewRequest(coap.POST, "/x")
		r.Payload = pattern(n)
		if resp, err := c.Do(ctx, r); err != nil || !bytes.Equal(resp.Payload, r.Payload) {
			t.Errorf("%d: got %v, %v", n, resp, err)
		}
	}
	if err := c.Ping(ctx); err != nil {
		t.Error(err)
	}
}
