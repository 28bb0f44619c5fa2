package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ostiary/ostiary/test/interop"
)

// edhocCommand runs the cases with aiocoap as Responder and server of our command.
func (s *suite) edhocCommand(ctx context.Context, r *interop.Run) (results map[string]string, _ *interop.Transcript, err error) {
	peer, addr, err := s.pythonServer(ctx, "0")
	if err != nil {
		return nil, nil, err
	}
	defer peer.Stop()
	parties, err := interop.LoadJSON[interop.Parties](s.credentials())
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "ostiary-interop-")
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "client.toml")
	text := fmt.Sprintf("name = 'client'\nas = 'coap://%v/token'\n\n[edhoc]\nprivate_key = '%v'\ncredential = '%v'\npeer = '%v'\n",
		addr, parties.Initiator.Key, parties.Initiator.Credential, parties.Responder.Credential)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, nil, err
	}
	const times = 3
	return r.Do(ctx, os.Stdout, nil, func(ctx context.Context, name string) error {
		c, err := newCase(r, name)
		if err != nil {
			return err
		}
		if err := say(ctx, peer, "edhoc", style(c.responderByValue)); err != nil {
			return err
		}
		args := []string{"edhoc", fmt.Sprintf("coap://%v/value", addr), "--credentials", file, "--repeat", fmt.Sprint(times), "-o", "json"}
		if c.combined {
			args = append(args, "--combined")
		}
		out, err := interop.Output(ctx, filepath.Join(s.bin, "ostiary-as"), args...)
		if n := strings.Count(out, `"2.05 Content"`); err == nil && n != times {
			err = fmt.Errorf("%d GETs gave 2.05, want %d: %s", n, times, out)
		}
		return err
	}), nil, nil
}
