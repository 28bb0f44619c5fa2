package credentials

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/edhoc"
)

// An EDHOC is a key pair for EDHOC with static Diffie-Hellman on P-256 (RFC
// 9528, Section 3.5): the private key and the credential of the public one, a
// CWT Claims Set with a kid, and the credential of who is at the other end.
type EDHOC struct {
	PrivateKey settings.Secret `toml:"private_key"`
	Credential settings.Hex    `toml:"credential"`
	// Peer is the credential of the authorization server, in the file of a client.
	Peer settings.Hex `toml:"peer,omitempty"`
}

// NewEDHOC makes a key pair for subject.
func NewEDHOC(subject string, kid []byte) (*EDHOC, error) {
	pair, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := edhoc.NewStaticDHKey(edhoc.P256, pair.Bytes())
	if err != nil {
		return nil, err
	}
	credential, err := edhoc.NewCCS(key.Public(), subject, kid)
	if err != nil {
		return nil, err
	}
	return &EDHOC{PrivateKey: settings.Secret{Bytes: pair.Bytes()}, Credential: credential.CRED()}, nil
}

// Identity returns the key pair for a handshake.
func (e *EDHOC) Identity() (edhoc.Identity, error) {
	key, err := edhoc.NewStaticDHKey(edhoc.P256, e.PrivateKey.Bytes)
	if err != nil {
		return edhoc.Identity{}, errors.New("private_key: not a private key on P-256")
	}
	credential, err := parseCCS("credential", e.Credential)
	if err != nil {
		return edhoc.Identity{}, err
	}
	if !key.Public().Equal(credential.PublicKey()) {
		return edhoc.Identity{}, errors.New("credential: is not of the private_key")
	}
	return edhoc.Identity{Credential: credential, ID: edhoc.KID(credential.KID()), Key: key}, nil
}

// PeerCredential returns Peer.
func (e *EDHOC) PeerCredential() (*edhoc.Credential, error) { return parseCCS("peer", e.Peer) }

func parseCCS(name string, ccs []byte) (*edhoc.Credential, error) {
	c, err := edhoc.ParseCCS(ccs)
	if err != nil || c.KID() == nil {
		return nil, fmt.Errorf("%s: want a CWT Claims Set with a key that has a kid", name)
	}
	return c, nil
}

func (e *EDHOC) check() error {
	_, err := e.Identity()
	if err == nil {
		_, err = e.PeerCredential()
	}
	if err != nil {
		return fmt.Errorf("edhoc.%w", err)
	}
	return nil
}

const edhocHeader = `# The key of the authorization server for EDHOC (RFC 9528). Clients have its
# credential: with another key they find this server no more.

`

// Write writes e, of an authorization server, to a new file.
func (e *EDHOC) Write(path string) error { return settings.WriteSecret(path, edhocHeader, e) }

// ReadEDHOC reads and checks a file of EDHOC.Write.
func ReadEDHOC(path string) (*EDHOC, error) {
	var e EDHOC
	if err := settings.Read(path, &e); err != nil {
		return nil, err
	}
	if _, err := e.Identity(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &e, nil
}
