package interop

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
	"time"
)

// A Process is a program that is run beside this one, and its lines. When its
// standard input is closed, or at the end of its context, it ends.
type Process struct {
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // of its output; closed at its end
	end   error       // of the reading, once lines is closed
}

// Start starts a program whose lines come from its standard error, if err is true,
// or else from its standard output.
func Start(ctx context.Context, err bool, name string, args ...string) (*Process, error) {
	p := &Process{name: filepath.Base(name), cmd: exec.CommandContext(ctx, name, args...), lines: make(chan string, 1024)}
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
		s := bufio.NewScanner(out)
		for s.Scan() {
			select {
			case p.lines <- s.Text():
			default: // nobody reads them
			}
		}
		p.end = s.Err()
	}()
	return p, nil
}

// Line waits for the next line.
func (p *Process) Line(ctx context.Context) (string, error) {
	select {
	case line, ok := <-p.lines:
		if !ok {
			return "", fmt.Errorf("%s has ended: %w", p.name, errors.Join(io.EOF, p.end))
		}
		return line, nil
	case <-ctx.Done():
		return "", fmt.Errorf("wait for %s: %w", p.name, ctx.Err())
	}
}

// Find waits for a line with a text, and returns it. At the end of the program
// the error has what it said before.
func (p *Process) Find(ctx context.Context, text string) (string, error) {
	var before []string
	for {
		line, err := p.Line(ctx)
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, strings.Join(before, "; "))
		}
		if strings.Contains(line, text) {
			return line, nil
		}
		before = append(before, line)
	}
}

// Say sends a line and returns the answer.
func (p *Process) Say(ctx context.Context, line string) (string, error) {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return "", fmt.Errorf("tell %s: %w", p.name, err)
	}
	return p.Line(ctx)
}

// Wait waits for the program to end by itself. Its error is that of
// exec.Cmd.Wait.
func (p *Process) Wait() error {
	for range p.lines {
	}
	return p.cmd.Wait()
}

// Stop ends the program, in ten seconds by force, and waits until it has ended.
func (p *Process) Stop() {
	_ = p.in.Close()
	_ = p.cmd.Process.Signal(os.Interrupt)
	defer time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() }).Stop()
	_ = p.Wait()
}
