package main

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
)

type serveCommand struct{ configFlag }

// Run serves until it is told to stop.
func (c *serveCommand) Run(ctx context.Context, s cli.Streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	log, err := cli.Logger(s.Err, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return cli.Usage(err)
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP) // which would end a process that is not ready for it
	defer signal.Stop(reload)
	a, err := newAuthority(ctx, c.Config, cfg, log, nil)
	if err != nil {
		return err
	}
	conn, err := a.listen()
	if err != nil {
		return errors.Join(err, a.close())
	}
	log.Info("serving", "address", conn.LocalAddr().String(), "issuer", cfg.Issuer, "clients", len(a.provisioned))
	if a.edhoc != nil {
		log.Info("serving EDHOC", "path", edhoccoap.Path, "peers", a.edhoc.Peers())
	}
	err = a.serve(ctx, conn, reload)
	log.Info("stopped")
	return err
}

// introspectionURI is where resource servers ask, beside the token endpoint.
func introspectionURI(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return uri // does not happen: config.check has parsed it
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = acecoap.IntrospectPath, "", "", ""
	return u.String()
}

// tokenPath is the path of the token endpoint.
func tokenPath(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "/token" // does not happen: config.check has parsed it
	}
	return u.Path
}

type configCommand struct {
	Check    configCheck    `cmd:"" help:"Say whether the configuration, the policies and the store can be used."`
	EDHOCKey configEDHOCKey `cmd:"" name:"edhoc-key" help:"Make the EDHOC key that the configuration names, if there is none."`
}

type configCheck struct{ configFlag }

// Run opens everything that serve opens, but for the socket.
func (c *configCheck) Run(ctx context.Context, s cli.Streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	log, err := cli.Logger(s.Err, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return cli.Usage(err)
	}
	a, err := newAuthority(ctx, c.Config, cfg, log, nil)
	if err != nil {
		return err
	}
	_, err = s.Out.Write([]byte("configuration, policies and store are good\n"))
	return errors.Join(err, a.close())
}
