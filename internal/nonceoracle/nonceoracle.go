// Package nonceoracle watches in tests that no AEAD nonce is used twice. Only tests
// import it.
package nonceoracle

import (
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
)

// An Oracle remembers every Seal of the AEADs it makes, whatever endpoint or restart
// they belong to. It ends the test as failed when a key and nonce come again with
// another plaintext or additional data. It is safe for concurrent use.
//
// Its NewAEAD fits oscore.Config.DangerNewAEAD.
type Oracle struct {
	t     testing.TB
	mu    sync.Mutex // guards all below
	seen  map[[sha256.Size]byte]sealed
	seals int
}

type sealed [sha256.Size]byte

// New returns an Oracle for one test.
func New(t testing.TB) *Oracle { return &Oracle{t: t, seen: map[[sha256.Size]byte]sealed{}} }

// Seals returns how many messages were sealed, to show that the test did something.
func (o *Oracle) Seals() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seals
}

// NewAEAD is cose.Algorithm.NewAEAD, watched.
func (o *Oracle) NewAEAD(a cose.Algorithm, key []byte) (cipher.AEAD, error) {
	aead, err := a.NewAEAD(key)
	if err != nil {
		return nil, err
	}
	return &watched{AEAD: aead, oracle: o, key: digest(key, nil)}, nil
}

type watched struct {
	cipher.AEAD
	oracle *Oracle
	key    [sha256.Size]byte
}

func (w *watched) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	w.oracle.seal(digest(w.key[:], nonce), digest(plaintext, additionalData), nonce)
	return w.AEAD.Seal(dst, nonce, plaintext, additionalData)
}

func (o *Oracle) seal(at [sha256.Size]byte, what sealed, nonce []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seals++
	if before, again := o.seen[at]; again && before != what {
		o.t.Errorf("nonce %x used for two messages under one key", nonce)
	}
	o.seen[at] = what
}

// digest hashes a and b so that their border counts.
func digest(a, b []byte) [sha256.Size]byte {
	h := binary.BigEndian.AppendUint64(nil, uint64(len(a)))
	return sha256.Sum256(append(append(h, a...), b...))
}
