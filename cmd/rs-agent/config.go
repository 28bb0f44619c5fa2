package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/settings"
)

// config is the configuration file of the agent.
type config struct {
	Listen      string            `toml:"listen"`      // UDP address for the clients
	Upstream    string            `toml:"upstream"`    // coap URI of the server to protect
	Credentials string            `toml:"credentials"` // file of 'ostiary-as rs add', beside this one
	Public      []string          `toml:"public"`      // paths that anybody may use, in clear
	Renewal     bool              `toml:"renewal"`     // clients may run RFC 8613, Appendix B.2
	Timeout     settings.Duration `toml:"timeout"`     // for the upstream server to answer
	State       string            `toml:"state"`       // file for what must survive a restart, beside this one
	EDHOCKey    string            `toml:"edhoc_key"`   // file of the EDHOC key, beside this one; none: no EDHOC with clients
	Peers       string            `toml:"peers"`       // file of the EDHOC peers and their rights, beside this one
	// EDHOCReverse also serves the message flow in which the CoAP client is the Responder.
	EDHOCReverse bool `toml:"edhoc_reverse"`
	// Introspection asks the authorization server about tokens that the agent cannot
	// read, over a channel by EDHOC.
	Introspection bool              `toml:"introspection"`
	Scopes        map[string]string `toml:"scopes"` // scope tokens, each with its AIF in JSON; none: scopes are AIF
	Limits        limitsConfig      `toml:"limits"`
	Log           logConfig         `toml:"log"`
}

type limitsConfig struct {
	Tokens          int `toml:"tokens"`            // clients with a token
	Requests        int `toml:"requests"`          // handled at once
	RequestsPerPeer int `toml:"requests_per_peer"` // of one client, or of one address
	Body            int `toml:"body"`              // bytes of a body in blocks

	EDHOCSessions        int               `toml:"edhoc_sessions"`          // security contexts that EDHOC has made
	EDHOCSessionsPerPeer int               `toml:"edhoc_sessions_per_peer"` // of one peer
	EDHOCLifetime        settings.Duration `toml:"edhoc_lifetime"`          // of such a context
}

type logConfig struct {
	Level  string `toml:"level"`
	Format string `toml:"format"`
}

func defaultConfig() config {
	return config{
		Listen:  "127.0.0.1:5683",
		Renewal: true,
		Timeout: settings.Duration(30 * time.Second),
		State:   "agent.state",
		Peers:   "peers.toml",
		Limits: limitsConfig{
			Tokens: 1000, Requests: 1024, RequestsPerPeer: 32, Body: 64 << 10,
			EDHOCSessions: 1000, EDHOCSessionsPerPeer: 4, EDHOCLifetime: settings.Duration(24 * time.Hour),
		},
		Log: logConfig{Level: "info", Format: "text"},
	}
}

// parseConfig decodes and checks the text of a configuration file called name.
func parseConfig(name string, text []byte) (config, error) {
	c := defaultConfig()
	if err := settings.Parse(name, text, &c); err != nil {
		return config{}, err
	}
	if err := c.check(); err != nil {
		return config{}, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func (c *config) check() error {
	if _, err := netip.ParseAddrPort(c.Listen); err != nil {
		return fmt.Errorf(`listen %q: want an address and a port, such as "[::]:5683"`, c.Listen)
	}
	if u, err := url.Parse(c.Upstream); err != nil || u.Scheme != "coap" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf(`upstream %q: want the server to protect, such as "coap://127.0.0.1:5684"`, c.Upstream)
	}
	for _, path := range c.Public {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("public %q: want paths that begin with /", path)
		}
	}
	switch l := c.Limits; {
	case c.Credentials == "":
		return errors.New(`credentials: missing; it is the file that 'ostiary-as rs add' writes`)
	case c.State == "":
		return errors.New("state: missing")
	case c.Peers == "":
		return errors.New("peers: missing")
	case time.Duration(c.Timeout) < time.Second:
		return errors.New("timeout: want 1s or more")
	case l.Tokens < 1 || l.Requests < 1 || l.RequestsPerPeer < 1 || l.Body < 1024:
		return errors.New("limits: want 1 or more, and body 1024 or more")
	case l.EDHOCSessions < 1 || l.EDHOCSessionsPerPeer < 1:
		return errors.New("limits: want 1 or more")
	case time.Duration(l.EDHOCLifetime) < time.Second:
		return errors.New("limits.edhoc_lifetime: want 1s or more")
	}
	_, err := c.scopeTable()
	return err
}

// scopeTable is what the scope tokens of the configuration allow.
func (c *config) scopeTable() (map[string]ace.AIF, error) {
	table := map[string]ace.AIF{}
	for token, text := range c.Scopes {
		var a ace.AIF
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			return nil, fmt.Errorf(`scopes.%s: want AIF in JSON, such as '[["/value",1]]': %w`, token, err)
		}
		table[token] = a
	}
	return table, nil
}

// config reads the configuration.
func (f *configFlag) config() (config, error) {
	text, err := os.ReadFile(f.Config)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; make one with '%s init DIR', or name it with --config", err, name)
	}
	if err != nil {
		return config{}, cli.Usage(err)
	}
	cfg, err := parseConfig(f.Config, text)
	return cfg, cli.Usage(err)
}

// load reads the configuration and the credentials that it names.
func (f *configFlag) load() (config, *credentials.ResourceServer, error) {
	cfg, err := f.config()
	if err != nil {
		return cfg, nil, err
	}
	known, err := credentials.ReadResourceServer(settings.Beside(f.Config, cfg.Credentials))
	return cfg, known, cli.Usage(err)
}
