package loadflood

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// A child is a process that answers each line with a line of JSON.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(executable string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(executable, args...)}
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.in, c.out = in, bufio.NewReader(out)
	return c, c.cmd.Start()
}

func (c *child) ask(question string, answer any) error {
	if _, err := fmt.Fprintln(c.in, question); err != nil {
		return fmt.Errorf("ask for %s: %w", question, err)
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("ask for %s: %w", question, err)
	}
	return json.Unmarshal(line, answer)
}

// stop ends the process: it reads no more.
func (c *child) stop() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

// answer answers the lines of a parent until it closes the pipe.
func answer(in io.Reader, out io.Writer, respond func(question string) (any, error)) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		v, err := respond(lines.Text())
		if err != nil {
			return err
		}
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := out.Write(append(b, '\n')); err != nil {
			return err
		}
	}
	return lines.Err()
}
