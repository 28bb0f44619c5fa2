package ccm_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/internal/ccm"
)

func newAEAD(t testing.TB, keySize, nonceSize, tagSize int) cipher.AEAD {
	t.Helper()
	key := make([]byte, keySize)
	for i := range key {
		key[i] = byte(i)
	}
	a, err := ccm.New(key, nonceSize, tagSize)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestSizes(t *testing.T) {
	for key := range 40 {
		for nonce := -1; nonce < 20; nonce++ {
			for tag := -1; tag < 20; tag++ {
				a, err := ccm.New(make([]byte, key), nonce, tag)
				want := (key == 16 || key == 24 || key == 32) && nonce >= 7 && nonce <= 13 && tag >= 4 && tag <= 16 && tag%2 == 0
				if got := err == nil; got != want {
					t.Errorf("New(%d bytes, %d, %d): %v", key, nonce, tag, err)
				}
				if err == nil && (a.NonceSize() != nonce || a.Overhead() != tag) {
					t.Errorf("New(%d bytes, %d, %d) has sizes %d, %d", key, nonce, tag, a.NonceSize(), a.Overhead())
				}
			}
		}
	}
}

func TestMaxPlaintext(t *testing.T) {
	for nonce, want := range map[int]uint64{13: 1<<16 - 1, 12: 1<<24 - 1, 8: 1<<56 - 1, 7: 1<<64 - 1} {
		if got := ccm.MaxPlaintext(nonce); got != want {
			t.Errorf("MaxPlaintext(%d) = %d, want %d", nonce, got, want)
		}
	}
	a := newAEAD(t, 16, 13, 8)
	nonce, longest := make([]byte, 13), make([]byte, 65535)
	sealed := a.Seal(nil, nonce, longest, nil)
	if got, err := a.Open(nil, nonce, sealed, nil); err != nil || !bytes.Equal(got, longest) {
		t.Errorf("65535 bytes do not come back: %v", err)
	}
	if _, err := a.Open(nil, nonce, make([]byte, 65536+8), nil); !errors.Is(err, ccm.ErrOpen) {
		t.Errorf("Open of 65536 bytes: %v, want ErrOpen", err)
	}
	mustPanic(t, "Seal of 65536 bytes", func() { a.Seal(nil, nonce, make([]byte, 65536), nil) })
}

func TestNonceSize(t *testing.T) {
	a := newAEAD(t, 16, 13, 8)
	// A nonce that ends in zero and one without that byte fill A_0 alike.
	sealed := a.Seal(nil, make([]byte, 13), nil, nil)
	for _, n := range []int{0, 7, 12, 14} {
		mustPanic(t, fmt.Sprintf("Seal with a nonce of %d bytes", n), func() { a.Seal(nil, make([]byte, n), nil, nil) })
		if _, err := a.Open(nil, make([]byte, n), sealed, nil); !errors.Is(err, ccm.ErrOpen) {
			t.Errorf("Open with a nonce of %d bytes: %v, want ErrOpen", n, err)
		}
	}
	for n := range 8 {
		if _, err := a.Open(nil, make([]byte, 13), make([]byte, n), nil); !errors.Is(err, ccm.ErrOpen) {
			t.Errorf("Open of %d bytes: %v, want ErrOpen", n, err)
		}
	}
}

// TestRoundTrip: what is sealed opens to itself, behind any dst and in place, and
// with one bit of anything changed it does not open.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytesOf := func(name string, most int) []byte {
			return rapid.SliceOfN(rapid.Byte(), 0, most).Draw(t, name)
		}
		exactly := func(name string, n int) []byte {
			return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, name)
		}
		key := exactly("key", rapid.SampledFrom([]int{16, 24, 32}).Draw(t, "key size"))
		nonce := exactly("nonce", rapid.IntRange(7, 13).Draw(t, "nonce size"))
		a, err := ccm.New(key, len(nonce), 2*rapid.IntRange(2, 8).Draw(t, "half tag size"))
		if err != nil {
			t.Fatal(err)
		}
		dst, plain, aad := bytesOf("dst", 20), bytesOf("plaintext", 100), bytesOf("aad", 100)

		sealed := a.Seal(bytes.Clone(dst), nonce, plain, aad)
		if !bytes.HasPrefix(sealed, dst) {
			t.Fatalf("Seal changed dst to %x", sealed[:len(dst)])
		}
		sealed = sealed[len(dst):]
		if got, want := len(sealed), len(plain)+a.Overhead(); got != want {
			t.Fatalf("sealed %d bytes, want %d", got, want)
		}
		inPlace := append(make([]byte, 0, len(sealed)), plain...)
		if got := a.Seal(inPlace[:0], nonce, inPlace, aad); !bytes.Equal(got, sealed) {
			t.Fatalf("Seal in place = %x, want %x", got, sealed)
		}

		want := append(bytes.Clone(dst), plain...)
		if got, err := a.Open(bytes.Clone(dst), nonce, sealed, aad); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("Open = %x, %v, want %x", got, err, want)
		}
		inPlace = bytes.Clone(sealed)
		if got, err := a.Open(inPlace[:0], nonce, inPlace, aad); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open in place = %x, %v, want %x", got, err, plain)
		}

		for name, b := range map[string][]byte{"ciphertext": sealed, "nonce": nonce, "aad": aad} {
			if len(b) == 0 {
				continue
			}
			bit := rapid.IntRange(0, 8*len(b)-1).Draw(t, "bit of "+name)
			b[bit/8] ^= 1 << (bit % 8)
			if got, err := a.Open(nil, nonce, sealed, aad); err == nil {
				t.Fatalf("Open with bit %d of the %s changed = %x", bit, name, got)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
	})
}

