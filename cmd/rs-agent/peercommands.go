package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/cmd/internal/cli"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/settings"
)

type peerCommand struct {
	Add    peerAdd    `cmd:"" help:"Trust a client in EDHOC, with a new key pair or with the public key that it has."`
	List   peerList   `cmd:"" help:"List the clients that are trusted in EDHOC."`
	Remove peerRemove `cmd:"" help:"Trust a client no more. Its sessions end."`
}

type peerAdd struct {
	configFlag
	cli.OutFlag
	Name      string `arg:"" help:"Name of the client, for the list and the log."`
	Scope     string `help:"What it may do, AIF in JSON; default: nothing." placeholder:"'[[\"/value\",1]]'"`
	PublicKey string `help:"Public key that the client has: a CWT Claims Set or COSE_Key, in CBOR or hexadecimal, a PUBLIC KEY in PEM, or a certificate. No credentials are written." name:"public-key" type:"existingfile" placeholder:"FILE"`
	KeyType   string `help:"Type of the new key: p256 or x25519 for static Diffie-Hellman, p256-sign or ed25519 for signatures. Default: that of the agent's." enum:",p256,x25519,p256-sign,ed25519" default:"" placeholder:"TYPE"`
}

// Run adds to the list, and writes the credentials of a client that has none.
func (c *peerAdd) Run(s cli.Streams) error {
	if c.PublicKey != "" && (c.Out != "" || c.KeyType != "") {
		return cli.Usage(errors.New("--public-key: --out and --key-type are for a new key"))
	}
	cfg, own, err := c.responder()
	if err != nil {
		return err
	}
	if c.PublicKey != "" {
		return c.trust(s, cfg, own)
	}
	return c.provide(s, cfg, own)
}

// trust adds a client with its own key.
func (c *peerAdd) trust(s cli.Streams, cfg config, own *credentials.EDHOC) error {
	credential, err := credentials.ReadPublicKey(c.PublicKey, peerCurves...)
	if err != nil {
		return cli.Usage(err)
	}
	identity, err := own.Identity()
	if err != nil {
		return cli.Usage(err)
	}
	if credential.PublicKey().Equal(identity.Credential.PublicKey()) {
		return cli.Usage(fmt.Errorf("%s is the key of the agent itself", c.PublicKey))
	}
	if err := c.add(cfg, func(*peers) ([]byte, error) { return credential.CRED(), nil }); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "trusting %q, which must use the credential %x\nand know the agent by its credential %x\n",
		c.Name, credential.CRED(), []byte(own.Credential))
	return nil
}

// provide adds a client with a new key, and writes its credentials first: a key that
// is in the list and nowhere else would only be in the way.
func (c *peerAdd) provide(s cli.Streams, cfg config, own *credentials.EDHOC) error {
	path, err := c.Reserve(c.Name, "client")
	if err != nil {
		return err
	}
	kind := credentials.KeyType(c.KeyType)
	if kind == "" {
		kind = own.Type
	}
	if len(kind.Suites(own.Type)) == 0 {
		return cli.Usage(fmt.Errorf("--key-type %s: no cipher suite is for it and the key of the agent", c.KeyType))
	}
	written := false
	err = c.add(cfg, func(p *peers) ([]byte, error) {
		taken := map[string]bool{}
		for _, x := range p.List {
			taken[string(x.known.KID())] = true
		}
		key, err := credentials.NewKeyPair(kind, c.Name, credentials.FreeKID(taken))
		if err != nil {
			return nil, err
		}
		key.Peer, key.PeerType = own.Credential, own.Type
		client := credentials.Client{Name: c.Name, AS: "coap://" + cfg.Listen, EDHOC: key}
		err = client.Write(path)
		written = err == nil
		return key.Credential, err
	})
	if err != nil {
		if written {
			err = errors.Join(err, os.Remove(path))
		}
		return err
	}
	fmt.Fprintf(s.Out, "trusting %q; its credentials are in %s\n", c.Name, path)
	return nil
}

// add adds the client with the credential that the function gives.
func (c *peerAdd) add(cfg config, credential func(*peers) ([]byte, error)) error {
	return changePeers(settings.Beside(c.Config, cfg.Peers), func(p *peers) error {
		if p.find(c.Name) != nil {
			return cli.Usage(fmt.Errorf("there is a peer %q already; remove it first", c.Name))
		}
		if _, err := parseScope(c.Scope); err != nil {
			return cli.Usage(fmt.Errorf("--scope %s: %w", c.Scope, err))
		}
		x := peer{Name: c.Name, Scope: c.Scope}
		var err error
		if x.Credential, err = credential(p); err != nil {
			return err
		}
		p.List = append(p.List, x)
		return cli.Usage(p.check())
	})
}

// responder reads the configuration and the key of the agent.
func (f *configFlag) responder() (config, *credentials.EDHOC, error) {
	cfg, err := f.config()
	if err != nil {
		return cfg, nil, err
	}
	own, err := readEDHOCKey(f.Config, cfg)
	if err == nil && own == nil {
		err = cli.Usage(errNoEDHOC)
	}
	return cfg, own, err
}

type peerList struct {
	configFlag
	cli.OutputFlag
}

// peerItem is a peer in the JSON output.
type peerItem struct {
	Name       string  `json:"name"`
	Scope      ace.AIF `json:"scope"`
	KID        string  `json:"kid,omitempty"`
	Credential string  `json:"credential"`
}

func (c *peerList) Run(s cli.Streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	p, err := readPeers(settings.Beside(c.Config, cfg.Peers))
	if err != nil {
		return cli.Usage(err)
	}
	items, rows := []peerItem{}, [][]string{}
	for _, x := range p.List {
		kid := hex.EncodeToString(x.known.KID())
		scope := x.scope
		if scope == nil {
			scope = ace.AIF{}
		}
		items = append(items, peerItem{x.Name, scope, kid, hex.EncodeToString(x.known.CRED())})
		rows = append(rows, []string{x.Name, scope.String(), kid})
	}
	return c.Print(s.Out, items, []string{"NAME", "SCOPE", "KID"}, rows)
}

type peerRemove struct {
	configFlag
	Name string `arg:"" help:"Name of the client."`
}

// Run takes a client out of the list; a running agent ends its sessions.
func (c *peerRemove) Run() error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	return changePeers(settings.Beside(c.Config, cfg.Peers), func(p *peers) error {
		if p.find(c.Name) == nil {
			return cli.Usage(fmt.Errorf("there is no peer %q", c.Name))
		}
		p.List = slices.DeleteFunc(p.List, func(x peer) bool { return x.Name == c.Name })
		return nil
	})
}
