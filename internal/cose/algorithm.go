package cose

import (
	"crypto"
	_ "crypto/sha256" // SHA-256, for Hash
	_ "crypto/sha512" // SHA-384 and SHA-512
	"fmt"
)

// Algorithm is a value of the "COSE Algorithms" registry (RFC 9053). The zero
// value, which the registry reserves, stands for none.
type Algorithm int64

// The algorithms of RFC 9053, RFC 9054 and RFC 9864 that the protocols of this
// module name. The names are the registry's, with underscores for its dashes and
// slashes.
const (
	A128GCM           Algorithm = 1
	A192GCM           Algorithm = 2
	A256GCM           Algorithm = 3
	AES_CCM_16_64_128 Algorithm = 10
	AES_CCM_16_64_256 Algorithm = 11
	AES_CCM_64_64_128 Algorithm = 12
	AES_CCM_64_64_256 Algorithm = 13
	ChaCha20Poly1305  Algorithm = 24

	AES_CCM_16_128_128 Algorithm = 30
	AES_CCM_16_128_256 Algorithm = 31
	AES_CCM_64_128_128 Algorithm = 32
	AES_CCM_64_128_256 Algorithm = 33

	HMAC256_64  Algorithm = 4
	HMAC256_256 Algorithm = 5
	HMAC384_384 Algorithm = 6
	HMAC512_512 Algorithm = 7

	DirectHKDFSHA256 Algorithm = -10
	DirectHKDFSHA512 Algorithm = -11

	SHA256_64 Algorithm = -15
	SHA256    Algorithm = -16
	SHAKE128  Algorithm = -18
	SHA384    Algorithm = -43
	SHA512    Algorithm = -44
	SHAKE256  Algorithm = -45

	ES256   Algorithm = -7
	ES384   Algorithm = -35
	ES512   Algorithm = -36
	EdDSA   Algorithm = -8
	ESP256  Algorithm = -9
	ESP384  Algorithm = -51
	ESP512  Algorithm = -52
	Ed25519 Algorithm = -19
	Ed448   Algorithm = -53
)

// properties are what the registry says of one algorithm; sizes in bytes.
type properties struct {
	name  string
	class class
	key   int
	nonce int         // class aead
	tag   int         // class aead and mac
	hash  crypto.Hash // 0: none, or one that crypto.Hash does not know
}

type class uint8

const (
	aesCCM class = iota + 1
	aesGCM
	chaCha
	mac
	other
)

func (c class) aead() bool { return c == aesCCM || c == aesGCM || c == chaCha }

