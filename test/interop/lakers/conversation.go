package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ostiary/ostiary/internal/vector"
	"github.com/ostiary/ostiary/test/interop"
)

// A conversation is what a case needs of the world: somebody who answers in the
// place of lakers, and randomness for our side. With the same of both, the case goes
// the same way.
type conversation struct {
	say    func(ctx context.Context, line []byte) ([]byte, error)
	random io.Reader
}

// refusedError is an error of EDHOC that lakers reports.
type refusedError string

func (e refusedError) Error() string { return "lakers: " + string(e) }

// ask has lakers take a step.
func (c *conversation) ask(ctx context.Context, r request) (*answer, error) {
	line, err := json.Marshal(&r)
	if err != nil {
		return nil, err
	}
	if line, err = c.say(ctx, line); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Do, err)
	}
	a := new(answer)
	switch err := json.Unmarshal(line, a); {
	case err != nil:
		return nil, fmt.Errorf("%s: lakers says %q: %w", r.Do, line, err)
	case a.Failed != "":
		return nil, fmt.Errorf("%s: lakers fails with %s", r.Do, a.Failed)
	case a.Refused != "":
		return nil, refusedError(a.Refused)
	}
	return a, nil
}

// A recording is a conversation that was had. Its file has an object a line, as have
// the lines that went to lakers and came from it.
type recording struct {
	Case   string     `json:"case"`
	Random vector.Hex `json:"random"` // what our side has read

	random    interop.Random // of the live run
	exchanges []exchange
}

// exchange is a request and the answer to it.
type exchange struct {
	Ask    json.RawMessage `json:"ask"`
	Answer json.RawMessage `json:"answer"`
}

// record begins a conversation with lakers that is kept in rec.
func record(p *interop.Process, rec *recording) *conversation {
	return &conversation{
		say: func(ctx context.Context, line []byte) ([]byte, error) {
			said, err := p.Say(ctx, string(line))
			rec.exchanges = append(rec.exchanges, exchange{line, []byte(said)})
			return []byte(said), err
		},
		random: &rec.random,
	}
}

// replay begins the conversation anew, without lakers. At the end left says what has
// not come up.
func (rec *recording) replay() (c *conversation, left func() error) {
	random, next := bytes.NewReader(rec.Random), rec.exchanges
	c = &conversation{
		say: func(_ context.Context, line []byte) ([]byte, error) {
			if len(next) == 0 {
				return nil, fmt.Errorf("asked %s, and nothing more was recorded", line)
			}
			x := next[0]
			next = next[1:]
			if !bytes.Equal(line, x.Ask) {
				return nil, fmt.Errorf("asked %s, want %s", line, x.Ask)
			}
			return x.Answer, nil
		},
		random: random,
	}
	return c, func() error {
		if len(next) > 0 || random.Len() > 0 {
			return fmt.Errorf("%d exchanges and %d random bytes are left", len(next), random.Len())
		}
		return nil
	}
}

// save writes the recordings of a run.
func save(path string, recordings []*recording) error {
	out := new(bytes.Buffer)
	enc := json.NewEncoder(out)
	var err error
	for _, rec := range recordings {
		err = errors.Join(err, enc.Encode(rec))
		for _, x := range rec.exchanges {
			err = errors.Join(err, enc.Encode(x))
		}
	}
	return errors.Join(err, os.WriteFile(path, out.Bytes(), 0o644))
}

// load reads a file of save.
func load(path string) (recordings []*recording, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var x struct {
			recording
			exchange
		}
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if x.Ask == nil {
			recordings = append(recordings, &recording{Case: x.Case, Random: x.Random})
			continue
		}
		last := recordings[len(recordings)-1]
		last.exchanges = append(last.exchanges, x.exchange)
	}
	return recordings, lines.Err()
}
