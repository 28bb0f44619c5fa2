package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/store"
)

// keyFlags say which key for EDHOC a client or resource server is registered with.
type keyFlags struct {
	EDHOC     bool   `help:"Give it a key pair for EDHOC (RFC 9528). The server keeps the public key only." name:"edhoc" xor:"key"`
	PublicKey string `help:"Register the public key that it has already: a CWT Claims Set or COSE_Key, in CBOR or hexadecimal, a PUBLIC KEY in PEM, or a certificate." type:"existingfile" placeholder:"FILE" xor:"key"`
	Certified string `help:"It sends along a certificate of this subject, in the form of RFC 2253 such as CN=pump, from an authority in edhoc_roots." placeholder:"SUBJECT" xor:"key"`
	KeyType   string `help:"Type of its key: p256 or x25519 for static Diffie-Hellman, p256-sign or ed25519 for signatures. Default: that of the server's key, or of the FILE." enum:",p256,x25519,p256-sign,ed25519" default:"" placeholder:"TYPE"`
	KID       string `help:"Key identifier, in hexadecimal, for a public key without one; its credential is then a Claims Set with it and with NAME." name:"kid" placeholder:"HEX"`
}

// key reads what the flags name, for the device called name.
func (f *keyFlags) key(name string) (newKey, error) {
	n := newKey{fresh: f.EDHOC, certified: f.Certified, kind: credentials.KeyType(f.KeyType)}
	switch {
	case f.PublicKey != "":
		return n, cli.Usage(f.read(&n, name))
	case f.KID != "":
		return n, cli.Usage(fmt.Errorf("--kid is for a key that --public-key names"))
	case !n.wanted() && f.KeyType != "":
		return n, cli.Usage(fmt.Errorf("--key-type is for a key: want --edhoc, --public-key or --certified with it"))
	}
	return n, nil
}

func (f *keyFlags) read(n *newKey, name string) error {
	var err error
	if n.public, err = credentials.ReadPublicKey(f.PublicKey, edhocCurves...); err != nil {
		return err
	}
	if n.kind == "" {
		n.kind = map[edhoc.Curve]credentials.KeyType{
			edhoc.P256: credentials.P256, edhoc.X25519: credentials.X25519, edhoc.Ed25519: credentials.Ed25519,
		}[n.public.PublicKey().Curve()]
	}
	if !n.kind.Fits(n.public.PublicKey()) {
		return fmt.Errorf("%s: holds a key on %v, which is not of type %q", f.PublicKey, n.public.PublicKey().Curve(), f.KeyType)
	}
	if f.KID == "" {
		return nil
	}
	kid, err := hex.DecodeString(f.KID)
	switch {
	case err != nil || len(kid) == 0:
		return fmt.Errorf("--kid %q: want hexadecimal digits", f.KID)
	case n.public.KID() != nil || n.public.ByValue().X5Chain != nil:
		return fmt.Errorf("--kid: %s says how its key is named", f.PublicKey)
	}
	n.public, err = edhoc.NewCCS(n.public.PublicKey(), name, kid)
	return err
}

// A newKey is the key for EDHOC to register a device with.
type newKey struct {
	fresh     bool                // a pair is to be made
	public    *edhoc.Credential   // that the device has already
	certified string              // subject of the certificate that it has
	kind      credentials.KeyType // "": that of the server's key
}

func (n newKey) wanted() bool { return n.fresh || n.public != nil || n.certified != "" }

