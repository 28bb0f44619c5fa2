package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/test/interop"
)

// theirClient is coap-client as client of resources of ours.
type theirClient struct {
	base         string   // of the URIs
	args         []string // of every run
	dir          string   // for bodies
	value, large *interop.Resource
}

// newTheirClient makes a client and the handler of its server.
func newTheirClient() (*theirClient, coap.Handler, error) {
	dir, err := os.MkdirTemp("", "ostiary-interop-")
	c := &theirClient{dir: dir, value: interop.NewResource(interop.InitialValue), large: interop.NewResource("")}
	m := new(coap.Mux)
	m.Handle("/value", c.value)
	m.Handle("/large", c.large)
	m.Describe("/value", coap.Attribute{Name: "obs"})
	return c, m, err
}

func (c *theirClient) close() { _ = os.RemoveAll(c.dir) }

// clientUDP runs the cases with libcoap as client over UDP.
func clientUDP(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	c, handler, err := newTheirClient()
	if err != nil {
		return nil, nil, err
	}
	defer c.close()
	server, err := coap.Listen("udp4", "127.0.0.1:0", coap.Config{Handler: handler})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = server.Close() }()
	relay, err := interop.NewRelay(server.LocalAddr())
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = relay.Close() }()
	c.base = "coap://" + relay.Addr().String()
	return r.Do(ctx, stdout, relay, func(ctx context.Context, name string) error {
		err := c.run(ctx, name)
		if err == nil && strings.HasPrefix(name, "block-wise-") {
			err = inBlocks(relay, name)
		}
		return err
	}), nil, nil
}

// clientTCP runs the cases with libcoap as client over TCP.
func clientTCP(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	c, handler, err := newTheirClient()
	if err != nil {
		return nil, nil, err
	}
	defer c.close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	serving, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	server := coap.StreamServer{Config: coap.ConnConfig{Handler: handler, MaxMessageSize: maxMessage}}
	go func() { done <- server.Serve(serving, l) }()
	defer func() { cancel(); <-done }()
	c.base = "coap+tcp://" + l.Addr().String()
	c.args = []string{"-X", fmt.Sprint(maxMessage)}
	return r.Do(ctx, stdout, nil, c.run), nil, nil
}

func (c *theirClient) run(ctx context.Context, name string) error {
	size := "512"
	switch name {
	case "get":
		return c.want(ctx, interop.InitialValue, "/value")
	case "non-confirmable-get":
		return c.want(ctx, interop.InitialValue, "/value", "-N")
	case "put":
		return errors.Join(
			c.want(ctx, "", "/value", "-m", "put", "-e", "changed"),
			c.value.Has([]byte("changed")),
			c.want(ctx, "changed", "/value"),
		)
	case "fetch":
		return c.want(ctx, "a question", "/value", "-m", "fetch", "-e", "a question")
	case "observe":
		return c.observe(ctx, "one", "two")
	case "block-wise-put":
		c.large.Set(nil)
		return errors.Join(c.want(ctx, "", "/large", "-b", size, "-m", "put", "-f", c.body()), c.large.Has(interop.Body()))
	case "block-wise-get":
		c.large.Set(interop.Body())
		return c.want(ctx, string(interop.Body()), "/large", "-b", size)
	case "block-wise-fetch":
		return c.want(ctx, string(interop.Body()), "/value", "-m", "fetch", "-f", c.body())
	case "discovery":
		return c.want(ctx, "</value>;obs", "/.well-known/core")
	case "not-found":
		return c.refused(ctx, "4.04", "/nothing")
	case "method-not-allowed":
		return c.refused(ctx, "4.05", "/value", "-m", "delete")
	case "bad-option":
		return c.refused(ctx, "4.02", "/value", "-O", "9999,x")
	}
	return errors.New("there is no such case")
}

// body writes the body to a file.
func (c *theirClient) body() (path string) {
	path = filepath.Join(c.dir, "body")
	_ = os.WriteFile(path, interop.Body(), 0o600) // coap-client complains of its absence
	return path
}

// client runs coap-client to its end. It waits ten seconds for an answer.
func (c *theirClient) client(ctx context.Context, path string, args ...string) (out, diagnostic string, err error) {
	var stdout, stderr bytes.Buffer
	args = append(append([]string{"-B", "10", "-o", "-"}, c.args...), args...)
	cmd := exec.CommandContext(ctx, "coap-client-notls", append(args, c.base+path)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", "", fmt.Errorf("coap-client %v: %w: %s", args, err, stderr.String())
	}
	return stdout.String(), stderr.String(), nil
}

// want has coap-client get a payload and no error code.
func (c *theirClient) want(ctx context.Context, payload, path string, args ...string) error {
	out, diagnostic, err := c.client(ctx, path, args...)
	if err == nil && (out != payload || diagnostic != "") {
		err = fmt.Errorf("%s %v: got %.100q, %q, want %.100q", path, args, out, diagnostic, payload)
	}
	return err
}

// refused has coap-client get an error code.
func (c *theirClient) refused(ctx context.Context, code, path string, args ...string) error {
	out, diagnostic, err := c.client(ctx, path, args...)
	if err == nil && (out != "" || !strings.HasPrefix(diagnostic, code)) {
		err = fmt.Errorf("%s %v: got %q, %q, want %s", path, args, out, diagnostic, code)
	}
	return err
}

// observe has coap-client observe for observing, and changes the resource whenever
// it has printed the last value. It then deregisters.
func (c *theirClient) observe(ctx context.Context, values ...string) error {
	c.value.Set([]byte(interop.InitialValue))
	args := append([]string{"-B", "10", "-w", "-s", observing}, c.args...)
	p, err := interop.Start(ctx, false, "coap-client-notls", append(args, c.base+"/value")...)
	if err != nil {
		return err
	}
	last := interop.InitialValue
	for _, value := range append(values, "") {
		line, err := p.Line(ctx)
		if err == nil && line != last {
			err = fmt.Errorf("notified of %q, want %q", line, last)
		}
		if err != nil {
			p.Stop()
			return err
		}
		if value != "" {
			last = value
			c.value.Set([]byte(value))
		}
	}
	return errors.Join(p.Wait(), c.value.Unobserved(ctx))
}

// observing is for how many seconds coap-client observes.
const observing = "3"
