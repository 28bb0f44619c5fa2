package cose

import (
	"errors"
	"fmt"
)

// What is wrong with a peer's message or key. Every error that parsing, opening
// and verifying return is one of them by errors.Is.
var (
	// ErrMalformed: not the CBOR that RFC 9052 asks for.
	ErrMalformed = errors.New("malformed")
	// ErrCritical: a parameter listed in crit is not understood.
	ErrCritical = errors.New("critical header parameter")
	// ErrAlgorithm: the message or key names another algorithm than the caller
	// expects.
	ErrAlgorithm = errors.New("other algorithm")
	// ErrNonce: no IV and no Partial IV, or one of the wrong size.
	ErrNonce = errors.New("nonce")
	// ErrVerify: the ciphertext or the MAC does not verify.
	ErrVerify = errors.New("verification failed")
	// ErrKey: a COSE_Key that is not valid, or not for this use.
	ErrKey = errors.New("key")
)

// fault returns kind with the section that was violated (of RFC 9052, if no RFC is
// named) and the reason. None of them holds a secret.
func fault(kind error, section, reason string) error {
	return fmt.Errorf("cose: %w: %s (%s)", kind, reason, section)
}
