package edhoc

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"sync/atomic"

	"github.com/ostiary/ostiary/internal/hkdf"
	"github.com/ostiary/ostiary/internal/secret"
)

// tag1 is the fixed string of RFC 8937, Section 3: what the private key is applied
// to, and to nothing else ever.
const tag1 = "ostiary edhoc: augmented randomness"

// augmented is G' of RFC 8937, Section 3: it mixes a secret of the private key into what
// source gives, so that a source that is guessed or repeats gives no ephemeral key away
// (RFC 9528, Section 9.8). It is safe for concurrent use if source is.
//
//	G'(n) = Expand(Extract(H(Sig(sk, tag1)), G(L)), tag2, n)
type augmented struct {
	salt   secret.Bytes // H(Sig(sk, tag1))
	source io.Reader
}

// reads is tag2. It counts for all readers, of which an Initiator, a Responder and an
// EphemeralPool have one each of the same key: with a source that repeats, readers that
// count for themselves would repeat each other.
var reads atomic.Uint64

// newAugmented applies the key once. A static Diffie-Hellman key is applied to its own
// public key instead of a signature.
func newAugmented(k *PrivateKey, source io.Reader) (*augmented, error) {
	var own secret.Bytes
	var err error
	if k.static() {
		own, err = k.agree(agreement{k.public.x, k.public.point})
	} else {
		own, err = k.sign(source, []byte(tag1))
	}
	if err != nil {
		return nil, err
	}
	defer own.Erase()
	h := sha256.New()
	h.Write([]byte(tag1))
	h.Write(own)
	return &augmented{salt: h.Sum(nil), source: source}, nil
}

// Read fills p, or fails as the source does.
func (a *augmented) Read(p []byte) (n int, err error) {
	var g [sha256.Size]byte
	var tag2 [8]byte
	defer clear(g[:])
	for n < len(p) {
		if _, err := io.ReadFull(a.source, g[:]); err != nil {
			return n, err
		}
		binary.BigEndian.PutUint64(tag2[:], reads.Add(1))
		prk := secret.Bytes(hkdf.Extract(nil, crypto.SHA256, a.salt, g[:]))
		block := secret.Bytes(hkdf.Expand(nil, crypto.SHA256, prk, tag2[:], min(len(g), len(p)-n)))
		n += copy(p[n:], block)
		prk.Erase()
		block.Erase()
	}
	return n, nil
}

// randomness is the Rand of a Config, or crypto/rand.Reader augmented.
func (c *Config) randomness() (io.Reader, error) {
	switch {
	case c.Rand != nil:
		return c.Rand, nil
	case len(c.Identities) == 0: // it will be refused
		return rand.Reader, nil
	}
	return newAugmented(c.Identities[0].Key, rand.Reader)
}
