package main

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/client"
	"github.com/ostiary/ostiary/policy"
)

// TestClientOutlivesServer: the server forgets the security context that RFC
// 8613, Appendix B.2 made, and a client that did not restart goes on: its next
// request is answered with the second message of a run.
func TestClientOutlivesServer(t *testing.T) {
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
	if _, err := addResourceServer(t.Context(), db, cfg, newResourceServer{name: "sensor", algorithm: "AES-CCM-16-64-128"}); err != nil {
		t.Fatal(err)
	}
	known, err := addClient(t.Context(), db, cfg, newClient{name: "alice", renewal: "b2"})
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
	p, err := newParty(t.Context(), known, "sensor", func(x client.Transport) client.Transport { return x })
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
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
		for request := range 2 {
			if _, err := p.client.Token(t.Context(), wanted); err != nil {
				t.Errorf("start %d, request %d: %v", start+1, request+1, err)
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("start %d: serve: %v", start+1, err)
		}
		conn = nil
	}
}
