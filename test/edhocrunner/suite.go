package edhocrunner

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/ostiary/ostiary/internal/ccm"
)

// Suite is a cipher suite (RFC 9528, Table 6).
type Suite struct {
	ID        int64
	AEAD      func(key []byte) (cipher.AEAD, error)
	KeySize   int
	Hash      func() hash.Hash
	MACLength int   // of static Diffie-Hellman
	DH        int64 // curve of the ephemeral keys
	Sign      int64 // curve of signature keys
}

// The curves (RFC 9053, Table 18).
const (
	P256    = 1
	P384    = 2
	X25519  = 4
	Ed25519 = 6
)

// Suites are the cipher suites that the runner speaks.
var Suites = []Suite{
	{0, aesCCM(8), 16, sha256.New, 8, X25519, Ed25519},
	{1, aesCCM(16), 16, sha256.New, 16, X25519, Ed25519},
	{2, aesCCM(8), 16, sha256.New, 8, P256, P256},
	{3, aesCCM(16), 16, sha256.New, 16, P256, P256},
	{4, chacha20poly1305.New, 32, sha256.New, 16, X25519, Ed25519},
	{5, chacha20poly1305.New, 32, sha256.New, 16, P256, P256},
	{6, aesGCM, 16, sha256.New, 16, X25519, P256},
	{24, aesGCM, 32, sha512.New384, 16, P384, P384},
}

func suiteOf(id int64) (Suite, bool) {
	for _, s := range Suites {
		if s.ID == id {
			return s, true
		}
	}
	return Suite{}, false
}

// Curve is the curve of authentication keys: for static Diffie-Hellman, or for signatures.
func (s Suite) Curve(static bool) int64 {
	if static {
		return s.DH
	}
	return s.Sign
}

func (s Suite) hashSize() int { return s.Hash().Size() }

func (s Suite) sum(data []byte) []byte {
	h := s.Hash()
	h.Write(data)
	return h.Sum(nil)
}

// nonceSize is 13 of AES-CCM-16, 12 of the others.
func (s Suite) nonceSize() int {
	a, err := s.AEAD(make([]byte, s.KeySize))
	if err != nil {
		return 0
	}
	return a.NonceSize()
}

func aesCCM(tag int) func(key []byte) (cipher.AEAD, error) {
	return func(key []byte) (cipher.AEAD, error) { return ccm.New(key, 13, tag) }
}

func aesGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
