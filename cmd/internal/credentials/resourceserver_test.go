package credentials

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/cmd/internal/settings"
)

func newTestResourceServer(t *testing.T) *ResourceServer {
	t.Helper()
	return &ResourceServer{
		Name: "sensor", AS: "coap://as.example/token", Issuer: "coap://as.example", Audiences: []string{"sensor"},
		Introspection: "coap://as.example/introspect", EDHOC: newTestClient(t).EDHOC,
		TokenKey: TokenKey{ID: []byte{1}, Algorithm: "AES-CCM-16-64-128", Key: settings.Secret{Bytes: make([]byte, 16)}},
	}
}

func TestResourceServerFile(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ResourceServer)
		want   string // "": good
		opaque bool
	}{
		"all of it":         {func(*ResourceServer) {}, "", false},
		"an older version":  {func(r *ResourceServer) { r.Introspection, r.EDHOC = "", nil }, "", false},
		"opaque":            {func(r *ResourceServer) { r.TokenKey = TokenKey{} }, "", true},
		"without a use":     {func(r *ResourceServer) { r.TokenKey, r.Introspection = TokenKey{}, "" }, "token_key: missing", true},
		"without a channel": {func(r *ResourceServer) { r.EDHOC = nil }, "edhoc: missing", false},
		"another scheme":    {func(r *ResourceServer) { r.Introspection = "https://as.example" }, "introspection: want", false},
		"a damaged key":     {func(r *ResourceServer) { r.EDHOC.PrivateKey.Bytes = nil }, "edhoc.private_key", false},
		"half a token key":  {func(r *ResourceServer) { r.TokenKey.ID = nil }, "token_key.id", false},
	} {
		t.Run(name, func(t *testing.T) {
			want := newTestResourceServer(t)
			c.change(want)
			path := filepath.Join(t.TempDir(), "sensor.toml")
			if err := want.Write(path); err != nil {
				t.Fatal(err)
			}
			got, err := ReadResourceServer(path)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want an error with %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Opaque() != c.opaque || got.Introspection != want.Introspection || !bytes.Equal(got.TokenKey.Key.Bytes, want.TokenKey.Key.Bytes) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if (got.EDHOC == nil) != (want.EDHOC == nil) || got.EDHOC != nil && !bytes.Equal(got.EDHOC.PrivateKey.Bytes, want.EDHOC.PrivateKey.Bytes) {
				t.Error("another key after it was written and read")
			}
		})
	}
}
