package interop

import (
	"crypto/rand"

	"github.com/ostiary/ostiary/oscore"
)

// NewParams returns fresh input parameters, as the client has them.
func NewParams() *oscore.Params {
	random := make([]byte, 24)
	_, _ = rand.Read(random) // never fails
	return &oscore.Params{
		MasterSecret: random[:16], MasterSalt: random[16:],
		SenderID: []byte{0x01}, RecipientID: []byte{0x02},
	}
}

// Other returns p as the other endpoint has them.
func Other(p *oscore.Params) *oscore.Params {
	q := *p
	q.SenderID, q.RecipientID = p.RecipientID, p.SenderID
	return &q
}
