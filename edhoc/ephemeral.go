package edhoc

import (
	"crypto/rand"
	"io"

	"github.com/ostiary/ostiary/internal/secret"
)

// An EphemeralKey is an ephemeral key pair that no message has used yet. One
// handshake uses it, and a second that is given it fails.
type EphemeralKey struct {
	curve Curve
	state once[keyPair]
}

// keyPair is an ephemeral key pair: X and G_X, or Y and G_Y.
type keyPair struct {
	private secret.Bytes
	public  []byte
}

func (k *keyPair) erase() { k.private.Erase() }

// NewEphemeralKey generates a key pair ahead of time, for Config.Ephemeral: on
// the P256, P384, X25519 or X448 curve. random is nil for crypto/rand.Reader, which an
// EphemeralPool augments as a handshake does.
func NewEphemeralKey(curve Curve, random io.Reader) (*EphemeralKey, error) {
	pair, err := newKeyPair(curve, random)
	if err != nil {
		return nil, err
	}
	k := &EphemeralKey{curve: curve}
	k.state.put(pair)
	return k, nil
}

// Discard erases the key, if no handshake has taken it.
func (k *EphemeralKey) Discard() { discard(&k.state) }

//spec:9528-9.2-3
func newKeyPair(curve Curve, random io.Reader) (*keyPair, error) {
	g := groups[curve]
	if g == nil {
		return nil, misuse("no Diffie-Hellman on %v", curve)
	}
	if random == nil {
		random = rand.Reader
	}
	d, x, err := g.generate(random)
	if err != nil {
		return nil, err
	}
	return &keyPair{d, x}, nil
}

// ephemeral takes a key pair from the stock of the application, or generates one.
//
//spec:9528-9.2-2
func (c *settings) ephemeral(curve Curve) (*keyPair, error) {
	if c.stock != nil {
		if k := c.stock(curve); k != nil {
			if k.curve != curve {
				return nil, misuse("ephemeral key on %v instead of %v", k.curve, curve)
			}
			pair, err := k.state.take()
			if err != nil {
				return nil, misuse("ephemeral key that was used before")
			}
			return pair, nil
		}
	}
	return newKeyPair(curve, c.rand)
}