// prepare gives what the device called name needs for EDHOC with the server whose keys
// are given, with a private key if it is to get one.
func (n newKey) prepare(ctx context.Context, s *store.Store, cfg config, name string, keys []serverKey) (*credentials.EDHOC, error) {
	if len(keys) == 0 {
		return nil, cli.Usage(errNoEDHOC)
	}
	if n.kind == "" {
		n.kind = keys[0].Type
	}
	var device *credentials.EDHOC
	if n.certified != "" {
		if len(cfg.EDHOCRoots) == 0 {
			return nil, cli.Usage(errors.New("--certified: the configuration names no authority in edhoc_roots"))
		}
		if err := n.unused(ctx, s, "", nil); err != nil {
			return nil, err
		}
		device = &credentials.EDHOC{Type: n.kind}
		return device, addServer(device, keys)
	}
	if n.public == nil {
		kid, err := freeKID(ctx, s)
		if err != nil {
			return nil, err
		}
		if device, err = credentials.NewKeyPair(n.kind, name, kid); err != nil {
			return nil, err
		}
		return device, addServer(device, keys)
	}
	if err := n.unused(ctx, s, "", keys); err != nil {
		return nil, err
	}
	device = &credentials.EDHOC{Type: n.kind, Credential: n.public.CRED()}
	if n.kind == credentials.P256 {
		device.Type = "" // as in the file of a pair
	}
	if n.public.KID() == nil && n.public.ByValue().KCCS != nil {
		device.IDCred = "value"
	}
	return device, addServer(device, keys)
}

// maxSameKID bounds the devices with one key identifier: a handshake tries the key of
// each, also for somebody who is none of them.
const maxSameKID = 16

// unused refuses a public key that another subject is registered with, or that is the
// server's: nobody could say who is there. And one whose identifier too many have.
func (n newKey) unused(ctx context.Context, s *store.Store, subject string, keys []serverKey) error {
	if n.certified != "" {
		return n.unusedSubject(ctx, s, subject)
	}
	for _, k := range keys {
		if own, err := edhoc.ParseCCS(k.Credential); err == nil && own.PublicKey().Equal(n.public.PublicKey()) {
			return cli.Usage(fmt.Errorf("this is the key of the server in %s", k.file))
		}
	}
	holder, found, same := "", false, 0
	err := eachCredential(ctx, s, func(other string, c *edhoc.Credential, err error) {
		if err != nil || other == subject {
			return
		}
		if c.PublicKey().Equal(n.public.PublicKey()) {
			holder, found = other, true
		}
		if kid := n.public.KID(); kid != nil && bytes.Equal(c.KID(), kid) {
			same++
		}
	})
	switch {
	case err != nil:
		return err
	case found:
		return cli.Usage(fmt.Errorf("this key is registered already, for %q; each needs a key of its own", shown(holder)))
	case same >= maxSameKID:
		return cli.Usage(fmt.Errorf("%d devices have the kid %x already, and a handshake has to try them all: give this one another", same, n.public.KID()))
	}
	return nil
}

// unusedSubject is unused for the subject of a certificate.
func (n newKey) unusedSubject(ctx context.Context, s *store.Store, subject string) error {
	holder, found := "", false
	err := eachCertSubject(ctx, s, func(other, certified string) {
		if other != subject && certified == n.certified {
			holder, found = other, true
		}
	})
	if err == nil && found {
		err = cli.Usage(fmt.Errorf("certificates of %q are registered already, for %q", n.certified, shown(holder)))
	}
	return err
}

// alone looks again after the registration: another process may have registered the
// same key at the same time. One of the two, or both, sees it.
func (n newKey) alone(ctx context.Context, s *store.Store, subject string) error {
	if n.public == nil && n.certified == "" {
		return nil
	}
	return n.unused(ctx, s, subject, nil)
}

// freeKID gives the shortest key identifier that nobody has. Should another process
// choose the same one at this time, both keys are tried.
func freeKID(ctx context.Context, s *store.Store) ([]byte, error) {
	taken := map[string]bool{}
	err := eachCredential(ctx, s, func(_ string, c *edhoc.Credential, err error) {
		if err == nil {
			taken[string(c.KID())] = true
		}
	})
	return credentials.FreeKID(taken), err
}

// credentialsIn are those that a device is registered with: none, if it has a
// certificate that it sends along.
func credentialsIn(e *credentials.EDHOC) [][]byte {
	if len(e.Credential) == 0 {
		return nil
	}
	return [][]byte{e.Credential}
}

// registeredKey is the public key of a device as tokens are bound to it; nil if it has
// no such form.
func registeredKey(e *credentials.EDHOC) *ace.Key {
	c, err := credentials.ParseCredential(e.Credential, edhocCurves...)
	if err != nil {
		return nil
	}
	key, err := keyOf(c)
	if err != nil {
		return nil
	}
	return key
}
