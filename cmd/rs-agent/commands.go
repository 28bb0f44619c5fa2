package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
)

type initCommand struct {
	Dir         string `arg:"" help:"Folder to write into; it is made if it does not exist."`
	Listen      string `help:"UDP address and port for the clients; default ${default}." default:"127.0.0.1:5683" placeholder:"ADDR"`
	Upstream    string `help:"Server to protect; default ${default}." default:"coap://127.0.0.1:5684" placeholder:"URI"`
	Credentials string `help:"File of 'ostiary-as rs add', as seen from the folder; default ${default}." default:"sensor.rs.toml" placeholder:"FILE"`
}

// Run writes the configuration and says what comes next.
func (c *initCommand) Run(s cli.Streams) error {
	path := filepath.Join(c.Dir, "agent.toml")
	text := fmt.Sprintf(`# Configuration of ostiary-rs-agent. Paths of files are beside this one.
# What each key means is in docs/reference/configuration.md.

listen      = %q  # UDP address for the clients
upstream    = %q  # the server to protect
credentials = %q  # written by 'ostiary-as rs add'
state       = "agent.state"  # what must survive a restart
edhoc_key   = "edhoc.key"    # for clients that run EDHOC; see 'peer add'
peers       = "peers.toml"   # who they are, and what they may do

renewal = true  # clients may renew their context (RFC 8613, Appendix B.2)
timeout = "30s" # for the server to answer
# public = ["/.well-known/core"]  # paths that anybody may use, in clear
# introspection = true  # ask the authorization server about tokens

# Scopes are AIF (RFC 9237) unless scope tokens are listed here:
# [scopes]
# read = '[["/value",1]]'  # 1 GET, 2 POST, 4 PUT, 8 DELETE, ..

[limits]
tokens            = 1000   # clients with a token
requests          = 1024   # handled at once
requests_per_peer = 32     # of one client
body              = 65536  # bytes of a body in blocks

edhoc_sessions          = 1000   # security contexts that EDHOC has made
edhoc_sessions_per_peer = 4      # of one peer
edhoc_lifetime          = "24h"  # of such a context

[log]
level  = "info"  # debug, info, warn, error
format = "text"  # text, json
`, c.Listen, c.Upstream, c.Credentials)
	cfg, err := parseConfig(path, []byte(text))
	if err != nil {
		return cli.Usage(err)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	if err := settings.WriteNew(path, []byte(text)); err != nil {
		return cli.Usage(err)
	}
	if err := makeEDHOCKey(path, cfg, credentials.P256); err != nil {
		return cli.Usage(err)
	}
	fmt.Fprintf(s.Out, "wrote %s\n\nNext: put %s beside it and run\n  %s serve --config %s\n",
		path, c.Credentials, name, path)
	return nil
}

type serveCommand struct{ configFlag }

// Run serves until it is told to stop.
func (c *serveCommand) Run(ctx context.Context, s cli.Streams) error {
	// There is nothing to read again: SIGHUP stops the agent in good order too.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	cfg, known, log, err := c.setup(s)
	if err != nil {
		return err
	}
	// Another agent writes the state until it has ended: it is not read before.
	state := settings.Beside(c.Config, cfg.State)
	alone, err := settings.TryLock(state)
	if errors.Is(err, settings.ErrLocked) {
		err = fmt.Errorf("another agent is running with %s; give each a configuration of its own", state)
	}
	if err != nil {
		return err
	}
	defer func() { _ = alone.Unlock() }()
	a, err := newAgent(ctx, c.Config, cfg, known, log)
	if err != nil {
		return err
	}
	conn, err := cli.ListenUDP(a.cfg.Listen)
	if err != nil {
		a.close()
		return err
	}
	a.log.Info("serving", "address", conn.LocalAddr().String(), "upstream", a.cfg.Upstream, "audiences", a.known.Audiences)
	if a.edhoc != nil {
		a.log.Info("serving EDHOC", "path", edhoccoap.Path, "peers", a.edhoc.Peers())
	}
	err = a.serve(ctx, conn)
	a.log.Info("stopped")
	return err
}

// setup is what an agent is made of.
func (f *configFlag) setup(s cli.Streams) (config, *credentials.ResourceServer, *slog.Logger, error) {
	cfg, known, err := f.load()
	if err != nil {
		return cfg, nil, nil, err
	}
	log, err := cli.Logger(s.Err, cfg.Log.Level, cfg.Log.Format)
	return cfg, known, log, cli.Usage(err)
}

type configCommand struct {
	Check    configCheck    `cmd:"" help:"Say whether the configuration, the credentials and the list of peers can be used."`
	EDHOCKey configEDHOCKey `cmd:"" name:"edhoc-key" help:"Make the EDHOC key that the configuration names, if there is none."`
}

type configCheck struct{ configFlag }

// Run does all that serve does before it opens the socket.
func (c *configCheck) Run(ctx context.Context, s cli.Streams) error {
	cfg, known, log, err := c.setup(s)
	if err != nil {
		return err
	}
	a, err := newAgent(ctx, c.Config, cfg, known, log)
	if err != nil {
		return err
	}
	a.close()
	_, err = fmt.Fprintln(s.Out, "configuration and credentials are good")
	return err
}

type versionCommand struct{}

// Run prints the version.
func (c *versionCommand) Run(s cli.Streams) error {
	_, err := fmt.Fprintf(s.Out, "%s %s\n", name, cli.Version())
	return err
}
