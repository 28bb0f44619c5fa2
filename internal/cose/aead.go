package cose

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"math"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/ostiary/ostiary/internal/ccm"
)

var errNotAEAD = errors.New("cose: not an AEAD algorithm")

// NewAEAD returns the AEAD algorithm under key, which is a.KeySize() bytes long
// and of which it keeps no reference. Its Seal panics on a nonce of another size
// than a.NonceSize() and on a plaintext of more than a.MaxPlaintext() bytes. It is safe for
// concurrent use.
func (a Algorithm) NewAEAD(key []byte) (cipher.AEAD, error) {
	p, _ := a.properties()
	if !p.class.aead() {
		return nil, fmt.Errorf("%w: %v", errNotAEAD, a)
	}
	//spec:9053-4.1-1
	//spec:9053-4.2-1
	//spec:9053-4.3-1
	if len(key) != p.key {
		return nil, fmt.Errorf("cose: key of %d bytes for %v", len(key), a)
	}
	switch p.class {
	case aesCCM:
		return ccm.New(key, p.nonce, p.tag)
	case chaCha:
		return chacha20poly1305.New(key)
	default:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("cose: %w", err)
		}
		return cipher.NewGCM(block)
	}
}

// MaxPlaintext is the size in bytes of the longest plaintext of an AEAD algorithm,
// or as much of it as an int holds; 0 for all others. It is 65535 for the AES-CCM
// algorithms whose name begins with AES-CCM-16.
func (a Algorithm) MaxPlaintext() int {
	p, _ := a.properties()
	switch p.class {
	case aesCCM:
		return int(min(ccm.MaxPlaintext(p.nonce), math.MaxInt))
	case aesGCM:
		return int(min(uint64(1<<36-32), math.MaxInt))
	case chaCha:
		return int(min(uint64(1<<38-64), math.MaxInt))
	default:
		return 0
	}
}
