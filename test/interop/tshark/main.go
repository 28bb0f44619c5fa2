// Command tshark has tshark decrypt the recorded runs of other peers with the keys of
// their contexts, and compares what it finds inside. run.sh installs it and starts this.
//
//	test/interop/tshark/run.sh           run the cases
//	test/interop/tshark/run.sh -update   and keep the results in testdata/
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/test/interop"
)

// suite is what all runs share.
type suite struct{ dir string }

// recorded are the files of the runs, beside the folder of this program.
var recorded = map[string]string{
	"edhoc-client": "aiocoap/testdata/edhoc-client.jsonl",
	"edhoc-server": "aiocoap/testdata/edhoc-server.jsonl",
	"client":       "aiocoap/testdata/client.json",
	"server":       "aiocoap/testdata/server.json",
}

func (s *suite) runs() map[string]interop.Func {
	runs := map[string]interop.Func{}
	for name := range recorded {
		runs[name] = s.observe
	}
	return runs
}

func main() {
	interop.Main("tshark", 0, func(o interop.Options) map[string]interop.Func { return (&suite{o.Dir}).runs() })
}

// observe decrypts the cases of a recorded run.
func (s *suite) observe(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	transcripts, err := interop.LoadAll(filepath.Join(s.dir, "..", recorded[r.Name]))
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "ostiary-interop-")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	seen := map[string]error{} // by case: what is wrong with it, or nil
	for _, t := range transcripts {
		inside, err := decrypt(ctx, filepath.Join(dir, "run.pcap"), t)
		if err != nil {
			return nil, nil, err
		}
		for i, d := range t.Datagrams {
			if d.Inner == nil {
				continue
			}
			var wrong error
			if got, want := inside[i+1], (message{d.Inner.Code, d.Inner.Payload.String()}); got != want {
				wrong = fmt.Errorf("inside datagram %d, from the %s, is %v, want %v", i, d.From, got, want)
			}
			seen[d.Case] = errors.Join(seen[d.Case], wrong)
		}
	}
	return r.Do(ctx, os.Stdout, nil, func(_ context.Context, name string) error {
		wrong, ok := seen[name]
		if !ok {
			return errors.New("nothing is recorded")
		}
		return wrong
	}), nil, nil
}

// message is the code and the payload of a message, in hexadecimal.
type message struct{ code, payload string }

// decrypt returns the messages inside OSCORE, by the number of the datagram from 1 on.
func decrypt(ctx context.Context, path string, t *interop.Transcript) (map[int]message, error) {
	if err := interop.WritePCAP(path, t.Datagrams); err != nil {
		return nil, err
	}
	c := &t.Context
	contexts := fmt.Sprintf(`uat:oscore_contexts:"%v","%v","%v","%v","%v","AES-CCM-16-64-128 (CCM*)"`,
		c.SenderID, c.RecipientID, c.MasterSecret, c.MasterSalt, c.IDContext)
	cmd := exec.CommandContext(ctx, "tshark", "-r", path, "-o", contexts, "-Y", "oscore.code",
		"-T", "fields", "-E", "separator=;", "-e", "frame.number", "-e", "oscore.code", "-e", "data.data")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("tshark: %w", err)
	}
	inside := map[int]message{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), ";")
		if len(fields) != 3 {
			return nil, fmt.Errorf("tshark says %q", line)
		}
		frame, err1 := strconv.Atoi(fields[0])
		code, err2 := strconv.Atoi(fields[1])
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		// First comes the ciphertext, then the payload if there is one.
		_, payload, _ := strings.Cut(fields[2], ",")
		inside[frame] = message{fmt.Sprintf("%d.%02d", code>>5, code&31), payload}
	}
	return inside, nil
}
