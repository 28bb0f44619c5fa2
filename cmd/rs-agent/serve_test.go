package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/settings"
)

// TestServeAlone: the state is not read while another agent may still write it.
func TestServeAlone(t *testing.T) {
	w := newAgentWorld(t)
	state := filepath.Join(filepath.Dir(w.path), w.agent.cfg.State)
	check(t, os.WriteFile(state, []byte("half of"), 0o600))
	lock, err := settings.TryLock(state)
	check(t, err)
	serve := serveCommand{configFlag{w.path}}
	if err := serve.Run(t.Context(), w.streams()); err == nil || !strings.Contains(err.Error(), "another agent is running") {
		t.Errorf("got %v, want that another agent is running", err)
	}
	check(t, lock.Unlock())
	if err := serve.Run(t.Context(), w.streams()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v, want that the state is damaged", err)
	}
}

// TestNewAgentFails: what cannot begin leaves nothing running.
func TestNewAgentFails(t *testing.T) {
	w := newAgentWorld(t)
	w.agent.close()
	before := goleak.IgnoreCurrent()
	path := filepath.Join(filepath.Dir(w.path), "peers.toml")
	for when, fail := range map[string]func(c *config){
		"upstream": func(c *config) { c.Upstream = "coap://127.0.0.1:none" },
		"state":    func(c *config) { c.State = "." },
		"peers":    func(c *config) { check(t, os.WriteFile(path, []byte("x"), 0o600)) },
	} {
		cfg := w.agent.cfg
		fail(&cfg)
		if _, err := newAgent(t.Context(), w.path, cfg, w.agent.known, w.agent.log); err == nil {
			t.Errorf("%s: an agent is made", when)
		}
		_ = os.Remove(path)
	}
	goleak.VerifyNone(t, before)
}

// TestServeListens: an address that is taken is an error, and leaves nothing running.
func TestServeListens(t *testing.T) {
	w := newAgentWorld(t)
	w.agent.close()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(t, err)
	defer func() { _ = conn.Close() }()
	text, err := os.ReadFile(w.path)
	check(t, err)
	taken := bytes.Replace(text, []byte("127.0.0.1:5683"), []byte(conn.LocalAddr().String()), 1)
	check(t, os.WriteFile(w.path, taken, 0o600))
	before := goleak.IgnoreCurrent()
	serve := serveCommand{configFlag{w.path}}
	if err := serve.Run(t.Context(), cli.Streams{Out: w.log, Err: w.log}); err == nil {
		t.Error("two servers have one address")
	}
	goleak.VerifyNone(t, before)
}
