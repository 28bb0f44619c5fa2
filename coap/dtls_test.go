package coap_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/elliptic"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

// TestDTLS: pre-shared keys and certificates, with and without connection
// IDs, and the identities the handler sees.
func TestDTLS(t *testing.T) {
	serverCert, trustServer := certificate(t)
	clientCert, trustClient := certificate(t)
	psk := func([]byte) ([]byte, error) { return []byte("0123456789abcdef"), nil }
	suites := []dtls.CipherSuiteID{dtls.TLS_PSK_WITH_AES_128_CCM_8}
	for name, tt := range map[string]struct {
		server, client *dtls.Config
		subject        string
	}{
		//spec:7252-9.1.1-1
		//spec:7252-9.1.3.1-1
		"psk": {
			&dtls.Config{PSK: psk, CipherSuites: suites},
			&dtls.Config{PSK: psk, PSKIdentityHint: []byte("sensor-1"), CipherSuites: suites}, "psk:sensor-1",
		},
		"psk, connection IDs": {
			&dtls.Config{PSK: psk, CipherSuites: suites, ConnectionIDGenerator: dtls.RandomCIDGenerator(8)},
			&dtls.Config{PSK: psk, PSKIdentityHint: []byte("sensor-2"), CipherSuites: suites, ConnectionIDGenerator: dtls.OnlySendCIDGenerator()}, "psk:sensor-2",
		},
		//spec:7252-9.1.3.3-1
		//spec:7252-9.1.3.3-4
		//spec:7252-9.1.3.3-6
		"certificates, the suite that everybody has": {
			&dtls.Config{
				Certificates: []tls.Certificate{serverCert}, ClientAuth: dtls.RequireAndVerifyClientCert, ClientCAs: trustClient,
				CipherSuites: []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8}, EllipticCurves: []elliptic.Curve{elliptic.P256},
			},
			&dtls.Config{
				Certificates: []tls.Certificate{clientCert}, RootCAs: trustServer, ServerName: "127.0.0.1",
				CipherSuites: []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8},
			}, "sha-256:",
		},
		"certificates": {
			&dtls.Config{Certificates: []tls.Certificate{serverCert}, ClientAuth: dtls.RequireAndVerifyClientCert, ClientCAs: trustClient},
			&dtls.Config{Certificates: []tls.Certificate{clientCert}, RootCAs: trustServer, ServerName: "127.0.0.1"}, "sha-256:",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &store{body: []byte("first")}
			var m coap.Mux
			m.Handle("/x", s)
			m.HandleFunc("/who", func(w coap.ResponseWriter, r *coap.Request) {
				resp := r.NewResponse(coap.Content)
				resp.Payload = []byte(r.Identity.Subject() + " " + r.RemoteAddr.Addr().String())
				_ = w.Respond(resp)
			})
			server, err := coap.ListenDTLS("127.0.0.1:0", tt.server, coap.Config{Handler: &m})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			c, err := coap.DialDTLS(ctx, server.LocalAddr().String(), tt.client, coap.Config{NStart: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			resp, err := c.Get(ctx, "/who")
			if err != nil || !bytes.HasPrefix(resp.Payload, []byte(tt.subject)) || !bytes.HasSuffix(resp.Payload, []byte(" 127.0.0.1")) {
				t.Fatalf("got %v, %v, want %s", resp, err, tt.subject)
			}
			notes := make(chan []byte, 8)
			observed := make(chan error, 1)
			go func() {
				observed <- c.Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { notes <- r.Payload })
			}()
			<-notes
			r := coap.NewRequest(coap.PUT, "/x")
			r.Payload = pattern(3000)
			if resp, err := c.Do(ctx, r); err != nil || resp.Code != coap.Changed {
				t.Fatalf("PUT: got %v, %v", resp, err)
			}
			if resp, err := c.Get(ctx, "/x"); err != nil || !bytes.Equal(resp.Payload, r.Payload) {
				t.Errorf("GET: got %v, %v", resp, err)
			}
			<-notes
			if n := server.Stats().Observations; n != 1 {
				t.Errorf("%d observations, want 1", n)
			}
			cancel()
			<-observed
		})
	}
}

