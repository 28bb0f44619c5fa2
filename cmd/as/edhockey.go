package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/store"
)

// errNoEDHOC is the answer to who wants EDHOC of a server that has it not.
var errNoEDHOC = errors.New(`the configuration names no edhoc_key: add edhoc_key = "edhoc.key" and run 'ostiary-as config edhoc-key'`)

// makeEDHOCKey writes a new key for the server into the file that cfg names, if
// it names one. path is that of the configuration.
func makeEDHOCKey(path string, cfg config) error {
	if cfg.EDHOCKey == "" {
		return nil
	}
	key, err := credentials.NewEDHOC(cfg.Issuer, credentials.FreeKID(nil))
	if err != nil {
		return err
	}
	return key.Write(settings.Beside(path, cfg.EDHOCKey))
}

type configEDHOCKey struct{ configFlag }

// Run makes the key that an older configuration has not.
func (c *configEDHOCKey) Run(s cli.Streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if cfg.EDHOCKey == "" {
		return cli.Usage(errNoEDHOC)
	}
	if err := makeEDHOCKey(c.Config, cfg); err != nil {
		return cli.Usage(err)
	}
	fmt.Fprintf(s.Out, "wrote %s\n", settings.Beside(c.Config, cfg.EDHOCKey))
	return nil
}

// readEDHOCKey reads the key of the server; nil is none.
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

// newClientKey makes a key pair for a client of a server with the key own.
func newClientKey(ctx context.Context, s *store.Store, name string, own *credentials.EDHOC) (*credentials.EDHOC, error) {
	if own == nil {
		return nil, cli.Usage(errNoEDHOC)
	}
	kid, err := freeKID(ctx, s)
	if err != nil {
		return nil, err
	}
	key, err := credentials.NewEDHOC(name, kid)
	if err != nil {
		return nil, err
	}
	key.Peer = own.Credential
	return key, nil
}

// freeKID gives the shortest key identifier that no client has. Should another
// process choose the same one at this time, both keys are tried.
func freeKID(ctx context.Context, s *store.Store) ([]byte, error) {
	clients, err := s.ListClients(ctx)
	if err != nil {
		return nil, err
	}
	taken := map[string]bool{}
	for _, c := range clients {
		for _, k := range c.Keys {
			taken[string(k.KID())] = true
		}
	}
	return credentials.FreeKID(taken), nil
}

// ecdsaOf is the same public key in the form of the standard library.
func ecdsaOf(k *edhoc.PublicKey) (*ecdsa.PublicKey, error) {
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, k.X(), k.Y()))
}