// TestFailureLeavesNothing: neither the plaintext nor the right tag can be found in
// the buffer behind dst after a forgery.
func TestFailureLeavesNothing(t *testing.T) {
	a := newAEAD(t, 16, 13, 8)
	nonce := make([]byte, 13)
	for n := range 50 {
		plain := bytes.Repeat([]byte{0x55}, n)
		forged := a.Seal(nil, nonce, plain, nil)
		forged[len(forged)-1] ^= 1

		buffer := bytes.Repeat([]byte{0xee}, 100)
		//spec:3610-2.6-2
		got, err := a.Open(buffer[:10], nonce, forged, nil)
		//spec:3610-2.5-1
		if err != ccm.ErrOpen || got != nil {
			t.Fatalf("Open = %x, %v, want nil, ErrOpen", got, err)
		}
		//spec:3610-2.5-2
		//spec:3610-2.6-3
		want := append(bytes.Repeat([]byte{0xee}, 10), make([]byte, n)...)
		want = append(want, bytes.Repeat([]byte{0xee}, 90-n)...)
		if !bytes.Equal(buffer, want) {
			t.Fatalf("buffer after a forgery of %d bytes is %x, want %x", n, buffer, want)
		}
	}
}

func TestOverlap(t *testing.T) {
	a := newAEAD(t, 16, 13, 8)
	nonce := make([]byte, 13)
	sealed := a.Seal(nil, nonce, make([]byte, 20), nil)
	for name, f := range map[string]func(b []byte){
		"Seal, output ahead of input":      func(b []byte) { a.Seal(b[:0], nonce, b[1:21], nil) },
		"Seal, output behind input":        func(b []byte) { a.Seal(b[1:1], nonce, b[:20], nil) },
		"Seal, input in the tag":           func(b []byte) { a.Seal(b[:0], nonce, b[20:40], nil) },
		"Seal, additional data in output":  func(b []byte) { a.Seal(b[:0], nonce, b[50:60], b[:5]) },
		"Seal, additional data in the tag": func(b []byte) { a.Seal(b[:0], nonce, b[:10], b[17:18]) },
		"Open, output ahead of input": func(b []byte) {
			copy(b[1:], sealed)
			_, _ = a.Open(b[:0], nonce, b[1:29], nil)
		},
		"Open, additional data in output": func(b []byte) { _, _ = a.Open(b[:0], nonce, sealed, b[19:20]) },
	} {
		mustPanic(t, name, func() { f(make([]byte, 100)) })
	}
	b := make([]byte, 100)
	copy(b, sealed)
	// Side by side is no overlap.
	if _, err := a.Open(b[28:28], nonce, b[:28], b[48:48]); err != nil {
		t.Errorf("Open behind the ciphertext: %v", err)
	}
	a.Seal(b[:0], nonce, b[:20], b[28:40])
}

// TestConcurrent shares one AEAD.
func TestConcurrent(t *testing.T) {
	a := newAEAD(t, 16, 13, 8)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			nonce, plain := make([]byte, 13), bytes.Repeat([]byte{byte(i)}, 40)
			nonce[0] = byte(i)
			for range 200 {
				got, err := a.Open(nil, nonce, a.Seal(nil, nonce, plain, nonce), nonce)
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("Open = %x, %v, want %x", got, err, plain)
				}
			}
		})
	}
	wg.Wait()
}

// TestReservedBits sees the blocks through a key stream: with the plaintext zero,
// the first block sealed is E(K, A_1).
func TestReservedBits(t *testing.T) {
	a := newAEAD(t, 16, 13, 16)
	block, err := aes.NewCipher([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	if err != nil {
		t.Fatal(err)
	}
	//spec:3610-2.3-1
	//spec:3610-2.3-2
	counter := [16]byte{0: 1, 15: 1} // flags: L' = 1 and nothing else
	var want [16]byte
	block.Encrypt(want[:], counter[:])
	if got := a.Seal(nil, make([]byte, 13), make([]byte, 16), []byte("aad"))[:16]; !bytes.Equal(got, want[:]) {
		t.Errorf("key stream = %x, want %x", got, want)
	}
}

func mustPanic(t *testing.T, name string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s does not panic", name)
		}
	}()
	f()
}

func FuzzOpen(f *testing.F) {
	a := newAEAD(f, 16, 13, 8)
	f.Add(make([]byte, 13), []byte("aad"), a.Seal(nil, make([]byte, 13), []byte("plaintext"), []byte("aad")))
	f.Add(make([]byte, 12), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, nonce, aad, sealed []byte) {
		plain, err := a.Open(nil, nonce, sealed, aad)
		if err != nil {
			return
		}
		if got := a.Seal(nil, nonce, plain, aad); !bytes.Equal(got, sealed) {
			t.Errorf("Seal = %x, want %x", got, sealed)
		}
	})
}
