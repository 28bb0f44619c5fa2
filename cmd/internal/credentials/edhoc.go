package credentials

import (
	"errors"
	"fmt"

	"github.com/ostiary/ostiary/cmd/internal/settings"
	"github.com/ostiary/ostiary/edhoc"
)

// An EDHOC is a key pair for EDHOC (RFC 9528, Section 3.5): the private key and the
// credential of the public one, a CWT Claims Set, and the credential of who is at
// the other end.
type EDHOC struct {
	// PrivateKey is a scalar, or a seed of Ed25519. It is not there in the file for a
	// device that has made its own: that is of no use in a handshake.
	PrivateKey settings.Secret `toml:"private_key,omitempty"`
	Type       KeyType         `toml:"type,omitempty"`
	Credential settings.Hex    `toml:"credential"`
	// IDCred says how we name the credential in a message: "kid", the default, or
	// "value", which sends it along.
	IDCred string `toml:"id_cred,omitempty"`

	// Peer is the credential of the authorization server, in the file of a client or
	// resource server, and PeerType the type of its key.
	Peer     settings.Hex `toml:"peer,omitempty"`
	PeerType KeyType      `toml:"peer_type,omitempty"`
	// Peers are the further ones of that type that the server may have: it changes its
	// key.
	Peers []settings.Hex `toml:"peers,omitempty"`
}

// NewEDHOC makes a key pair of type P256 for subject.
func NewEDHOC(subject string, kid []byte) (*EDHOC, error) { return NewKeyPair(P256, subject, kid) }

// NewKeyPair makes a key pair for subject.
func NewKeyPair(t KeyType, subject string, kid []byte) (*EDHOC, error) {
	if err := t.check("type"); err != nil {
		return nil, err
	}
	private, err := t.generate()
	if err != nil {
		return nil, err
	}
	key, err := t.private(private)
	if err != nil {
		return nil, err
	}
	credential, err := edhoc.NewCCS(key.Public(), subject, kid)
	if err != nil {
		return nil, err
	}
	if t == P256 {
		t = "" // as it always was
	}
	return &EDHOC{PrivateKey: settings.Secret{Bytes: private}, Type: t, Credential: credential.CRED()}, nil
}

// Identity returns the key pair for a handshake.
func (e *EDHOC) Identity() (edhoc.Identity, error) {
	if err := e.Type.check("type"); err != nil {
		return edhoc.Identity{}, err
	}
	if len(e.PrivateKey.Bytes) == 0 {
		return edhoc.Identity{}, errors.New("private_key: missing; write the one of this credential here, which only its device has")
	}
	key, err := e.Type.private(e.PrivateKey.Bytes)
	if err != nil {
		return edhoc.Identity{}, fmt.Errorf("private_key: not a private key on %v", keyTypes[e.Type.index()].curve)
	}
	credential, err := parseCCS("credential", e.Credential)
	if err != nil {
		return edhoc.Identity{}, err
	}
	if !key.Public().Equal(credential.PublicKey()) {
		return edhoc.Identity{}, errors.New("credential: is not of the private_key")
	}
	id, err := e.idCred(credential)
	return edhoc.Identity{Credential: credential, ID: id, Key: key}, err
}

func (e *EDHOC) idCred(c *edhoc.Credential) (edhoc.IDCred, error) {
	switch {
	case e.IDCred == "value" && c.ByValue().KCCS != nil:
		return c.ByValue(), nil
	case e.IDCred == "value":
		return edhoc.IDCred{}, errors.New("id_cred: the credential is not deterministic CBOR, so it cannot be sent along")
	case e.IDCred != "" && e.IDCred != "kid":
		return edhoc.IDCred{}, errors.New(`id_cred: want "kid" or "value"`)
	case c.KID() == nil:
		return edhoc.IDCred{}, errors.New(`credential: its key has no kid; want id_cred = "value"`)
	}
	return edhoc.KID(c.KID()), nil
}

// PeerCredential returns Peer.
func (e *EDHOC) PeerCredential() (*edhoc.Credential, error) { return parseCCS("peer", e.Peer) }

// PeerCredentials returns Peer and Peers.
func (e *EDHOC) PeerCredentials() ([]*edhoc.Credential, error) {
	if err := e.PeerType.check("peer_type"); err != nil {
		return nil, err
	}
	var all []*edhoc.Credential
	for i, ccs := range append([]settings.Hex{e.Peer}, e.Peers...) {
		name := "peer"
		if i > 0 {
			name = "peers"
		}
		c, err := parseCCS(name, ccs)
		if err != nil {
			return nil, err
		}
		if !e.PeerType.Fits(c.PublicKey()) {
			return nil, fmt.Errorf("%s: its key is not of peer_type", name)
		}
		all = append(all, c)
	}
	return all, nil
}

// Initiator returns the configuration of an initiator with this key pair.
func (e *EDHOC) Initiator() (edhoc.Config, error) {
	own, err := e.Identity()
	if err != nil {
		return edhoc.Config{}, err
	}
	suites := e.Type.Suites(e.PeerType)
	if len(suites) == 0 {
		return edhoc.Config{}, fmt.Errorf("type, peer_type: no cipher suite is for keys of both types")
	}
	return edhoc.Config{
		Methods: []edhoc.Method{e.Type.Method(e.PeerType)}, Suites: suites, Identities: []edhoc.Identity{own},
	}, nil
}

func parseCCS(name string, ccs []byte) (*edhoc.Credential, error) {
	c, err := edhoc.ParseCCS(ccs)
	if err != nil {
		return nil, fmt.Errorf("%s: want a CWT Claims Set with a public key", name)
	}
	return c, nil
}

func (e *EDHOC) check() error {
	_, err := e.PeerCredentials()
	if err == nil {
		_, err = e.Initiator()
	}
	if err != nil {
		return fmt.Errorf("edhoc.%w", err)
	}
	return nil
}

const edhocHeader = `# The key of this server for EDHOC (RFC 9528). Clients have its credential: with
# another key they find this server no more.

`

// Write writes e, of a server, to a new file.
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
