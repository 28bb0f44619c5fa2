// Package credentials holds the files that an authorization server hands to
// the devices it knows: what a client needs to ask for tokens, and what a
// resource server needs to read them. Both hold keys, and are written with
// mode 0600.
package credentials

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/oscore"
)

// A Context is the input parameters of an OSCORE security context as one of
// its two endpoints has them (RFC 8613, Section 3.2).
type Context struct {
	MasterSecret settings.Secret `toml:"master_secret"`
	MasterSalt   settings.Hex    `toml:"master_salt,omitempty"`
	IDContext    settings.Hex    `toml:"id_context,omitempty"`
	SenderID     settings.Hex    `toml:"sender_id"`
	RecipientID  settings.Hex    `toml:"recipient_id"`
}

// Params returns the same with the default algorithms.
func (c *Context) Params() oscore.Params {
	p := oscore.Params{
		MasterSecret: c.MasterSecret.Bytes,
		MasterSalt:   c.MasterSalt,
		SenderID:     c.SenderID,
		RecipientID:  c.RecipientID,
	}
	if len(c.IDContext) > 0 {
		p.IDContext = c.IDContext
	}
	return p
}

func (c *Context) check() error {
	switch {
	case len(c.MasterSecret.Bytes) < 16:
		return errors.New("oscore.master_secret: want 16 bytes or more")
	case len(c.SenderID) > 7 || len(c.RecipientID) > 7:
		return errors.New("oscore.sender_id, oscore.recipient_id: want at most 7 bytes")
	case string(c.SenderID) == string(c.RecipientID):
		return errors.New("oscore.sender_id and oscore.recipient_id are equal")
	}
	return nil
}

// A Client is what a client knows of its authorization server.
type Client struct {
	Name string `toml:"name"`
	AS   string `toml:"as"` // coap URI of the token endpoint
	// Renewal says how the client and the server find each other again when
	// one of them has lost its state: "b2" (RFC 8613, Appendix B.2) or "echo"
	// (Appendix B.1). With EDHOC there is none: they run it again.
	Renewal string  `toml:"renewal,omitempty"`
	OSCORE  Context `toml:"oscore,omitempty"`
	// EDHOC, where it is not nil, stands in place of Renewal and OSCORE.
	EDHOC *EDHOC `toml:"edhoc,omitempty"`
}

const clientHeader = `# What a client needs to ask its authorization server for tokens.
# It holds keys: move it to the client, and keep no copy.

`

// Write writes c to a new file.
func (c *Client) Write(path string) error { return settings.WriteSecret(path, clientHeader, c) }

// ReadClient reads and checks a file of Client.Write.
func ReadClient(path string) (*Client, error) {
	var c Client
	if err := settings.Read(path, &c); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &c, nil
}

func (c *Client) check() error {
	switch {
	case c.Name == "":
		return errors.New("name: missing")
	case !strings.HasPrefix(c.AS, "coap://"):
		return errors.New(`as: want a URI such as "coap://as.example/token"`)
	case c.EDHOC != nil && (c.Renewal != "" || len(c.OSCORE.MasterSecret.Bytes) > 0):
		return errors.New("edhoc, oscore: want one of them")
	case c.EDHOC != nil:
		return c.EDHOC.check()
	case c.Renewal != "b2" && c.Renewal != "echo":
		return errors.New(`renewal: want "b2" or "echo"`)
	}
	return c.OSCORE.check()
}

// A TokenKey is the key between an authorization server and a resource server
// that protects the tokens.
type TokenKey struct {
	ID        settings.Hex    `toml:"id"`
	Algorithm string          `toml:"algorithm"`
	Key       settings.Secret `toml:"key"`
}

