package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/edhoc"
)

// errNoEDHOC is the answer to who wants EDHOC of a server that has it not.
var errNoEDHOC = errors.New(`the configuration names no edhoc_key: add edhoc_key = "edhoc.key" and run 'ostiary-as config edhoc-key'`)

// A serverKey is a key of the server for EDHOC, and its file, as the configuration
// names it.
type serverKey struct {
	*credentials.EDHOC
	file string
}

// makeEDHOCKey writes a new key for the server. path is that of the configuration.
func makeEDHOCKey(path string, cfg config, file string, t credentials.KeyType, idCred string) error {
	taken := map[string]bool{}
	for _, f := range cfg.edhocFiles() {
		if k, err := credentials.ReadEDHOC(settings.Beside(path, f)); err == nil {
			if c, err := edhoc.ParseCCS(k.Credential); err == nil {
				taken[string(c.KID())] = true
			}
		}
	}
	key, err := credentials.NewKeyPair(t, cfg.Issuer, credentials.FreeKID(taken))
	if err != nil {
		return err
	}
	key.IDCred = idCred
	return key.Write(settings.Beside(path, file))
}

type configEDHOCKey struct {
	configFlag
	File    string `arg:"" optional:"" help:"File of the key, as the configuration names it. Default: the first one that does not exist."`
	Type    string `help:"Type of the key: p256 or x25519 for static Diffie-Hellman, p256-sign or ed25519 for signatures." enum:"p256,x25519,p256-sign,ed25519" default:"p256" placeholder:"TYPE"`
	ByValue bool   `help:"Send the credential along in message_2, for clients that do not have it, instead of its key identifier."`
}

// Run makes a key that the configuration names and that is not there.
func (c *configEDHOCKey) Run(s cli.Streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	files := cfg.edhocFiles()
	if len(files) == 0 {
		return cli.Usage(errNoEDHOC)
	}
	file := c.File
	if file == "" {
		file = files[0]
		if i := slices.IndexFunc(files, func(f string) bool { return !exists(settings.Beside(c.Config, f)) }); i >= 0 {
			file = files[i]
		}
	}
	if !slices.Contains(files, file) {
		return cli.Usage(fmt.Errorf("%s: the configuration does not name this key; it names %s", file, strings.Join(files, ", ")))
	}
	idCred := ""
	if c.ByValue {
		idCred = "value"
	}
	if err := makeEDHOCKey(c.Config, cfg, file, credentials.KeyType(c.Type), idCred); err != nil {
		return cli.Usage(err)
	}
	fmt.Fprintf(s.Out, "wrote %s\n", settings.Beside(c.Config, file))
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// readEDHOCKeys reads the keys of the server; there may be none.
func readEDHOCKeys(path string, cfg config) ([]serverKey, error) {
	var keys []serverKey
	for _, file := range cfg.edhocFiles() {
		key, err := credentials.ReadEDHOC(settings.Beside(path, file))
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w; make one with '%s config edhoc-key'", err, name)
		}
		if err != nil {
			return nil, cli.Usage(err)
		}
		keys = append(keys, serverKey{key, file})
	}
	return keys, nil
}

// identitiesOf are the keys for a responder, in their order, and their types.
func identitiesOf(keys []serverKey) (identities []edhoc.Identity, types []credentials.KeyType, err error) {
	for i, k := range keys {
		identity, err := k.Identity()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", k.file, err)
		}
		for j, other := range identities {
			if other.Credential.PublicKey().Equal(identity.Credential.PublicKey()) {
				return nil, nil, fmt.Errorf("%s and %s hold one key; each needs a key of its own (RFC 9528, Section 9.2)", keys[j].file, keys[i].file)
			}
		}
		identities, types = append(identities, identity), append(types, k.Type)
	}
	return identities, types, nil
}

// addServer gives what a device with a key of type t needs to know of the server: the
// first key with which there is a cipher suite, and those that may take its place.
func addServer(device *credentials.EDHOC, keys []serverKey) error {
	i := slices.IndexFunc(keys, func(k serverKey) bool { return len(device.Type.Suites(k.Type)) > 0 })
	switch {
	case len(keys) == 0:
		return cli.Usage(errNoEDHOC)
	case i < 0:
		return cli.Usage(fmt.Errorf("the server has no key that goes with one of type %q: add one to edhoc_keys, or choose another --key-type", string(device.Type)))
	}
	device.Peer, device.PeerType = keys[i].Credential, keys[i].Type
	for _, k := range keys[i+1:] {
		if k.Type == device.PeerType {
			device.Peers = append(device.Peers, k.Credential)
		}
	}
	return nil
}
