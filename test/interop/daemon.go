package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"time"
)

// Command runs one of our binaries to its end.
func Command(ctx context.Context, binary string, args ...string) error {
	_, err := Output(ctx, binary, args...)
	return err
}

// Output is Command, and returns what the binary has written.
func Output(ctx context.Context, binary string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, binary, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %q: %w: %s", filepath.Base(binary), args, err, out)
	}
	return string(out), nil
}

// Serve starts one of our binaries, whose configuration wants a log in JSON, and
// returns the address that it serves at.
func Serve(ctx context.Context, binary, config string) (*Process, netip.AddrPort, error) {
	p, err := Start(ctx, true, binary, "serve", "--config", config)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var log struct{ Address netip.AddrPort }
	line, err := p.Find(waiting, `"serving"`)
	if err == nil {
		err = json.Unmarshal([]byte(line), &log)
	}
	if err != nil {
		p.Stop()
		return nil, netip.AddrPort{}, fmt.Errorf("%s: %w", filepath.Base(binary), err)
	}
	return p, log.Address, nil
}
