// Package ccm is AES in Counter with CBC-MAC mode, RFC 3610, as a cipher.AEAD.
package ccm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
)

// ErrOpen is what Open returns, whatever the reason: an Open that told a forged
// tag from a malformed message would help the forger.
//
//spec:3610-2.5-1
var ErrOpen = errors.New("ccm: message authentication failed")

// New returns AES-CCM under key, which is 16, 24 or 32 bytes long. nonceSize is
// 7 to 13, and tagSize an even number from 4 to 16; RFC 3610, Section 2 calls
// them 15-L and M. New keeps no reference to key.
//
// The AEAD is safe for concurrent use, and its Seal and Open allocate nothing but
// the growth of dst. Their arguments overlap as [cipher.AEAD] says, and the
// additional data may not overlap the output; anything else panics. Seal panics
// on a nonce of another size, and on a plaintext of more than
// MaxPlaintext(nonceSize) bytes. Open gives ErrOpen for both, and for every
// message that does not verify.
//
// Open decrypts before it can verify. When it fails, it has put zeros in the space
// for the plaintext: an Open in place that fails has destroyed the ciphertext.
func New(key []byte, nonceSize, tagSize int) (cipher.AEAD, error) {
	if nonceSize < 7 || nonceSize > 13 {
		return nil, fmt.Errorf("ccm: nonce size %d", nonceSize)
	}
	//spec:3610-2.2-1
	if tagSize < 4 || tagSize > 16 || tagSize%2 != 0 {
		return nil, fmt.Errorf("ccm: tag size %d", tagSize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("ccm: key size %d", len(key))
	}
	return &aead{block: block, nonceSize: nonceSize, tagSize: tagSize}, nil
}

// MaxPlaintext is the size of the longest plaintext under nonces of nonceSize
// bytes: its length must fit in the L = 15-nonceSize bytes that the nonce leaves
// (RFC 3610, Section 2.1). It is 65535 for 13-byte nonces.
func MaxPlaintext(nonceSize int) uint64 {
	if l := 15 - nonceSize; l < 8 {
		return 1<<(8*l) - 1
	}
	return 1<<64 - 1
}

// aead is immutable; what a call needs to write it takes from scratches.
type aead struct {
	block              cipher.Block
	nonceSize, tagSize int
}

func (a *aead) NonceSize() int { return a.nonceSize }

func (a *aead) Overhead() int { return a.tagSize }

func (a *aead) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	// Broken invariants: the caller chooses nonce and plaintext, and what follows
	// could not be decrypted or would give the key away.
	if len(nonce) != a.nonceSize {
		panic("ccm: incorrect nonce length")
	}
	if uint64(len(plaintext)) > MaxPlaintext(a.nonceSize) {
		panic("ccm: plaintext too long")
	}
	head := len(dst)
	dst = slices.Grow(dst, len(plaintext)+a.tagSize)
	dst = dst[:head+len(plaintext)+a.tagSize]
	out := dst[head:]
	checkOverlap(out, plaintext, additionalData)

	s := scratches.Get().(*scratch)
	s.start(a, nonce, additionalData, len(plaintext))
	s.seal(a.block, out, plaintext)
	s.tag()
	copy(out[len(plaintext):], s.mac[:a.tagSize])
	s.done()
	return dst
}

func (a *aead) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	if len(nonce) != a.nonceSize || len(ciphertext) < a.tagSize {
		return nil, ErrOpen
	}
	n := len(ciphertext) - a.tagSize
	if uint64(n) > MaxPlaintext(a.nonceSize) {
		return nil, ErrOpen
	}
	head := len(dst)
	dst = slices.Grow(dst, n)
	dst = dst[:head+n]
	out := dst[head:]
	checkOverlap(out, ciphertext, additionalData)

	s := scratches.Get().(*scratch)
	s.start(a, nonce, additionalData, n)
	s.open(a.block, out, ciphertext[:n])
	s.tag()
	ok := subtle.ConstantTimeCompare(s.mac[:a.tagSize], ciphertext[n:]) == 1
	s.done()
	//spec:3610-2.6-2
	if !ok {
		//spec:3610-2.5-2
		//spec:3610-2.6-3
		clear(out)
		return nil, ErrOpen
	}
	return dst, nil
}
