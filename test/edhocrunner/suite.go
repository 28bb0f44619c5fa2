package edhocrunner

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha3"
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
	Hash      func() hash.Hash // nil is SHAKE256
	MACLength int              // of static Diffie-Hellman
	DH        int64            // curve of the ephemeral keys
	Sign      int64            // curve of signature keys
}

// The curves (RFC 9053, Table 18).
const (
	P256    = 1
	P384    = 2
	X25519  = 4
	X448    = 5
	Ed25519 = 6
	Ed448   = 7
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
	{25, chacha20poly1305.New, 32, nil, 16, X448, Ed448},
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

func (s Suite) hashSize() int {
	if s.Hash == nil {
		return 64
	}
	return s.Hash().Size()
}

func (s Suite) sum(data []byte) []byte {
	if s.Hash == nil {
		return sha3.SumSHAKE256(data, 64)
	}
	h := s.Hash()
	h.Write(data)
	return h.Sum(nil)
}

// extract is EDHOC_Extract (RFC 9528, Section 4.1.1).
func (s Suite) extract(salt, ikm []byte) ([]byte, error) {
	if s.Hash == nil {
		return kmac256(salt, ikm, 64), nil
	}
	return hkdf.Extract(s.Hash, ikm, salt)
}

// expand is EDHOC_Expand (RFC 9528, Section 4.1.2).
func (s Suite) expand(prk, info []byte, n int) ([]byte, error) {
	if s.Hash == nil {
		return kmac256(prk, info, n), nil
	}
	return hkdf.Expand(s.Hash, prk, string(info), n)
}

// maxExpand is the most that expand gives.
func (s Suite) maxExpand() int {
	if s.Hash == nil {
		return 1 << 30
	}
	return 255 * s.hashSize()
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
