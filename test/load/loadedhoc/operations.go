package loadedhoc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"time"

	"filippo.io/nistec"
	"github.com/cloudflare/circl/dh/x25519"

	"github.com/ostiary/ostiary/edhoc"
)

// operations are the curve operations that a responder cannot do without: a key pair, the
// decoding of G_X, G_XY, and one operation for each authentication.
type operations struct {
	steps []func() error
}

var errPoint = errors.New("loadedhoc: low order")

func newOperations(cfg Config) (*operations, error) {
	dh, sign, err := curves(cfg.Suite)
	if err != nil {
		return nil, err
	}
	o := new(operations)
	agree := o.x25519
	if dh == edhoc.P256 {
		agree = o.p256
	}
	one, err := agree()
	if err != nil {
		return nil, err
	}
	signing, checking, err := o.ed25519, o.ed25519Check, nil
	if sign == edhoc.P256 {
		signing, checking = o.ecdsa, o.ecdsaCheck
	}
	o.steps = append(o.steps, one)
	if cfg.Method == edhoc.SignatureStaticDH || cfg.Method == edhoc.StaticDHStaticDH {
		one, err = o.shared(dh)
	} else {
		one, err = signing()
	}
	if err != nil {
		return nil, err
	}
	o.steps = append(o.steps, one)
	if cfg.Method == edhoc.StaticDHSignature || cfg.Method == edhoc.StaticDHStaticDH {
		one, err = o.shared(dh)
	} else {
		one, err = checking()
	}
	o.steps = append(o.steps, one)
	return o, err
}

// batch gives the time of as many responders as are in a batch of handshakes.
func (o *operations) batch() (time.Duration, error) {
	start := cpuClock()
	for range batch {
		for _, step := range o.steps {
			if err := step(); err != nil {
				return 0, err
			}
		}
	}
	return cpuClock() - start, nil
}

// p256 makes a key pair, decodes G_X and computes G_XY.
func (*operations) p256() (func() error, error) {
	base, err := nistec.NewP256Point().ScalarBaseMult(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		return nil, err
	}
	gX := base.BytesCompressed()
	return func() error {
		y := make([]byte, 32)
		_, _ = rand.Read(y) // never fails
		pub, err := nistec.NewP256Point().ScalarBaseMult(y)
		if err != nil {
			return err
		}
		if _, err := pub.BytesX(); err != nil {
			return err
		}
		p, err := nistec.NewP256Point().SetBytes(gX)
		if err != nil {
			return err
		}
		if _, err := p.ScalarMult(p, y); err != nil {
			return err
		}
		_, err = p.BytesX()
		return err
	}, nil
}

func (*operations) x25519() (func() error, error) {
	var gX, x x25519.Key
	copy(x[:], bytes.Repeat([]byte{9}, 32))
	x25519.KeyGen(&gX, &x)
	return func() error {
		var y, pub, z x25519.Key
		_, _ = rand.Read(y[:]) // never fails
		x25519.KeyGen(&pub, &y)
		if !x25519.Shared(&z, &y, &gX) {
			return errPoint
		}
		return nil
	}, nil
}

// shared computes a shared secret with a point that was decoded before.
func (*operations) shared(dh edhoc.Curve) (func() error, error) {
	secret := bytes.Repeat([]byte{7}, 32)
	if dh == edhoc.X25519 {
		var gX, x x25519.Key
		copy(x[:], secret)
		x25519.KeyGen(&gX, &x)
		return func() error {
			var z x25519.Key
			if !x25519.Shared(&z, &x, &gX) {
				return errPoint
			}
			return nil
		}, nil
	}
	base, err := nistec.NewP256Point().ScalarBaseMult(secret)
	if err != nil {
		return nil, err
	}
	return func() error {
		p, err := nistec.NewP256Point().ScalarMult(base, secret)
		if err != nil {
			return err
		}
		_, err = p.BytesX()
		return err
	}, nil
}

// message is about as long as a Sig_structure.
var message = make([]byte, 250)

func ecdsaKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
}

func (*operations) ecdsa() (func() error, error) {
	key, err := ecdsaKey()
	return func() error {
		digest := sha256.Sum256(message)
		_, _, err := ecdsa.Sign(rand.Reader, key, digest[:])
		return err
	}, err
}

func (*operations) ecdsaCheck() (func() error, error) {
	key, err := ecdsaKey()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	return func() error {
		digest := sha256.Sum256(message)
		if !ecdsa.Verify(&key.PublicKey, digest[:], r, s) {
			return errPoint
		}
		return nil
	}, err
}

func (*operations) ed25519() (func() error, error) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	return func() error {
		ed25519.Sign(key, message)
		return nil
	}, nil
}

func (*operations) ed25519Check() (func() error, error) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	sig := ed25519.Sign(key, message)
	return func() error {
		if !ed25519.Verify(key.Public().(ed25519.PublicKey), message, sig) {
			return errPoint
		}
		return nil
	}, nil
}
