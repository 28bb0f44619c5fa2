package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/settings"
)

// errNoEDHOC is the answer to who wants EDHOC of an agent that has it not.
var errNoEDHOC = errors.New(`the configuration names no edhoc_key: add edhoc_key = "edhoc.key" and run 'ostiary-rs-agent config edhoc-key'`)

// makeEDHOCKey writes a new key for the agent into the file that cfg names, if it
// names one. path is that of the configuration.
func makeEDHOCKey(path string, cfg config, t credentials.KeyType) error {
	if cfg.EDHOCKey == "" {
		return nil
	}
	key, err := credentials.NewKeyPair(t, "coap://"+cfg.Listen, credentials.FreeKID(nil))
	if err != nil {
		return err
	}
	return key.Write(settings.Beside(path, cfg.EDHOCKey))
}

type configEDHOCKey struct {
	configFlag
	Type string `help:"Type of the key: p256 or x25519 for static Diffie-Hellman, p256-sign or ed25519 for signatures." enum:"p256,x25519,p256-sign,ed25519" default:"p256" placeholder:"TYPE"`
}

// Run makes the key that an older configuration has not.
func (c *configEDHOCKey) Run(s cli.Streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if cfg.EDHOCKey == "" {
		return cli.Usage(errNoEDHOC)
	}
	if err := makeEDHOCKey(c.Config, cfg, credentials.KeyType(c.Type)); err != nil {
		return cli.Usage(err)
	}
	fmt.Fprintf(s.Out, "wrote %s\n", settings.Beside(c.Config, cfg.EDHOCKey))
	return nil
}

// readEDHOCKey reads the key of the agent; nil is none.
func readEDHOCKey(path string, cfg config) (*credentials.EDHOC, error) {
	if cfg.EDHOCKey == "" {
		return nil, nil
	}
	key, err := credentials.ReadEDHOC(settings.Beside(path, cfg.EDHOCKey))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; make one with '%s config edhoc-key'", err, name)
	}
	return key, cli.Usage(err)
}
