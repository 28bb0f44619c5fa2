package coap_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/ostiary/ostiary/coap"
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
		"psk": {
			&dtls.Config{PSK: psk, CipherSuites: suites},
			&dtls.Config{PSK: psk, PSKIdentityHint: []byte("sensor-1"), CipherSuites: suites}, "psk:sensor-1",
		},
		"psk, connection IDs": {
			&dtls.Config{PSK: psk, CipherSuites: suites, ConnectionIDGenerator: dtls.RandomCIDGenerator(8)},
			&dtls.Config{PSK: psk, PSKIdentityHint: []byte("sensor-2"), CipherSuites: suites, ConnectionIDGenerator: dtls.OnlySendCIDGenerator()}, "psk:sensor-2",
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