// properties looks a up (RFC 9053, Tables 1, 2, 3, 5, 6, 7 and 12; RFC 9054,
// Tables 2 and 3; RFC 9864, Section 2). It reports false for an algorithm that
// this package does not know.
func (a Algorithm) properties() (properties, bool) {
	switch a {
	case A128GCM:
		return properties{name: "A128GCM", class: aesGCM, key: 16, nonce: 12, tag: 16}, true
	case A192GCM:
		return properties{name: "A192GCM", class: aesGCM, key: 24, nonce: 12, tag: 16}, true
	case A256GCM:
		return properties{name: "A256GCM", class: aesGCM, key: 32, nonce: 12, tag: 16}, true
	case AES_CCM_16_64_128:
		return properties{name: "AES-CCM-16-64-128", class: aesCCM, key: 16, nonce: 13, tag: 8}, true
	case AES_CCM_16_64_256:
		return properties{name: "AES-CCM-16-64-256", class: aesCCM, key: 32, nonce: 13, tag: 8}, true
	case AES_CCM_64_64_128:
		return properties{name: "AES-CCM-64-64-128", class: aesCCM, key: 16, nonce: 7, tag: 8}, true
	case AES_CCM_64_64_256:
		return properties{name: "AES-CCM-64-64-256", class: aesCCM, key: 32, nonce: 7, tag: 8}, true
	case AES_CCM_16_128_128:
		return properties{name: "AES-CCM-16-128-128", class: aesCCM, key: 16, nonce: 13, tag: 16}, true
	case AES_CCM_16_128_256:
		return properties{name: "AES-CCM-16-128-256", class: aesCCM, key: 32, nonce: 13, tag: 16}, true
	case AES_CCM_64_128_128:
		return properties{name: "AES-CCM-64-128-128", class: aesCCM, key: 16, nonce: 7, tag: 16}, true
	case AES_CCM_64_128_256:
		return properties{name: "AES-CCM-64-128-256", class: aesCCM, key: 32, nonce: 7, tag: 16}, true
	case ChaCha20Poly1305:
		return properties{name: "ChaCha20/Poly1305", class: chaCha, key: 32, nonce: 12, tag: 16}, true
	case HMAC256_64:
		return properties{name: "HMAC 256/64", class: mac, key: 32, tag: 8, hash: crypto.SHA256}, true
	case HMAC256_256:
		return properties{name: "HMAC 256/256", class: mac, key: 32, tag: 32, hash: crypto.SHA256}, true
	case HMAC384_384:
		return properties{name: "HMAC 384/384", class: mac, key: 48, tag: 48, hash: crypto.SHA384}, true
	case HMAC512_512:
		return properties{name: "HMAC 512/512", class: mac, key: 64, tag: 64, hash: crypto.SHA512}, true
	case DirectHKDFSHA256:
		return properties{name: "direct+HKDF-SHA-256", class: other, hash: crypto.SHA256}, true
	case DirectHKDFSHA512:
		return properties{name: "direct+HKDF-SHA-512", class: other, hash: crypto.SHA512}, true
	case SHA256_64: // truncated; Hash is the whole one
		return properties{name: "SHA-256/64", class: other, hash: crypto.SHA256}, true
	case SHA256:
		return properties{name: "SHA-256", class: other, hash: crypto.SHA256}, true
	case SHA384:
		return properties{name: "SHA-384", class: other, hash: crypto.SHA384}, true
	case SHA512:
		return properties{name: "SHA-512", class: other, hash: crypto.SHA512}, true
	case SHAKE128:
		return properties{name: "SHAKE128", class: other}, true
	case SHAKE256:
		return properties{name: "SHAKE256", class: other}, true
	case ES256:
		return properties{name: "ES256", class: other, hash: crypto.SHA256}, true
	case ES384:
		return properties{name: "ES384", class: other, hash: crypto.SHA384}, true
	case ES512:
		return properties{name: "ES512", class: other, hash: crypto.SHA512}, true
	case ESP256:
		return properties{name: "ESP256", class: other, hash: crypto.SHA256}, true
	case ESP384:
		return properties{name: "ESP384", class: other, hash: crypto.SHA384}, true
	case ESP512:
		return properties{name: "ESP512", class: other, hash: crypto.SHA512}, true
	case EdDSA:
		return properties{name: "EdDSA", class: other}, true
	case Ed25519:
		return properties{name: "Ed25519", class: other}, true
	case Ed448:
		return properties{name: "Ed448", class: other}, true
	default:
		return properties{}, false
	}
}

// KeySize is the size of the keys of an AEAD algorithm in bytes, and of an HMAC
// the size of its hash, which its keys should have (RFC 9053, Section 3.1); 0 for
// all others.
func (a Algorithm) KeySize() int {
	p, _ := a.properties()
	return p.key
}

// NonceSize is the size of the nonces of an AEAD algorithm in bytes; 0 for all
// others.
func (a Algorithm) NonceSize() int {
	p, _ := a.properties()
	return p.nonce
}

// TagSize is the size of the authentication tag of an AEAD or HMAC algorithm in
// bytes; 0 for all others.
func (a Algorithm) TagSize() int {
	p, _ := a.properties()
	return p.tag
}

// Hash is the hash function of an HMAC, HKDF, signature or hash algorithm, which
// is linked into the program; 0 if there is none, and for SHAKE and EdDSA.
func (a Algorithm) Hash() crypto.Hash {
	p, _ := a.properties()
	return p.hash
}

// IsAEAD says whether NewAEAD knows the algorithm.
func (a Algorithm) IsAEAD() bool {
	p, _ := a.properties()
	return p.class.aead()
}

// IsHMAC says whether NewMACKey knows the algorithm.
func (a Algorithm) IsHMAC() bool {
	p, _ := a.properties()
	return p.class == mac
}

// String returns the name of the algorithm in the registry, or its number.
func (a Algorithm) String() string {
	if p, ok := a.properties(); ok {
		return p.name
	}
	return fmt.Sprintf("COSE algorithm %d", int64(a))
}
