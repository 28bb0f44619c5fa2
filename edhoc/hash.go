package edhoc

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"

	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/hkdf"
	"github.com/ostiary/ostiary/internal/secret"
)

// hashAlg is an EDHOC hash algorithm with EDHOC_Extract and EDHOC_Expand over it
// (RFC 9528, Sections 4.1.1 and 4.1.2).
type hashAlg interface {
	size() int
	sum(data []byte) []byte
	extract(salt, ikm []byte) secret.Bytes
	expand(prk, info []byte, n int) secret.Bytes
	maxExpand() int // the largest n of expand
}

//spec:9528-9.3-1
//spec:9528-9.3-2
var hashes = map[cose.Algorithm]hashAlg{
	cose.SHA256:   sha2(crypto.SHA256),
	cose.SHA384:   sha2(crypto.SHA384),
	cose.SHA512:   sha2(crypto.SHA512),
	cose.SHAKE128: shake128,
	cose.SHAKE256: shake256,
}

type sha2 crypto.Hash

func (h sha2) size() int { return crypto.Hash(h).Size() }

func (h sha2) sum(data []byte) []byte {
	switch crypto.Hash(h) {
	case crypto.SHA384:
		s := sha512.Sum384(data)
		return s[:]
	case crypto.SHA512:
		s := sha512.Sum512(data)
		return s[:]
	}
	s := sha256.Sum256(data)
	return s[:]
}

func (h sha2) extract(salt, ikm []byte) secret.Bytes {
	return hkdf.Extract(make([]byte, 0, h.size()), crypto.Hash(h), salt, ikm)
}

func (h sha2) expand(prk, info []byte, n int) secret.Bytes {
	return hkdf.Expand(make([]byte, 0, n), crypto.Hash(h), prk, info, n)
}

func (h sha2) maxExpand() int { return hkdf.MaxSize(crypto.Hash(h)) }

// keccak is SHAKE as a hash (RFC 9054, Section 3.4), with KMAC.
type keccak struct {
	length int // of the hash
	rate   int // of the sponge
	sumXOF func(data []byte, n int) []byte
	cshake func(n, s []byte) *sha3.SHAKE
}

var (
	shake128 = &keccak{32, 168, sha3.SumSHAKE128, sha3.NewCSHAKE128}
	shake256 = &keccak{64, 136, sha3.SumSHAKE256, sha3.NewCSHAKE256}
)

func (k *keccak) size() int              { return k.length }
func (k *keccak) sum(data []byte) []byte { return k.sumXOF(data, k.length) }

func (k *keccak) extract(salt, ikm []byte) secret.Bytes { return k.kmac(salt, ikm, k.length) }

func (k *keccak) expand(prk, info []byte, n int) secret.Bytes { return k.kmac(prk, info, n) }

func (k *keccak) maxExpand() int { return 1 << 24 } // KMAC has no limit that matters

// kmac is KMAC(key, x, 8*n, "") (NIST SP 800-185, Section 4.3).
func (k *keccak) kmac(key, x []byte, n int) secret.Bytes {
	h := k.cshake([]byte("KMAC"), nil)
	// bytepad(encode_string(key), rate)
	b := make(secret.Bytes, 0, 2*k.rate)
	b = append(b, 1, byte(k.rate))
	b = leftEncode(b, 8*uint64(len(key)))
	b = append(b, key...)
	for len(b)%k.rate != 0 {
		b = append(b, 0)
	}
	_, _ = h.Write(b) // never fails
	_, _ = h.Write(x)
	_, _ = h.Write(rightEncode(nil, 8*uint64(n)))
	b.Erase()
	out := make(secret.Bytes, n)
	_, _ = h.Read(out)
	h.Reset()
	return out
}

// leftEncode and rightEncode are those of NIST SP 800-185, Section 2.3.1.
func leftEncode(dst []byte, v uint64) []byte {
	b := minimal(v)
	return append(append(dst, byte(len(b))), b...)
}

func rightEncode(dst []byte, v uint64) []byte {
	b := minimal(v)
	return append(append(dst, b...), byte(len(b)))
}

// minimal is v in big endian, in as many bytes as it needs and at least one.
func minimal(v uint64) []byte {
	b := []byte{byte(v)}
	for v >>= 8; v > 0; v >>= 8 {
		b = append([]byte{byte(v)}, b...)
	}
	return b
}
