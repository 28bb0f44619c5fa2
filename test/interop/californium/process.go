package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ostiary/ostiary/oscore"
)

// process is a program that is run beside this one, and its lines. When its
// standard input is closed, or at the end of its context, it ends.
type process struct {
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // of its output; closed at its end
}

// start starts a program whose lines come from its standard error, if err is true,
// or else from its standard output.
func start(ctx context.Context, err bool, name string, args ...string) (*process, error) {
	p := &process{name: filepath.Base(name), cmd: exec.CommandContext(ctx, name, args...), lines: make(chan string, 1024)}
	var out io.ReadCloser
	var e error
	if err {
		out, e = p.cmd.StderrPipe()
	} else {
		p.cmd.Stderr = os.Stderr
		out, e = p.cmd.StdoutPipe()
	}
	if e != nil {
		return nil, e
	}
	if p.in, e = p.cmd.StdinPipe(); e != nil {
		return nil, e
	}
	if e := p.cmd.Start(); e != nil {
		return nil, e
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default: // nobody reads them
			}
		}
	}()
	return p, nil
}

// line waits for the next line.
func (p *process) line(ctx context.Context) (string, error) {
	select {
	case line, ok := <-p.lines:
		if !ok {
			return "", fmt.Errorf("%s has ended", p.name)
		}
		return line, nil
	case <-ctx.Done():
		return "", fmt.Errorf("wait for %s: %w", p.name, ctx.Err())
	}
}

// find waits for a line with a text, and returns it. At the end of the program
// the error has what it said before.
func (p *process) find(ctx context.Context, text string) (string, error) {
	var before []string
	for {
		line, err := p.line(ctx)
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, strings.Join(before, "; "))
		}
		if strings.Contains(line, text) {
			return line, nil
		}
		before = append(before, line)
	}
}

// say sends a line and returns the answer.
func (p *process) say(ctx context.Context, line string) (string, error) {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return "", fmt.Errorf("tell %s: %w", p.name, err)
	}
	return p.line(ctx)
}

// stop ends the program and waits until it has ended.
func (p *process) stop() {
	_ = p.in.Close()
	_ = p.cmd.Process.Signal(os.Interrupt)
	for range p.lines {
	}
	_ = p.cmd.Wait()
}

// java starts Californium in a role, with the parameters as it has them, and
// returns what it says after "ready".
func (s *suite) java(ctx context.Context, role string, p *oscore.Params, args ...string) (*process, string, error) {
	hexa := func(b []byte) string { return fmt.Sprintf("%x", b) }
	args = append([]string{
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-cp", filepath.Join(s.dir, "target", "classes") + ":" + filepath.Join(s.dir, "target", "lib", "*"),
		"org.ostiary.interop.Main", role,
		"--secret", hexa([]byte(p.MasterSecret)), "--salt", hexa(p.MasterSalt), "--id-context", hexa(p.IDContext),
		"--sender", hexa(p.SenderID), "--recipient", hexa(p.RecipientID),
	}, args...)
	j, err := start(ctx, false, "java", args...)
	if err != nil {
		return nil, "", err
	}
	line, err := j.line(ctx)
	if err == nil && !strings.HasPrefix(line, "ready") {
		err = errors.New("java says " + line)
	}
	if err != nil {
		j.stop()
		return nil, "", err
	}
	return j, strings.TrimSpace(strings.TrimPrefix(line, "ready")), nil
}