// TestDTLSRefused: a wrong key makes no session, and the endpoint goes on.
func TestDTLSRefused(t *testing.T) {
	suites := []dtls.CipherSuiteID{dtls.TLS_PSK_WITH_AES_128_CCM_8}
	key := func(k string) dtls.PSKCallback { return func([]byte) ([]byte, error) { return []byte(k), nil } }
	server, err := coap.ListenDTLS("127.0.0.1:0", &dtls.Config{PSK: key("right"), CipherSuites: suites}, coap.Config{Handler: echo})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, k := range []string{"wrong", "right"} {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		c, err := coap.DialDTLS(ctx, server.LocalAddr().String(), &dtls.Config{PSK: key(k), PSKIdentityHint: []byte("x"), CipherSuites: suites}, coap.Config{})
		if (err == nil) != (k == "right") {
			t.Errorf("%s key: got %v", k, err)
		}
		if err == nil {
			if resp, err := c.Get(ctx, "/"); err != nil || resp.Code != coap.Content {
				t.Errorf("got %v, %v", resp, err)
			}
			_ = c.Close()
		}
		cancel()
	}
}

// TestDTLSUntrusted: a certificate that nobody vouches for makes no session,
// on either side.
func TestDTLSUntrusted(t *testing.T) {
	serverCert, trustServer := certificate(t)
	clientCert, trustClient := certificate(t)
	server, err := coap.ListenDTLS("127.0.0.1:0", &dtls.Config{
		Certificates: []tls.Certificate{serverCert}, ClientAuth: dtls.RequireAndVerifyClientCert, ClientCAs: trustClient,
	}, coap.Config{Handler: echo})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	//spec:7252-9.1.3.3-7
	for name, config := range map[string]*dtls.Config{
		"server": {Certificates: []tls.Certificate{clientCert}, RootCAs: trustClient, ServerName: "127.0.0.1"},
		"client": {Certificates: []tls.Certificate{serverCert}, RootCAs: trustServer, ServerName: "127.0.0.1"},
		"name":   {Certificates: []tls.Certificate{clientCert}, RootCAs: trustServer, ServerName: "other.example"},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		c, err := coap.DialDTLS(ctx, server.LocalAddr().String(), config, coap.Config{})
		if err == nil {
			_, err = c.Get(ctx, "/") // a server refuses when the client has done its part
			_ = c.Close()
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		cancel()
	}
}

// TestSessionsApart: messages of two sessions have nothing to do with each
// other, also if Message IDs and tokens are the same, and nothing but the
// session answers a request.
func TestSessionsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := coaptest.NewListener()
		served := 0
		server, err := coap.ListenSessions(l, anybody, coap.Config{Handler: coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
			served++
			_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte{byte('0' + served)}})
		})})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		//spec:7252-9.1.1-2
		//spec:7252-9.1.2-1
		//spec:7252-9.1.2-2
		var conns [2]net.Conn
		for i := range conns {
			conn, err := l.Dial(context.Background(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conns[i] = conn
		}
		b := make([]byte, 64)
		for _, i := range []int{0, 1, 0, 1} {
			_, _ = conns[i].Write([]byte("\x41\x01\x00\x01\xaa\xb1x"))
			n, err := conns[i].Read(b)
			if want := "\x61\x45\x00\x01\xaa\xff" + string(rune('1'+i)); err != nil || string(b[:n]) != want {
				t.Errorf("session %d: got %x, %v, want %x", i, b[:n], err, want)
			}
		}

		near, far := coaptest.Pipe()
		other, elsewhere := coaptest.Pipe()
		defer far.Close()
		defer elsewhere.Close()
		var clients [2]*coap.Client
		for i, conn := range []net.Conn{near, other} {
			if clients[i], err = coap.DialSession(conn, nil, coap.Config{}); err != nil {
				t.Fatal(err)
			}
			defer clients[i].Close()
		}
		done := make(chan *coap.Response, 1)
		go func() {
			resp, err := clients[0].Get(context.Background(), "/x")
			if err != nil {
				t.Error(err)
			}
			done <- resp
		}()
		_, _ = far.Read(b)
		answer := append([]byte{b[0] | 2<<4, byte(coap.Content)}, b[2:12]...)
		_, _ = elsewhere.Write(answer)
		synctest.Wait()
		if len(done) > 0 {
			t.Fatal("answered from another session")
		}
		_, _ = far.Write(answer)
		if resp := <-done; resp == nil || resp.Code != coap.Content {
			t.Errorf("got %v", resp)
		}
	})
}
