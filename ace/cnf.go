package ace

import (
	"slices"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// The confirmation methods (RFC 8747, Section 7.2.2; RFC 9203, Section 9.5).
const (
	cnfKey          = 1
	cnfEncryptedKey = 2
	cnfKID          = 3
	cnfOSCORE       = 4
)

const maxKID = 255

// A Confirmation is the cnf claim or one of the parameters cnf, req_cnf and
// rs_cnf (RFC 8747, Section 3.1; RFC 9201, Section 3). It names one
// proof-of-possession key: at most one of its members is set. None is set if all
// the methods it came with are unknown here.
type Confirmation struct {
	Key          *Key                 // COSE_Key
	EncryptedKey []byte               // Encrypted_COSE_Key: an encoded COSE_Encrypt0 or COSE_Encrypt
	KID          []byte               // kid, 1 to 255 bytes
	OSCORE       *OSCOREInputMaterial // osc

	others []other
}

// ParseConfirmation decodes a Confirmation on its own.
func ParseConfirmation(b []byte) (*Confirmation, error) {
	n, err := cborseq.Normalize(b)
	if err != nil {
		return nil, malformed("RFC 8747, Section 3.1", "cnf")
	}
	f := fields{s: slices.Clone(n)}
	var c *Confirmation
	if !f.readConfirmation(&c) || !f.s.Empty() {
		return nil, malformed("RFC 8747, Section 3.1", "cnf")
	}
	return c, nil
}

// readConfirmation takes a map of confirmation methods.
func (f *fields) readConfirmation(out **Confirmation) bool {
	c := new(Confirmation)
	n := f.nested()
	known := 0
	for n.next() {
		switch n.key {
		case cnfKey:
			n.ok = n.readKey(&c.Key)
		case cnfEncryptedKey:
			n.ok = n.readEncryptedKey(&c.EncryptedKey)
		case cnfKID:
			n.ok = n.readSized(&c.KID, 1, maxKID)
		case cnfOSCORE:
			n.ok = n.readMaterial(&c.OSCORE)
		//spec:8747-3.1-1
		default:
			n.ok = n.keep(&c.others)
			continue
		}
		known++
	}
	*out = c
	//spec:8747-3.1-2
	return n.end() && known <= 1
}

// readEncryptedKey takes an array of the shape of a COSE_Encrypt0 or
// COSE_Encrypt, which is not tagged.
func (f *fields) readEncryptedKey(out *[]byte) bool {
	major, _ := f.s.PeekMajor()
	return major == cborseq.Array && f.s.ReadRaw(out)
}

// Append appends the CBOR form to dst, with the secrets that it holds.
func (c *Confirmation) Append(dst []byte) []byte {
	w := writeFields(dst, c.others)
	if c.Key != nil {
		w.key(cnfKey)
		w.b = c.Key.Append(w.b)
	}
	if c.EncryptedKey != nil {
		w.raw(cnfEncryptedKey, c.EncryptedKey)
	}
	w.bytes(cnfKID, c.KID)
	if c.OSCORE != nil {
		w.key(cnfOSCORE)
		w.b = c.OSCORE.Append(w.b)
	}
	return w.end()
}

// HoldsSecret reports whether c holds a symmetric or private key in clear, so that
// what carries it must be encrypted.
func (c *Confirmation) HoldsSecret() bool {
	return c != nil && (c.OSCORE != nil || c.Key != nil && c.Key.IsSecret())
}

func (w *fieldWriter) confirmation(k int64, c *Confirmation) {
	if c != nil {
		w.key(k)
		w.b = c.Append(w.b)
	}
}
