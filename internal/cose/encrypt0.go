package cose

import (
	"crypto/cipher"
	"errors"
)

// EncryptionKey is a key for one AEAD algorithm. It is safe for concurrent use as
// long as nobody changes BaseIV.
type EncryptionKey struct {
	// BaseIV is the Context IV that a Partial IV is added to (RFC 9052, Section
	// 3.1), of the algorithm's nonce size. Without it a message with a Partial IV
	// is refused.
	BaseIV []byte

	algorithm Algorithm
	aead      cipher.AEAD
}

// NewEncryptionKey binds key, of alg.KeySize() bytes, to the AEAD algorithm alg. It
// keeps no reference to key.
func NewEncryptionKey(alg Algorithm, key []byte) (*EncryptionKey, error) {
	aead, err := alg.NewAEAD(key)
	if err != nil {
		return nil, err
	}
	return &EncryptionKey{algorithm: alg, aead: aead}, nil
}

// Algorithm is the algorithm of the key.
func (k *EncryptionKey) Algorithm() Algorithm { return k.algorithm }

// AppendEncrypt0 encrypts plaintext and appends a COSE_Encrypt0 (RFC 9052, Section
// 5.2) to dst, with tag 16 if tagged. h gives the nonce, as an IV or a Partial IV
// in either bucket; using one twice under a key gives the key away. alg may be left
// out of the protected bucket, and is put there then.
//
// dst must not overlap the inputs. The errors are about h and plaintext.
func (k *EncryptionKey) AppendEncrypt0(dst []byte, h Headers, plaintext, externalAAD []byte, tagged bool) ([]byte, error) {
	return nil, errors.New("cose: to be written")
}

// Encrypt0 is a COSE_Encrypt0 as it was received. The headers are not
// authenticated before Open has succeeded, the unprotected ones not even then.
// It is safe for concurrent use as long as nobody changes the headers.
type Encrypt0 struct {
	Headers

	protected  []byte // as received; empty if there are no parameters
	ciphertext []byte
}

// ParseEncrypt0 decodes one COSE_Encrypt0, which is all of b. It refuses detached
// ciphertext, a label in both buckets, and a crit that lists anything but the
// fields of Header and the labels in understood, which the caller
// promises to process. The message shares memory with b.
func ParseEncrypt0(b []byte, tagging Tagging, understood ...Label) (*Encrypt0, error) {
	return nil, errors.New("cose: to be written")
}

// Open verifies and decrypts the message under k and appends the plaintext to dst,
// which must not overlap the message. It refuses a message whose alg is
// not k's; one without alg is taken to be meant for k's. On failure it returns nil
// and has written no plaintext.
func (m *Encrypt0) Open(dst []byte, k *EncryptionKey, externalAAD []byte) ([]byte, error) {
	return nil, errors.New("cose: to be written")
}
