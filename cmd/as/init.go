package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/store"
)

type initCommand struct {
	Dir    string `arg:"" help:"Folder to write into; it is made if it does not exist."`
	Issuer string `help:"Issuer of the tokens, a URI; default ${default}." default:"coap://as.example" placeholder:"URI"`
	Listen string `help:"UDP address and port to listen on; default ${default}." default:"127.0.0.1:5683" placeholder:"ADDR"`
	URI    string `help:"Token endpoint as the clients reach it; default coap://LISTEN/token." name:"uri" placeholder:"URI"`
}

// Run writes the files and says what comes next.
func (c *initCommand) Run(ctx context.Context, s cli.Streams) error {
	path, err := initialize(ctx, c.Dir, c.Issuer, c.Listen, c.URI)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "wrote %s\n\nNext:\n", path)
	for _, line := range []string{
		"rs add sensor --config " + path,
		"client add alice --audience sensor --config " + path,
		"serve --config " + path,
	} {
		fmt.Fprintf(s.Out, "  %s %s\n", name, line)
	}
	fmt.Fprintf(s.Out, "\nand say in %s who may do what.\n", filepath.Join(c.Dir, "policy.cedar"))
	return nil
}

// initialize writes configuration, policy and store into dir, and returns the
// path of the configuration.
func initialize(ctx context.Context, dir, issuer, listen, uri string) (path string, err error) {
	path = filepath.Join(dir, "as.toml")
	text := configText(issuer, listen, uri)
	cfg, err := parseConfig(path, []byte(text))
	if err != nil {
		return "", cli.Usage(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if _, err := os.Lstat(path); err == nil {
		return "", cli.Usage(fmt.Errorf("%s exists already; name another folder", path))
	}
	// The store comes first: it refuses a folder that everybody may enter.
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, cfg.Store)})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := settings.WriteNew(path, []byte(text)); err != nil {
		return "", cli.Usage(err)
	}
	if err := makeEDHOCKey(path, cfg, cfg.EDHOCKey, credentials.P256, ""); err != nil {
		return "", cli.Usage(err)
	}
	if err := settings.WriteNew(filepath.Join(dir, cfg.Policy), []byte(policyText)); err != nil {
		return "", cli.Usage(err)
	}
	return path, s.AddEvent(ctx, store.Event{Kind: "as.init", Actor: actor(), Subject: issuer})
}

// actor names who runs the command, for the audit log.
func actor() string {
	if u := os.Getenv("USER"); u != "" {
		return u
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

func configText(issuer, listen, uri string) string {
	line := "# uri  = \"coap://as.example/token\"  # default: coap://LISTEN/token"
	if uri != "" {
		line = fmt.Sprintf("uri    = %q", uri)
	}
	return fmt.Sprintf(`# Configuration of ostiary-as. Paths are beside this file.
# What each key means is in docs/reference/configuration.md.

issuer = %q  # "iss" of the tokens
listen = %q  # UDP address of the CoAP endpoint
%s

store     = "as.db"
policy    = "policy.cedar"
edhoc_key = "edhoc.key"  # for clients that are registered with --edhoc
lifetime  = "1h"         # of a token, if a resource server has no other

[log]
level  = "info"  # debug, info, warn, error
format = "text"  # text, json

[limits]
requests                  = 1024   # handled at once
requests_per_peer         = 32     # of one client
edhoc_sessions            = 4096   # security contexts that EDHOC has made
edhoc_sessions_per_client = 4      # of one client
edhoc_lifetime            = "24h"  # of such a context
`, issuer, listen, line)
}

const policyText = `// Who may do what, in the Cedar language. What no policy permits is denied.
// The server reads this file at its start and at SIGHUP.
//
// A scope of AIF (RFC 9237) is decided path by path and method by method, a
// scope of text token by token (resource Scope::"read", action Action::"use").
//
// permit (
//   principal == Client::"alice",
//   action in [Action::"GET", Action::"PUT"],
//   resource in Audience::"sensor"
// ) when { resource.path == "/value" };
`
