package oscoreprofile

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/oscore"
)

// NonceSize is the length of the nonces N1 and N2 that this package draws (RFC
// 9203, Section 4.1).
const NonceSize = 8

// A SaltReading says what the Master Salt begins with if the AS gave no salt, which
// RFC 9203 leaves open. Both sides must read it alike.
type SaltReading uint8

const (
	// SaltEmpty writes the empty CBOR byte string, 0x40: the default value of RFC
	// 8613, Section 3.2, encoded as any other salt.
	SaltEmpty SaltReading = iota
	// SaltOmitted writes nothing.
	SaltOmitted
)

// MasterSalt gives the Master Salt (RFC 9203, Section 4.3): salt, n1 and n2, each
// as a CBOR byte string. A nil salt is one that the AS did not give.
//
//spec:9203-4.3-2
//spec:9203-4.3-11
func MasterSalt(salt, n1, n2 []byte, r SaltReading) []byte {
	var out []byte
	if salt != nil || r == SaltEmpty {
		out = cborseq.AppendBytes(out, salt)
	}
	out = cborseq.AppendBytes(out, n1)
	return cborseq.AppendBytes(out, n2)
}

// A Role is one side of the exchange at authz-info.
type Role uint8

// The roles.
const (
	Client Role = iota
	Server
)

// An Exchange is what both sides know after the exchange at authz-info.
type Exchange struct {
	Nonce1, Nonce2    []byte
	ClientRecipientID []byte // ID1
	ServerRecipientID []byte // ID2
	Salt              SaltReading
}

// Derive gives the input parameters of the security context (RFC 9203, Section
// 4.3), with the defaults of RFC 8613 for what the AS left out. Errors: [ErrMaterial],
// [ErrEqualIDs].
func Derive(m *ace.OSCOREInputMaterial, x Exchange, role Role) (oscore.Params, error) {
	switch {
	case m == nil || len(m.MasterSecret) == 0 || len(m.ID) == 0:
		return oscore.Params{}, fmt.Errorf("%w: id or ms is missing", ErrMaterial)
	case m.Version != 0 && m.Version != ace.OSCOREVersion:
		return oscore.Params{}, fmt.Errorf("%w: version %d of OSCORE", ErrMaterial, m.Version)
	case bytes.Equal(x.ClientRecipientID, x.ServerRecipientID):
		//spec:9203-4.3-9
		//spec:9203-4.3-10
		return oscore.Params{}, ErrEqualIDs
	}
	p := oscore.Params{
		//spec:9203-4.3-4
		//spec:9203-4.3-13
		MasterSecret: m.MasterSecret,
		MasterSalt:   MasterSalt(m.Salt, x.Nonce1, x.Nonce2, x.Salt),
		// The zero algorithms and the nil ID Context of m are those of p.
		//
		//spec:9203-4.3-5
		//spec:9203-4.3-6
		//spec:9203-4.3-14
		//spec:9203-4.3-15
		IDContext: m.ContextID,
		AEAD:      m.AEAD,
		HKDF:      m.HKDF,
	}
	if role == Client {
		//spec:9203-4.3-3
		p.SenderID, p.RecipientID = x.ServerRecipientID, x.ClientRecipientID
	} else {
		//spec:9203-4.3-12
		p.SenderID, p.RecipientID = x.ClientRecipientID, x.ServerRecipientID
	}
	return p, nil
}

// nonce draws N1 or N2. It is random, so that it does not come again with the same
// input material after a restart either (RFC 9203, Section 7).
//
//spec:9203-4.1-1
//spec:9203-4.1-2
//spec:9203-7-1
func nonce(random io.Reader) ([]byte, error) {
	if random == nil {
		random = rand.Reader
	}
	n := make([]byte, NonceSize)
	if _, err := io.ReadFull(random, n); err != nil {
		return nil, fmt.Errorf("oscoreprofile: draw a nonce: %w", err)
	}
	return n, nil
}
