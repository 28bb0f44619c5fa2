package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/ostiary/ostiary/cmd/internal/cli"
)

type demoCommand struct {
	Keep bool `help:"Keep the folder with the configuration and the store."`
}

// Run shows the whole exchange. It fails at the first step that does not do
// what it should.
func (c *demoCommand) Run(ctx context.Context, s cli.Streams) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "ostiary-demo-")
	if err != nil {
		return err
	}
	if c.Keep {
		fmt.Fprintf(s.Out, "The files are in %s\n", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	return runDemo(ctx, dir, s.Out, slog.New(slog.DiscardHandler))
}

// runDemo sets the stage in dir and runs the steps.
func runDemo(ctx context.Context, dir string, out io.Writer, log *slog.Logger) (err error) {
	d, err := newDemo(ctx, dir, &tracer{w: out}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	d.t.heading("An authorization server (as) on %v, a resource server (rs) on %v, two clients (alice, bob); all on loopback.\n",
		d.asAddr, d.rsAddr)
	for i, step := range d.steps() {
		d.t.heading("%2d. %s", i+1, step.title)
		result, err := step.run(ctx)
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, step.title, err)
		}
		d.t.heading("      ok: %s\n", result)
	}
	d.t.heading("All %d steps did what they should.", len(d.steps()))
	return nil
}

// A step of the demonstration says what happened, or what was wrong.
type step struct {
	title string
	run   func(context.Context) (string, error)
}

func (d *demo) steps() []step {
	return []step{
		{"alice asks rs without a token and learns where to get one", d.hints},
		{"alice asks as for a token; the answer has OSCORE input material", d.token},
		{"alice uploads the token; N1, N2, ID1, ID2 make the security context", d.upload},
		{"alice's first protected requests: GET and PUT", d.getAndPut},
		{"alice oversteps her scope", d.outside},
		{"an attacker sends alice's last request again", d.replay},
		{"alice renews the security context by RFC 8613, Appendix B.2", d.renew},
		{"alice asks for less, in the same security context", d.update},
		{"bob, the same audience: no identifier collides", d.second},
		{"bob gets a token that lives briefly, uses it, and tries again later", d.expiry},
	}
}
