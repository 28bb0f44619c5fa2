package main

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/policy"
)

// TestClientOutlivesServer: the server starts anew and a client that did not
// goes on. With b2 the server has forgotten the context that RFC 8613, Appendix
// B.2 made, and answers the next request with the second message of a run; with
// echo it has lost the replay window, and asks for Echo (Appendix B.1.2).
func TestClientOutlivesServer(t *testing.T) {
	for _, renewal := range []string{"b2", "echo"} {
		t.Run(renewal, func(t *testing.T) { clientOutlivesServer(t, renewal) })
	}
}

func clientOutlivesServer(t *testing.T, renewal string) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	address := conn.LocalAddr().(*net.UDPAddr) //nolint:forcetypeassert // of a UDPConn
	path, err := initialize(t.Context(), filepath.Join(t.TempDir(), "as"), "coap://as.example", address.String(), "")
	if err != nil {
		t.Fatal(err)
	}
	cfg, db, err := (&configFlag{Config: path}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := addResourceServer(t.Context(), db, cfg, nil, newResourceServer{name: "sensor", algorithm: "AES-CCM-16-64-128"}); err != nil {
		t.Fatal(err)
	}
	known, err := addClient(t.Context(), db, cfg, newClient{name: "alice", renewal: renewal})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	permit, err := policy.Parse("test", []byte("permit (principal, action, resource);"))
	if err != nil {
		t.Fatal(err)
	}
	var sent counting
	c := longLived(t, known, &sent)
	wanted := client.Request{Audience: "sensor", Scope: ace.AIFScope(ace.AIF{{Path: "/value", Methods: ace.GET}})}
	for start := range 3 {
		if conn == nil {
			if conn, err = net.ListenUDP("udp", address); err != nil {
				t.Fatal(err)
			}
		}
		a, err := newAuthority(t.Context(), path, cfg, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		a.policy.Store(permit)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.serve(ctx, conn, nil) }()
		for request, want := range []int{2, 1} { // the first is answered with a challenge
			sent.n = 0
			if _, err := c.Token(t.Context(), wanted); err != nil {
				t.Errorf("start %d, request %d: %v", start+1, request+1, err)
			}
			if sent.n != want {
				t.Errorf("start %d, request %d: sent %d times, want %d", start+1, request+1, sent.n, want)
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("start %d: serve: %v", start+1, err)
		}
		conn = nil
	}
}

// counting counts the requests of a client.
type counting struct {
	client.Transport
	n int
}

func (x *counting) Do(ctx context.Context, address string, m oscore.Message) (oscore.Message, error) {
	x.n++
	return x.Transport.Do(ctx, address, m)
}

// longLived returns a client that keeps its context with the server, as one
// does that was registered with the renewal of its credentials.
func longLived(t *testing.T, known *credentials.Client, sent *counting) *client.Client {
	t.Helper()
	if known.Renewal == "b2" {
		p, err := newParty(t.Context(), known, "sensor", func(x client.Transport) client.Transport {
			sent.Transport = x
			return sent
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.close)
		return p.client
	}
	conn, err := coap.Listen("udp", ":0", coap.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	association, err := oscore.NewAssociation(oscore.Config{Params: known.OSCORE.Params(), Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	sent.Transport = acecoap.NewTransport(conn)
	c, err := client.New(client.Config{
		Transport: sent, IDs: ids, Clock: time.Now,
		Servers: []client.Server{{
			URI: known.AS, Path: tokenPath(known.AS), Audiences: []string{"sensor"}, Association: association,
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
