package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/cmd/internal/settings"
)

// config is the configuration file of the authorization server.
type config struct {
	Issuer   string            `toml:"issuer"`    // iss of the tokens
	URI      string            `toml:"uri"`       // of the token endpoint, as clients reach it
	Listen   string            `toml:"listen"`    // UDP address of the CoAP endpoint
	Store    string            `toml:"store"`     // file of the store, beside this one
	Policy   string            `toml:"policy"`    // file of the policies, beside this one
	Lifetime settings.Duration `toml:"lifetime"`  // of a token
	EDHOCKey string            `toml:"edhoc_key"` // file of the EDHOC key, beside this one; none: no EDHOC
	// EDHOCKeys, in place of EDHOCKey, are the files of several.
	EDHOCKeys []string `toml:"edhoc_keys,omitempty"`
	// EDHOCRoots are files, beside this one, of the authorities whose certificates devices
	// may use in EDHOC, X.509 in PEM.
	EDHOCRoots []string `toml:"edhoc_roots,omitempty"`
	// EDHOCReverse also serves the message flow in which the CoAP client is the Responder.
	EDHOCReverse bool `toml:"edhoc_reverse,omitempty"`

	Log    logConfig    `toml:"log"`
	Limits limitsConfig `toml:"limits"`
}

type logConfig struct {
	Level  string `toml:"level"`  // debug, info, warn, error
	Format string `toml:"format"` // text, json
}

type limitsConfig struct {
	Requests        int `toml:"requests"`          // handled at once
	RequestsPerPeer int `toml:"requests_per_peer"` // of one client, or of one address

	EDHOCSessions          int               `toml:"edhoc_sessions"`            // security contexts that EDHOC has made
	EDHOCSessionsPerClient int               `toml:"edhoc_sessions_per_client"` // of one client
	EDHOCLifetime          settings.Duration `toml:"edhoc_lifetime"`            // of such a context
}

// edhocFiles are the files of the EDHOC keys.
func (c *config) edhocFiles() []string {
	if c.EDHOCKey != "" {
		return []string{c.EDHOCKey}
	}
	return c.EDHOCKeys
}

// defaultConfig is what a file that names only the issuer gets.
func defaultConfig() config {
	return config{
		Listen:   "127.0.0.1:5683",
		Store:    "as.db",
		Policy:   "policy.cedar",
		Lifetime: settings.Duration(time.Hour),
		Log:      logConfig{Level: "info", Format: "text"},
		Limits: limitsConfig{
			Requests: 1024, RequestsPerPeer: 32,
			EDHOCSessions: 4096, EDHOCSessionsPerClient: 4, EDHOCLifetime: settings.Duration(24 * time.Hour),
		},
	}
}

// parseConfig decodes and checks the text of a configuration file called name.
func parseConfig(name string, text []byte) (config, error) {
	c := defaultConfig()
	if err := settings.Parse(name, text, &c); err != nil {
		return config{}, err
	}
	if c.URI == "" {
		if a, err := netip.ParseAddrPort(c.Listen); err == nil && a.Addr().IsUnspecified() {
			return config{}, fmt.Errorf(`%s: uri: missing; no client can reach %q, so name the token endpoint as they do, such as "coap://as.example/token"`, name, c.Listen)
		}
		c.URI = "coap://" + c.Listen + "/token"
	}
	if err := c.check(); err != nil {
		return config{}, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func (c *config) checkKeys() error {
	if c.EDHOCKey != "" && len(c.EDHOCKeys) > 0 {
		return errors.New("edhoc_key, edhoc_keys: want one of them")
	}
	for i, file := range c.EDHOCKeys {
		if file == "" || slices.Contains(c.EDHOCKeys[:i], file) {
			return fmt.Errorf("edhoc_keys %q: want names of files, each once", c.EDHOCKeys)
		}
	}
	return nil
}

func (c *config) check() error {
	if c.Issuer == "" {
		return errors.New(`issuer: missing; it is the "iss" of the tokens, such as "coap://as.example"`)
	}
	if _, err := netip.ParseAddrPort(c.Listen); err != nil {
		return fmt.Errorf(`listen %q: want an address and a port, such as "[::]:5683"`, c.Listen)
	}
	if u, err := url.Parse(c.URI); err != nil || u.Scheme != "coap" || u.Host == "" || u.Path == "" {
		return fmt.Errorf(`uri %q: want the token endpoint, such as "coap://as.example/token"`, c.URI)
	}
	if u, _ := url.Parse(c.URI); u.Path == acecoap.IntrospectPath {
		return fmt.Errorf("uri %q: %s is the path of the introspection endpoint", c.URI, u.Path)
	}
	if err := c.checkKeys(); err != nil {
		return err
	}
	switch {
	case c.Store == "":
		return errors.New("store: missing")
	case c.Policy == "":
		return errors.New("policy: missing")
	case time.Duration(c.Lifetime) < time.Second:
		return errors.New("lifetime: want 1s or more")
	case c.Limits.Requests < 1 || c.Limits.RequestsPerPeer < 1 || c.Limits.EDHOCSessions < 1 || c.Limits.EDHOCSessionsPerClient < 1:
		return errors.New("limits: want 1 or more")
	case time.Duration(c.Limits.EDHOCLifetime) < time.Second:
		return errors.New("limits.edhoc_lifetime: want 1s or more")
	}
	return nil
}
