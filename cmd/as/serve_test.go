package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/store"
)

// newTestAuthority returns an authority that init has made, with its folder.
func newTestAuthority(t *testing.T) (*authority, string) {
	t.Helper()
	path, err := initialize(t.Context(), filepath.Join(t.TempDir(), "as"), "coap://as.example", "127.0.0.1:0", "coap://as.example/token")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := (&configFlag{Config: path}).load()
	if err != nil {
		t.Fatal(err)
	}
	a, err := newAuthority(t.Context(), path, cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	return a, filepath.Dir(path)
}

// TestServeOnceAtATime: a second server on the same store does not start, also
// at another address.
func TestServeOnceAtATime(t *testing.T) {
	defer goleak.VerifyNone(t)
	a, dir := newTestAuthority(t)
	conn, err := a.listen()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(conn.Close(), a.close()) }()
	second := serveCommand{configFlag{Config: filepath.Join(dir, "as.toml")}}
	if err := second.Run(t.Context(), cli.Streams{Out: io.Discard, Err: io.Discard}); !errors.Is(err, store.ErrClaimed) {
		t.Errorf("second server: got %v, want %v", err, store.ErrClaimed)
	}
}

// TestServerThatDoesNotBegin: what was begun before the failure ends.
func TestServerThatDoesNotBegin(t *testing.T) {
	defer goleak.VerifyNone(t)
	a, dir := newTestAuthority(t)
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := newAuthority(ctx, a.path, a.cfg, a.log, func(next coap.Handler) coap.Handler {
		cancel() // the store is open, and the registry is not read yet
		return next
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "as.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Claim(), s.Close()); err != nil {
		t.Errorf("the store is not free: %v", err)
	}
}

// TestServeEndsWithItsStore: after damage only a new start helps, and the
// server ends so that somebody starts it.
func TestServeEndsWithItsStore(t *testing.T) {
	defer goleak.VerifyNone(t)
	a, dir := newTestAuthority(t)
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"as.db", "as.db-wal"} {
		f := filepath.Join(dir, name)
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, bytes.Repeat([]byte{0xff}, int(info.Size())), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.store.AddEvent(t.Context(), store.Event{Kind: "test"}); err == nil || a.store.Err() == nil {
		t.Fatalf("change of a damaged store: got %v, and %v", err, a.store.Err())
	}
	if err := a.serve(t.Context(), conn, nil); !errors.Is(err, store.ErrFailed) {
		t.Errorf("serve: got %v, want %v", err, store.ErrFailed)
	}
}

// TestFilesAreConfiguration: without policies or an EDHOC key that can be read the
// exit status is that of a wrong configuration.
func TestFilesAreConfiguration(t *testing.T) {
	defer goleak.VerifyNone(t)
	a, dir := newTestAuthority(t)
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	check := configCheck{configFlag{Config: filepath.Join(dir, "as.toml")}}
	policy := filepath.Join(dir, "policy.cedar")
	for _, c := range []struct {
		name, want string
		spoil      func() error
	}{
		{"mistake", "policy.cedar", func() error { return os.WriteFile(policy, []byte("permit ("), 0o600) }},
		{"missing", "policy.cedar", func() error { return os.Remove(policy) }},
		{"no EDHOC key", "config edhoc-key", func() error {
			return errors.Join(os.WriteFile(policy, nil, 0o600), os.Remove(filepath.Join(dir, "edhoc.key")))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.spoil(); err != nil {
				t.Fatal(err)
			}
			err := check.Run(t.Context(), cli.Streams{Out: io.Discard, Err: io.Discard})
			var usage *cli.UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a UsageError that names %s", err, c.want)
			}
		})
	}
}

// TestIdentifierOfARemovedClient: a client that got the identifier of one that was
// removed a moment ago is let in when the identifier has rested, without another
// change of the registry.
func TestIdentifierOfARemovedClient(t *testing.T) {
	a, _ := newTestAuthority(t)
	defer func() { _ = a.close() }()
	now := time.Now()
	var err error
	if a.ids, err = idalloc.New(idalloc.Config{Now: func() time.Time { return now }}); err != nil {
		t.Fatal(err)
	}
	admin := a.store.Admin("test")
	add := func(client string) {
		t.Helper()
		err := admin.AddClient(t.Context(), as.Client{Name: client, Profiles: []ace.Profile{ace.ProfileCoAPOSCORE}}, store.Context{
			Name: client, B2: oscore.B2Required,
			Params: oscore.Params{MasterSecret: random(masterSecretSize), RecipientID: []byte{0x40}, SenderID: []byte{0x41}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	sync := func() {
		t.Helper()
		if err := a.syncContexts(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	add("first")
	sync()
	if a.provisioned["first"] == nil {
		t.Fatal("the first client is not let in")
	}
	if err := admin.RemoveClient(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	add("second")
	sync()
	if a.provisioned["first"] != nil || a.provisioned["second"] != nil {
		t.Errorf("got %d contexts in use, want none while the identifier rests", len(a.provisioned))
	}
	now = now.Add(5 * time.Minute)
	sync()
	if a.provisioned["second"] == nil {
		t.Error("the second client is not let in when the identifier has rested")
	}
}
