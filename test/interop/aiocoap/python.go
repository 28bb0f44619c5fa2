package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/test/interop"
)

// python starts aiocoap in a role, and returns what it says after "ready".
func (s *suite) python(ctx context.Context, args ...string) (*interop.Process, string, error) {
	return interop.StartPython(ctx, s.dir, args...)
}

// pythonServer starts aiocoap as server, and returns its address.
func (s *suite) pythonServer(ctx context.Context, port string, args ...string) (*interop.Process, netip.AddrPort, error) {
	p, port, err := s.python(ctx, append([]string{"server", port}, args...)...)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	addr, err := netip.ParseAddrPort("127.0.0.1:" + port)
	if err != nil {
		p.Stop()
	}
	return p, addr, err
}

// failureError is what aiocoap says of something that it could not do.
type failureError string

func (e failureError) Error() string { return "aiocoap: " + string(e) }

// say has aiocoap do something.
func say(ctx context.Context, p *interop.Process, words ...string) error {
	answer, err := p.Say(ctx, strings.Join(words, " "))
	if err == nil && answer != "passed" {
		err = failureError(answer)
	}
	return err
}

// provision writes an OSCORE context of aiocoap into a new folder, which the
// caller removes.
func provision(p *oscore.Params) (dir string, err error) {
	dir, err = os.MkdirTemp("", "ostiary-interop-")
	if err != nil {
		return "", err
	}
	hexa := func(b []byte) string { return fmt.Sprintf("%x", b) }
	text, err := json.Marshal(map[string]string{
		"secret_hex": hexa(p.MasterSecret), "salt_hex": hexa(p.MasterSalt),
		"sender-id_hex": hexa(p.SenderID), "recipient-id_hex": hexa(p.RecipientID),
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "settings.json"), text, 0o600)
	}
	return dir, err
}
