package oscorecoap_test

import (
	"bytes"
	"crypto/cipher"
	"crypto/sha256"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
)

// watch returns a maker of AEADs that fails the test if two different
// plaintexts are sealed with the same key and nonce (RFC 8613, Section 7.2).
func watch(t testing.TB) func(cose.Algorithm, []byte) (cipher.AEAD, error) {
	o := &oracle{t: t, seen: make(map[[sha256.Size]byte][sha256.Size]byte)}
	t.Cleanup(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		t.Logf("%d messages sealed", len(o.seen))
	})
	return func(a cose.Algorithm, key []byte) (cipher.AEAD, error) {
		inner, err := a.NewAEAD(key)
		if err != nil {
			return nil, err
		}
		return &watched{inner, bytes.Clone(key), o}, nil
	}
}

type oracle struct {
	t    testing.TB
	mu   sync.Mutex
	seen map[[sha256.Size]byte][sha256.Size]byte
}

type watched struct {
	cipher.AEAD
	key    []byte
	oracle *oracle
}

func (w *watched) Seal(dst, nonce, plaintext, aad []byte) []byte {
	use := sha256.Sum256(append(append([]byte(nil), w.key...), nonce...))
	what := sha256.Sum256(append(append([]byte{byte(len(aad))}, aad...), plaintext...))
	o := w.oracle
	o.mu.Lock()
	if before, ok := o.seen[use]; ok && before != what {
		o.t.Errorf("two messages with the nonce %x", nonce)
	}
	o.seen[use] = what
	o.mu.Unlock()
	return w.AEAD.Seal(dst, nonce, plaintext, aad)
}
