package edhoc

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
)

// constant is a source of randomness that is broken: it gives one byte for ever.
type constant byte

func (c constant) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

// limited fails after some bytes.
type limited int

var errDry = errors.New("dry")

func (l *limited) Read(p []byte) (int, error) {
	if *l -= limited(len(p)); *l < 0 {
		return 0, errDry
	}
	return len(p), nil
}

func staticKey(t *testing.T, fill byte) (*PrivateKey, []byte) {
	t.Helper()
	d := bytes.Repeat([]byte{fill}, 32)
	k, err := NewStaticDHKey(X25519, d)
	if err != nil {
		t.Fatal(err)
	}
	return k, d
}

// TestAugmentedValue computes RFC 8937, Section 3, with the standard library.
func TestAugmentedValue(t *testing.T) {
	k, d := staticKey(t, 7)
	a, err := newAugmented(k, constant(0xab))
	if err != nil {
		t.Fatal(err)
	}
	before := reads.Load()
	got := make([]byte, 40)
	if n, err := a.Read(got); n != 40 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}

	private, err := ecdh.X25519().NewPrivateKey(d)
	if err != nil {
		t.Fatal(err)
	}
	own, err := private.ECDH(private.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	salt := sha256.Sum256(append([]byte("ostiary edhoc: augmented randomness"), own...))
	var want []byte
	for i := range uint64(2) {
		prk, err := hkdf.Extract(sha256.New, bytes.Repeat([]byte{0xab}, 32), salt[:])
		if err != nil {
			t.Fatal(err)
		}
		block, err := hkdf.Expand(sha256.New, prk, string(binary.BigEndian.AppendUint64(nil, before+i+1)), 32)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, block...)
	}
	if !bytes.Equal(got, want[:40]) {
		t.Errorf("got %x, want %x", got, want[:40])
	}
}

// TestAugmentedSurvivesABrokenSource shows what it is for: with a source that repeats,
// nothing repeats, and other keys give other values.
func TestAugmentedSurvivesABrokenSource(t *testing.T) {
	seen := map[string]string{}
	signer, err := NewSignatureKey(Ed25519, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := staticKey(t, 1)
	second, _ := staticKey(t, 2)
	for name, k := range map[string]*PrivateKey{"signer": signer, "first": first, "second": second} {
		a, err := newAugmented(k, constant(0))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			b := make([]byte, 32)
			if _, err := io.ReadFull(a, b); err != nil {
				t.Fatal(err)
			}
			if who := seen[string(b)]; who != "" {
				t.Fatalf("%s, read %d: the value of %s again", name, i, who)
			}
			seen[string(b)] = name
		}
	}
}

// TestAugmentedTwice: an Initiator, a Responder and an EphemeralPool of one key are three
// readers, and nothing repeats among them.
func TestAugmentedTwice(t *testing.T) {
	k, _ := staticKey(t, 1)
	seen := map[string]bool{}
	for range 3 {
		a, err := newAugmented(k, constant(0))
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 64)
		if _, err := a.Read(b); err != nil {
			t.Fatal(err)
		}
		if seen[string(b)] {
			t.Error("the values of another reader")
		}
		seen[string(b)] = true
	}
}

// TestAugmentedClone shows that two copies of one state part as soon as the source does:
// a machine that was resumed twice.
func TestAugmentedClone(t *testing.T) {
	k, _ := staticKey(t, 1)
	one, err := newAugmented(k, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	two, err := newAugmented(k, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a, b := make([]byte, 32), make([]byte, 32)
	_, _ = one.Read(a)
	_, _ = two.Read(b)
	if bytes.Equal(a, b) {
		t.Error("got the same bytes of both")
	}
}

func TestAugmentedFails(t *testing.T) {
	k, _ := staticKey(t, 1)
	left := limited(40)
	a, err := newAugmented(k, &left)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := a.Read(make([]byte, 64)); n != 32 || !errors.Is(err, errDry) {
		t.Errorf("got %d, %v, want 32, %v", n, err, errDry)
	}
}

func TestAugmentedConcurrent(t *testing.T) {
	k, _ := staticKey(t, 1)
	a, err := newAugmented(k, constant(0))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wait sync.WaitGroup
	seen := map[string]bool{}
	for range 8 {
		wait.Go(func() {
			for range 100 {
				b := make([]byte, 16)
				_, _ = a.Read(b)
				mu.Lock()
				seen[string(b)] = true
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if len(seen) != 800 {
		t.Errorf("got %d values, want 800", len(seen))
	}
}

// TestRandomnessOfAConfig: nobody has to ask for it, and tests can do without.
func TestRandomnessOfAConfig(t *testing.T) {
	k, _ := staticKey(t, 1)
	c := Config{Identities: []Identity{{Key: k}}}
	got, err := c.randomness()
	if err != nil {
		t.Fatal(err)
	}
	if a, ok := got.(*augmented); !ok || a.source != rand.Reader {
		t.Errorf("got %T, want *augmented of crypto/rand.Reader", got)
	}
	other, _ := staticKey(t, 2)
	c.Identities = append(c.Identities, Identity{Key: other})
	if two, _ := c.randomness(); !bytes.Equal(two.(*augmented).salt, got.(*augmented).salt) {
		t.Error("the key of another than the first identity")
	}
	c.Rand = constant(1)
	if got, _ := c.randomness(); got != constant(1) {
		t.Errorf("got %T, want the reader of the Config", got)
	}
}

// TestAugmentedOfElsewhere: a static Diffie-Hellman key that is elsewhere is applied to its
// public key, and gives what it would give here.
func TestAugmentedOfElsewhere(t *testing.T) {
	k, _ := staticKey(t, 1)
	away, err := NewDiffieHellman(k.Public(), func(x []byte) ([]byte, error) {
		if !bytes.Equal(x, k.public.x) {
			return nil, errDry
		}
		return k.agree(agreement{k.public.x, k.public.point})
	})
	if err != nil {
		t.Fatal(err)
	}
	here, err := newAugmented(k, constant(0))
	if err != nil {
		t.Fatal(err)
	}
	there, err := newAugmented(away, constant(0))
	if err != nil || !bytes.Equal(here.salt, there.salt) {
		t.Errorf("got another secret, %v", err)
	}
	broken, err := NewDiffieHellman(k.Public(), func([]byte) ([]byte, error) { return nil, errDry })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newAugmented(broken, constant(0)); !errors.Is(err, errDry) {
		t.Errorf("got %v, want %v", err, errDry)
	}
}

func TestAugmentedPrintsNoSecret(t *testing.T) {
	k, _ := staticKey(t, 1)
	a, err := newAugmented(k, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x"} {
		if s := fmt.Sprintf(verb, a.salt); s != "[secret]" {
			t.Errorf("%s: got %s", verb, s)
		}
	}
}
