package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/ostiary/ostiary/test/interop"
)

// clientOfAS runs the cases with aiocoap as client of our authorization server.
func (s *suite) clientOfAS(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	return s.clientOf(ctx, r, (*daemons).startAS, (*daemons).runAS)
}

// clientOfAgent runs the cases with aiocoap as client of our agent.
func (s *suite) clientOfAgent(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	return s.clientOf(ctx, r, (*daemons).startAgent, (*daemons).runAgent)
}

// clientOfBoth runs the cases with aiocoap as client of our authorization server and,
// with the token of that, of our agent. Between the two it does what RFC 9203 says.
func (s *suite) clientOfBoth(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	return s.clientOf(ctx, r, (*daemons).startBoth, (*daemons).runBoth)
}

func (s *suite) clientOf(
	ctx context.Context, r *interop.Run,
	start func(*daemons, context.Context) (netip.AddrPort, error),
	run func(d *daemons, ctx context.Context, peer *interop.Process, name string) error,
) (map[string]string, *interop.Transcript, error) {
	dir, err := os.MkdirTemp("", "ostiary-interop-")
	if err != nil {
		return nil, nil, err
	}
	d := &daemons{bin: s.bin, dir: dir}
	defer d.close()
	addr, err := start(d, ctx)
	d.addr = addr
	if err != nil {
		return nil, nil, err
	}
	peer, _, err := s.python(ctx, "client", "0")
	if err != nil {
		return nil, nil, err
	}
	defer peer.Stop()
	results := r.Do(ctx, os.Stdout, nil, func(ctx context.Context, name string) error {
		if len(r.Columns) == 0 { // not about EDHOC
			return run(d, ctx, peer, name)
		}
		c, err := newCase(r, name)
		if err != nil {
			return err
		}
		pair := d.path("alice.client.toml")
		if name == "public-key" {
			if pair, err = d.publish(ctx, r, peer); err != nil {
				return err
			}
		}
		if err := say(ctx, peer, "login", port(addr), style(c.initiatorByValue), c.flow(), pair); err != nil {
			return err
		}
		return run(d, ctx, peer, name)
	})
	return results, nil, nil
}

func (d *daemons) runAS(ctx context.Context, peer *interop.Process, name string) error {
	switch name {
	case "uncovered-method":
		return say(ctx, peer, "ask", "GET", "/token", "4.05")
	case "removed":
		if err := d.command(ctx, as, asConfig, "client", "remove", "alice"); err != nil {
			return err
		}
		return wantFailure(say(ctx, peer, "ask", "GET", "/token", "4.05"))
	}
	return say(ctx, peer, "token", d.path("sensor.rs.toml"))
}

func (d *daemons) runBoth(ctx context.Context, peer *interop.Process, name string) error {
	switch name {
	case "token":
		return errors.Join(
			say(ctx, peer, "login", port(d.addr), "by-key-id", "combined", d.path("alice.client.toml")),
			say(ctx, peer, "token", d.path("sensor.rs.toml")))
	case "authz-info":
		folder := d.path("context")
		return errors.Join(os.Mkdir(folder, 0o700), say(ctx, peer, "upload", port(d.agent), folder))
	case "get":
		return say(ctx, peer, "ask", "GET", "/value", "2.05")
	case "put":
		return say(ctx, peer, "ask", "PUT", "/value", "2.04")
	}
	return d.runAgent(ctx, peer, name)
}

func (d *daemons) runAgent(ctx context.Context, peer *interop.Process, name string) error {
	switch name {
	case "outside-the-scope":
		return say(ctx, peer, "ask", "GET", "/secret", "4.03")
	case "uncovered-method":
		return say(ctx, peer, "ask", "PUT", "/value", "4.05")
	case "removed":
		return d.remove(ctx, peer)
	}
	return errors.Join(say(ctx, peer, "ask", "GET", "/value", "2.05"), say(ctx, peer, "again", "GET", "/value", "2.05"))
}

// publish registers a key pair that aiocoap makes, whose file it returns.
func (d *daemons) publish(ctx context.Context, r *interop.Run, peer *interop.Process) (string, error) {
	public, pair := d.path("bob.hex"), d.path("bob.client.toml")
	if err := say(ctx, peer, "keygen", public, pair, d.path("alice.client.toml")); err != nil {
		return "", err
	}
	if r.Name == "edhoc-as" {
		return pair, d.command(ctx, as, asConfig, "client", "add", "bob", "--public-key", public, "--out", d.path("bob.device.toml"))
	}
	return pair, d.command(ctx, agent, agentConfig, "peer", "add", "bob", "--scope", scope, "--public-key", public)
}

// remove has the agent trust the client no more, which ends its session.
func (d *daemons) remove(ctx context.Context, peer *interop.Process) error {
	if err := say(ctx, peer, "ask", "GET", "/value", "2.05"); err != nil {
		return err
	}
	if err := d.command(ctx, agent, agentConfig, "peer", "remove", "alice"); err != nil {
		return err
	}
	for { // it may take the agent a few seconds to see that
		err := say(ctx, peer, "again", "GET", "/value", "4.01")
		if err == nil {
			break
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
	return wantFailure(say(ctx, peer, "ask", "GET", "/value", "2.05"))
}

// wantFailure returns an error unless aiocoap has failed.
func wantFailure(err error) error {
	var failure failureError
	if !errors.As(err, &failure) {
		return fmt.Errorf("aiocoap ends with %w, want it to fail", err)
	}
	return nil
}
