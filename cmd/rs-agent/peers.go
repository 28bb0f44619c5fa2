package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/edhoc"
)

// peers are the EDHOC peers that the owner of the agent trusts, and what each may
// do. They hold no secret.
type peers struct {
	List []peer `toml:"peer"`
}

type peer struct {
	Name       string       `toml:"name"`
	Scope      string       `toml:"scope,omitempty"` // AIF in JSON; none: nothing
	Credential settings.Hex `toml:"credential"`      // CRED_I (RFC 9528, Section 3.5.2)

	known *edhoc.Credential
	scope ace.AIF
}

// maxName bounds the name of a peer in bytes.
const maxName = 255

// readPeers reads and checks the list at path. A file that is not there is an empty
// list.
func readPeers(path string) (*peers, error) {
	text, mode, err := settings.Text(path)
	if errors.Is(err, fs.ErrNotExist) {
		return new(peers), nil
	}
	if err != nil {
		return nil, err
	}
	if mode&0o002 != 0 {
		return nil, fmt.Errorf("%s says who is trusted, and everybody may write it (mode %#o): chmod it 600", path, mode)
	}
	return parsePeers(path, text)
}

// parsePeers decodes and checks the text of a list called name.
func parsePeers(name string, text []byte) (*peers, error) {
	p := new(peers)
	if err := settings.Parse(name, text, p); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// check checks every peer, and that no two can be taken for each other.
func (p *peers) check() error {
	for i := range p.List {
		x := &p.List[i]
		if err := x.check(); err != nil {
			if x.Name == "" {
				return fmt.Errorf("peer %d: %w", i+1, err)
			}
			return fmt.Errorf("peer %q: %w", x.Name, err)
		}
		for _, other := range p.List[:i] {
			switch {
			case other.Name == x.Name:
				return fmt.Errorf("peer %q is there twice", x.Name)
			case other.known.PublicKey().Equal(x.known.PublicKey()):
				return fmt.Errorf("peers %q and %q have the same key", other.Name, x.Name)
			}
		}
	}
	return nil
}

func (x *peer) check() (err error) {
	switch {
	case x.Name == "":
		return errors.New("name: missing")
	case len(x.Name) > maxName || strings.ContainsFunc(x.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("name: want up to %d printable characters", maxName)
	}
	if x.scope, err = parseScope(x.Scope); err != nil {
		return fmt.Errorf("scope: %w", err)
	}
	if x.known, err = credentials.ParseCredential(x.Credential, peerCurves...); err != nil {
		return fmt.Errorf("credential: %w", err)
	}
	return nil
}

// parseScope reads AIF in JSON; "" allows nothing.
func parseScope(text string) (ace.AIF, error) {
	if text == "" {
		return nil, nil
	}
	var a ace.AIF
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return nil, fmt.Errorf(`want AIF in JSON, such as '[["/value",1]]': %w`, err)
	}
	return a, nil
}

// find gives the peer with a name, or nil.
func (p *peers) find(name string) *peer {
	for i := range p.List {
		if p.List[i].Name == name {
			return &p.List[i]
		}
	}
	return nil
}

const peersHeader = `# Who may run EDHOC (RFC 9528) with this agent, and what each may do there.
# The commands 'peer add' and 'peer remove' write this file; a running agent takes
# up what changes. A scope is AIF in JSON: 1 GET, 2 POST, 4 PUT, 8 DELETE, ..

`

// text is the content of the file.
func (p *peers) text() ([]byte, error) {
	b, err := settings.Marshal(p)
	return append([]byte(peersHeader), b...), err
}

// changePeers changes the list at path, while no other process does.
func changePeers(path string, change func(*peers) error) (err error) {
	lock, err := settings.WaitLock(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	before, _, err := settings.Text(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	p, err := readPeers(path)
	if err != nil {
		return err
	}
	if err := change(p); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	after, err := p.text()
	if err != nil || bytes.Equal(before, after) {
		return err
	}
	return settings.Replace(path, after)
}
