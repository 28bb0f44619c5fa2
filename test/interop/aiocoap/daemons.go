package main

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"

	"github.com/ostiary/ostiary/test/interop"
)

// daemons are our servers as an operator has them, with their files in a folder.
type daemons struct {
	bin, dir  string
	processes []*interop.Process
	addr      netip.AddrPort // of what was started
	agent     netip.AddrPort // of the agent, if it was started beside
}

func (d *daemons) close() {
	for _, p := range d.processes {
		p.Stop()
	}
	_ = os.RemoveAll(d.dir)
}

func (d *daemons) path(name string) string { return filepath.Join(d.dir, name) }

// command runs a binary with its configuration.
func (d *daemons) command(ctx context.Context, binary, config string, args ...string) error {
	return interop.Command(ctx, filepath.Join(d.bin, binary), append(args, "--config", d.path(config))...)
}

// serve starts a binary and returns the address that it serves at.
func (d *daemons) serve(ctx context.Context, binary, config string) (netip.AddrPort, error) {
	p, addr, err := interop.Serve(ctx, filepath.Join(d.bin, binary), d.path(config))
	if err == nil {
		d.processes = append(d.processes, p)
	}
	return addr, err
}

// Binaries and their configurations.
const (
	as, asConfig       = "ostiary-as", "as/as.toml"
	agent, agentConfig = "ostiary-rs-agent", "agent/agent.toml"
)

// scope is what the client may do at the agent: GET of /value.
const scope = `[["/value",1]]`

const policy = `permit (
  principal,
  action in [Action::"GET", Action::"PUT"],
  resource in Audience::"sensor"
) when { resource.path == "/value" };
`

// initAS makes an authorization server that knows a resource server.
func (d *daemons) initAS(ctx context.Context) error {
	err := interop.Command(ctx, filepath.Join(d.bin, as), "init", d.path("as"), "--listen", "127.0.0.1:0", "--uri", "coap://127.0.0.1/token")
	if err != nil {
		return err
	}
	return errors.Join(d.logJSON(asConfig),
		d.command(ctx, as, asConfig, "rs", "add", "sensor", "--audience", "sensor", "--out", d.path("sensor.rs.toml")))
}

// logJSON changes a configuration that init has written.
func (d *daemons) logJSON(config string) error {
	text, err := os.ReadFile(d.path(config))
	if err != nil {
		return err
	}
	text = bytes.ReplaceAll(text, []byte(`format = "text"`), []byte(`format = "json"`))
	return os.WriteFile(d.path(config), text, 0o600)
}

// startAS starts an authorization server with a client, which may use /value.
func (d *daemons) startAS(ctx context.Context) (netip.AddrPort, error) {
	if err := d.initAS(ctx); err != nil {
		return netip.AddrPort{}, err
	}
	return d.serveAS(ctx)
}

func (d *daemons) serveAS(ctx context.Context) (netip.AddrPort, error) {
	err := errors.Join(
		d.command(ctx, as, asConfig, "client", "add", "alice", "--edhoc", "--out", d.path("alice.client.toml")),
		os.WriteFile(d.path("as/policy.cedar"), []byte(policy), 0o600),
	)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return d.serve(ctx, as, asConfig)
}

// startAgent starts an agent before its sample device, with a client that may read
// /value.
func (d *daemons) startAgent(ctx context.Context) (netip.AddrPort, error) {
	if err := d.initAgent(ctx); err != nil {
		return netip.AddrPort{}, err
	}
	if err := d.command(ctx, agent, agentConfig, "peer", "add", "alice", "--scope", scope, "--out", d.path("alice.client.toml")); err != nil {
		return netip.AddrPort{}, err
	}
	return d.serve(ctx, agent, agentConfig)
}

// initAgent makes an agent, the sample device behind it and its authorization server.
func (d *daemons) initAgent(ctx context.Context) error {
	device, err := d.startDevice(ctx)
	if err == nil {
		err = d.initAS(ctx)
	}
	if err != nil {
		return err
	}
	err = interop.Command(ctx, filepath.Join(d.bin, agent), "init", d.path("agent"),
		"--listen", "127.0.0.1:0", "--upstream", device, "--credentials", "../sensor.rs.toml")
	if err != nil {
		return err
	}
	return d.logJSON(agentConfig)
}

// startBoth starts an authorization server and the agent that takes its tokens, and
// returns the address of the former.
func (d *daemons) startBoth(ctx context.Context) (addr netip.AddrPort, err error) {
	if err := d.initAgent(ctx); err != nil {
		return netip.AddrPort{}, err
	}
	if d.agent, err = d.serve(ctx, agent, agentConfig); err != nil {
		return netip.AddrPort{}, err
	}
	return d.serveAS(ctx)
}

var deviceURI = regexp.MustCompile(`coap://[0-9.:]+[0-9]`)

// startDevice starts the sample device of the agent, and returns its URI.
func (d *daemons) startDevice(ctx context.Context) (string, error) {
	p, err := interop.Start(ctx, true, filepath.Join(d.bin, agent), "sample", "--listen", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	d.processes = append(d.processes, p)
	line, err := p.Find(ctx, "coap://")
	return deviceURI.FindString(line), err
}
