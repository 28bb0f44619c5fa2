package main

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary/cmd/internal/cli"
)

type backupCommand struct {
	configFlag
	File string `arg:"" help:"File to write; it must not exist."`
}

// Run writes a backup.
func (c *backupCommand) Run(ctx context.Context, s cli.Streams) error {
	_, db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeStore(db, s)
	if err := db.Backup(ctx, c.File); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "wrote %s; it holds keys\n", c.File)
	return nil
}

type auditCommand struct {
	configFlag
}

// Run verifies the chain of the audit log.
func (c *auditCommand) Run(ctx context.Context, s cli.Streams) error {
	_, db, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer closeStore(db, s)
	n, hash, err := db.VerifyAudit(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%d events, the chain is whole; its end is %x\n", n, hash)
	return nil
}

type versionCommand struct{}

// Run prints the version.
func (c *versionCommand) Run(s cli.Streams) error {
	_, err := fmt.Fprintf(s.Out, "%s %s\n", name, cli.Version())
	return err
}
