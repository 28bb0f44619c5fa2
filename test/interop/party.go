package interop

import (
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/internal/vector"
)

// A Party is a side of EDHOC: its credential, a CCS, and its key for static
// Diffie-Hellman on P-256.
type Party struct {
	Credential vector.Hex `json:"credential"`
	Key        vector.Hex `json:"key"`
}

// Parties are the two sides, as credentials.json has them.
type Parties struct {
	Initiator Party `json:"initiator"`
	Responder Party `json:"responder"`
}

// Identity returns the party as package edhoc has it. Its ID_CRED is the whole
// credential, if byValue is true, or else its kid.
func (p *Party) Identity(byValue bool) (edhoc.Identity, error) {
	credential, err := edhoc.ParseCCS(p.Credential)
	if err != nil {
		return edhoc.Identity{}, err
	}
	key, err := edhoc.NewStaticDHKey(edhoc.P256, p.Key)
	id := edhoc.KID(credential.KID())
	if byValue {
		id = credential.ByValue()
	}
	return edhoc.Identity{Credential: credential, ID: id, Key: key}, err
}
