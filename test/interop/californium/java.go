package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/test/interop"
)

// java starts Californium in a role, with the parameters as it has them or, if p is
// nil, in plain CoAP, and returns what it says after "ready".
func (s *suite) java(ctx context.Context, role string, p *oscore.Params, args ...string) (*interop.Process, string, error) {
	hexa := func(b []byte) string { return fmt.Sprintf("%x", b) }
	if p != nil {
		args = append(args,
			"--secret", hexa([]byte(p.MasterSecret)), "--salt", hexa(p.MasterSalt), "--id-context", hexa(p.IDContext),
			"--sender", hexa(p.SenderID), "--recipient", hexa(p.RecipientID))
	}
	args = append([]string{
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-cp", filepath.Join(s.dir, "target", "classes") + ":" + filepath.Join(s.dir, "target", "lib", "*"),
		"org.ostiary.interop.Main", role,
	}, args...)
	j, err := interop.Start(ctx, false, "java", args...)
	if err != nil {
		return nil, "", err
	}
	line, err := j.Line(ctx)
	if err == nil && !strings.HasPrefix(line, "ready") {
		err = errors.New("java says " + line)
	}
	if err != nil {
		j.Stop()
		return nil, "", err
	}
	return j, strings.TrimSpace(strings.TrimPrefix(line, "ready")), nil
}
