package credentials

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/cmd/internal/settings"
)

func newTestClient(t *testing.T) *Client {
	t.Helper()
	server, err := NewEDHOC("coap://as.example", []byte{0})
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewEDHOC("alice", []byte{1})
	if err != nil {
		t.Fatal(err)
	}
	key.Peer = server.Credential
	return &Client{Name: "alice", AS: "coap://as.example/token", EDHOC: key}
}

// TestClientWithEDHOC: a file is what was written, and says nothing of OSCORE.
func TestClientWithEDHOC(t *testing.T) {
	want := newTestClient(t)
	path := filepath.Join(t.TempDir(), "alice.toml")
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "oscore") || strings.Contains(string(text), "renewal") {
		t.Errorf("got\n%s", text)
	}
	got, err := ReadClient(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.EDHOC.PrivateKey.Bytes, want.EDHOC.PrivateKey.Bytes) || !bytes.Equal(got.EDHOC.Credential, want.EDHOC.Credential) ||
		!bytes.Equal(got.EDHOC.Peer, want.EDHOC.Peer) {
		t.Error("the key is another one after it was written and read")
	}
}

func TestClientWithEDHOCRefuses(t *testing.T) {
	other := newTestClient(t)
	for _, c := range []struct {
		name, want string
		spoil      func(*Client)
	}{
		{"both", "want one of them", func(c *Client) { c.Renewal = "b2" }},
		{"no private key", "edhoc.private_key: missing", func(c *Client) { c.EDHOC.PrivateKey = settings.Secret{} }},
		{"private key 0", "edhoc.private_key", func(c *Client) { c.EDHOC.PrivateKey.Bytes = make([]byte, 32) }},
		{"no credential", "edhoc.credential", func(c *Client) { c.EDHOC.Credential = nil }},
		{"credential of another", "edhoc.credential: is not of the private_key", func(c *Client) { c.EDHOC.Credential = other.EDHOC.Credential }},
		{"no peer", "edhoc.peer", func(c *Client) { c.EDHOC.Peer = nil }},
		{"cut peer", "edhoc.peer", func(c *Client) { c.EDHOC.Peer = c.EDHOC.Peer[:len(c.EDHOC.Peer)-1] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := newTestClient(t)
			c.spoil(client)
			path := filepath.Join(t.TempDir(), "alice.toml")
			if err := client.Write(path); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadClient(path); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
