// Package hkdf is the HMAC-based key derivation function of RFC 5869, without
// allocations.
package hkdf

import (
	"crypto"
	_ "crypto/sha256" // SHA-256, for crypto.Hash.New
	_ "crypto/sha512" // SHA-384 and SHA-512
	"hash"
	"sync"
)

// pools holds idle KDFs by hash function.
var pools [crypto.BLAKE2b_512 + 1]sync.Pool

// Extract appends HKDF-Extract(salt, ikm), h.Size() bytes, to dst (RFC 5869,
// Section 2.2). A salt that is nil or empty stands for h.Size() zeros. h is
// SHA-256, SHA-384 or SHA-512. dst must not overlap the inputs. Extract is safe
// for concurrent use.
func Extract(dst []byte, h crypto.Hash, salt, ikm []byte) []byte {
	k := get(h)
	dst = k.Extract(dst, salt, ikm)
	pools[h].Put(k)
	return dst
}

// Expand appends the n bytes of HKDF-Expand(prk, info, n) to dst (RFC 5869,
// Section 2.3). h is SHA-256, SHA-384 or SHA-512. It panics if n is negative or
// more than MaxSize(h): a caller that takes n from outside checks it first. dst must not
// overlap the inputs. Expand is safe for concurrent use.
func Expand(dst []byte, h crypto.Hash, prk, info []byte, n int) []byte {
	k := get(h)
	dst = k.Expand(dst, prk, info, n)
	pools[h].Put(k)
	return dst
}

// MaxSize is the largest n that Expand takes: 255 blocks of the hash.
func MaxSize(h crypto.Hash) int { return 255 * h.Size() }

func get(h crypto.Hash) *KDF {
	if k, ok := pools[h].Get().(*KDF); ok {
		return k
	}
	return New(h.New)
}

// KDF is the function over one hash, with memory that it uses again in each
// call: after the first, Extract and Expand allocate nothing but the growth of
// dst. It keeps no secret between calls. A KDF is not safe for concurrent use.
type KDF struct {
	mac hmac
	t   []byte // T(i)
}

// New returns a KDF over the hash that h makes.
func New(h func() hash.Hash) *KDF {
	k := new(KDF)
	k.mac.init(h)
	k.t = make([]byte, 0, k.mac.size)
	return k
}

// Extract appends HKDF-Extract(salt, ikm) to dst, see the function Extract.
func (k *KDF) Extract(dst []byte, salt, ikm []byte) []byte {
	k.mac.start(salt)
	k.mac.write(ikm)
	k.t = k.mac.sum(k.t[:0])
	dst = append(dst, k.t...)
	k.erase()
	return dst
}

// Expand appends the n bytes of HKDF-Expand(prk, info, n) to dst, see the
// function Expand.
func (k *KDF) Expand(dst []byte, prk, info []byte, n int) []byte {
	if n < 0 || n > 255*k.mac.size {
		// Broken invariant: the caller has checked n, the block counter is one byte.
		panic("hkdf: output size out of range")
	}
	k.t = k.t[:0]
	for i := byte(1); n > 0; i++ {
		k.mac.start(prk)
		k.mac.write(k.t)
		k.mac.write(info)
		k.mac.writeByte(i)
		k.t = k.mac.sum(k.t[:0])
		part := k.t[:min(n, len(k.t))]
		dst = append(dst, part...)
		n -= len(part)
	}
	k.erase()
	return dst
}

func (k *KDF) erase() {
	clear(k.t[:cap(k.t)])
	k.mac.erase()
}
