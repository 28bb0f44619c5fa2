package cose

import (
	"errors"

	"github.com/veraison/go-cose"
)

// ParseKey decodes b, one whole COSE_Key (RFC 9052, Section 7), and validates it
// as ValidateKey does. The key keeps no part of b. A cose.Key prints its secrets:
// never log one.
func ParseKey(b []byte) (*cose.Key, error) { return nil, errors.New("cose: to be written") }

// ValidateKey checks what go-cose leaves out: that the curve suits the key type,
// that the public key is a point of that curve, in its one encoding and not of
// small order, and that a private key belongs to it.
func ValidateKey(k *cose.Key) error { return errors.New("cose: to be written") }

// CheckUse checks that k may be used with alg for op: the key type suits, and alg
// and key_ops, where the key has them, agree (RFC 9052, Section 7.1).
func CheckUse(k *cose.Key, alg Algorithm, op cose.KeyOp) error {
	return errors.New("cose: to be written")
}