// algorithms are the COSE algorithms for tokens, by their names in the IANA
// registry (RFC 9053, Section 4).
var algorithms = map[string]cose.Algorithm{
	"AES-CCM-16-64-128":  cose.AES_CCM_16_64_128,
	"AES-CCM-16-64-256":  cose.AES_CCM_16_64_256,
	"AES-CCM-16-128-128": cose.AES_CCM_16_128_128,
	"AES-CCM-16-128-256": cose.AES_CCM_16_128_256,
	"A128GCM":            cose.A128GCM,
	"A256GCM":            cose.A256GCM,
	"ChaCha20/Poly1305":  cose.ChaCha20Poly1305,
}

// ParseAlgorithm returns the algorithm with that name.
func ParseAlgorithm(name string) (cose.Algorithm, error) {
	if a, ok := algorithms[name]; ok {
		return a, nil
	}
	return 0, fmt.Errorf("algorithm %q: not one of AES-CCM-16-64-128, AES-CCM-16-64-256, AES-CCM-16-128-128, AES-CCM-16-128-256, A128GCM, A256GCM, ChaCha20/Poly1305", name)
}

// COSE returns the algorithm of k, whose key has the right size.
func (k *TokenKey) COSE() (cose.Algorithm, error) {
	a, err := ParseAlgorithm(k.Algorithm)
	if err != nil {
		return 0, err
	}
	if len(k.Key.Bytes) != a.KeySize() {
		return 0, fmt.Errorf("token_key.key: want %d bytes for %s", a.KeySize(), k.Algorithm)
	}
	return a, nil
}

// A ResourceServer is what a resource server knows of its authorization server.
type ResourceServer struct {
	Name      string   `toml:"name"`
	AS        string   `toml:"as"`     // coap URI of the token endpoint, for AS Request Creation Hints
	Issuer    string   `toml:"issuer"` // iss of the tokens
	Audiences []string `toml:"audiences"`
	// Introspection is the coap URI of the introspection endpoint, if the resource
	// server may ask there.
	Introspection string `toml:"introspection,omitempty"`
	// TokenKey is not there if it cannot read its tokens and has to ask about each.
	TokenKey TokenKey `toml:"token_key,omitempty"`
	// EDHOC, unless it is nil, is its key pair for a channel with the server.
	EDHOC *EDHOC `toml:"edhoc,omitempty"`
}

// Opaque reports whether the resource server cannot read its tokens.
func (r *ResourceServer) Opaque() bool {
	return len(r.TokenKey.ID) == 0 && len(r.TokenKey.Key.Bytes) == 0 && r.TokenKey.Algorithm == ""
}

const rsHeader = `# What a resource server needs to read the tokens of its authorization server.
# It holds a key: move it to the resource server, and keep no copy.

`

// Write writes r to a new file.
func (r *ResourceServer) Write(path string) error { return settings.WriteSecret(path, rsHeader, r) }

// ReadResourceServer reads and checks a file of ResourceServer.Write.
func ReadResourceServer(path string) (*ResourceServer, error) {
	var r ResourceServer
	if err := settings.Read(path, &r); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &r, nil
}

func (r *ResourceServer) check() error {
	switch {
	case r.Name == "":
		return errors.New("name: missing")
	case r.Issuer == "":
		return errors.New("issuer: missing")
	case len(r.Audiences) == 0:
		return errors.New("audiences: want one or more")
	case r.Introspection != "" && !strings.HasPrefix(r.Introspection, "coap://"):
		return errors.New(`introspection: want a URI such as "coap://as.example/introspect"`)
	case r.Introspection != "" && r.EDHOC == nil:
		return errors.New("edhoc: missing; introspection needs a channel with the authorization server")
	case r.Opaque() && r.Introspection == "":
		return errors.New("token_key: missing, and there is no introspection")
	}
	if r.EDHOC != nil {
		if err := r.EDHOC.check(); err != nil {
			return err
		}
	}
	if r.Opaque() {
		return nil
	}
	if len(r.TokenKey.ID) == 0 {
		return errors.New("token_key.id: missing")
	}
	_, err := r.TokenKey.COSE()
	return err
}
