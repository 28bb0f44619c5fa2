package cose

import "errors"

// MACKey is a key for one HMAC algorithm. It is safe for concurrent use.
type MACKey struct {
	algorithm Algorithm
}

// NewMACKey binds a copy of key to the HMAC algorithm alg. key is as long as
// the output of the hash or longer, alg.KeySize() bytes: a shorter one is refused.
func NewMACKey(alg Algorithm, key []byte) (*MACKey, error) {
	return nil, errors.New("cose: to be written")
}

// Algorithm is the algorithm of the key.
func (k *MACKey) Algorithm() Algorithm { return k.algorithm }

// AppendMac0 appends a COSE_Mac0 (RFC 9052, Section 6.2) that holds payload to
// dst, with tag 17 if tagged. alg may be left out of the protected bucket, and is put
// there then. dst must not overlap the inputs. The errors are about h.
func (k *MACKey) AppendMac0(dst []byte, h Headers, payload, externalAAD []byte, tagged bool) ([]byte, error) {
	return nil, errors.New("cose: to be written")
}

// Mac0 is a COSE_Mac0 as it was received. The headers are not authenticated before
// Verify has succeeded, the unprotected ones not even then.
type Mac0 struct {
	Headers

	protected []byte // as received; empty if there are no parameters
	payload   []byte
	tag       []byte
}

// ParseMac0 decodes one COSE_Mac0, which is all of b, under the same rules as
// ParseEncrypt0. The message shares memory with b.
func ParseMac0(b []byte, tagging Tagging, understood ...Label) (*Mac0, error) {
	return nil, errors.New("cose: to be written")
}

// Verify checks the MAC under k and returns the payload, which shares memory with
// the parsed bytes. It refuses a message whose alg is not k's.
func (m *Mac0) Verify(k *MACKey, externalAAD []byte) ([]byte, error) {
	return nil, errors.New("cose: to be written")
}
