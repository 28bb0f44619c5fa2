package hkdf_test

import (
	"bytes"
	"crypto"
	stdhkdf "crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/internal/hkdf"
)

var hashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}

// TestAgainstStandardLibrary compares with crypto/hkdf, through one KDF that every
// run uses again, and through the functions.
func TestAgainstStandardLibrary(t *testing.T) {
	for _, h := range hashes {
		t.Run(h.String(), func(t *testing.T) {
			k := hkdf.New(h.New)
			rapid.Check(t, func(t *rapid.T) {
				bytesOf := func(name string) []byte {
					return rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, name)
				}
				salt, ikm, info, dst := bytesOf("salt"), bytesOf("ikm"), bytesOf("info"), bytesOf("dst")
				n := rapid.IntRange(0, 5*h.Size()).Draw(t, "n")

				prk, err := stdhkdf.Extract(h.New, ikm, salt)
				if err != nil {
					t.Fatal(err)
				}
				okm, err := stdhkdf.Expand(h.New, prk, string(info), n)
				if err != nil {
					t.Fatal(err)
				}
				wantPRK, wantOKM := append(bytes.Clone(dst), prk...), append(bytes.Clone(dst), okm...)
				if got := k.Extract(bytes.Clone(dst), salt, ikm); !bytes.Equal(got, wantPRK) {
					t.Fatalf("KDF.Extract = %x, want %x", got, wantPRK)
				}
				if got := k.Expand(bytes.Clone(dst), prk, info, n); !bytes.Equal(got, wantOKM) {
					t.Fatalf("KDF.Expand = %x, want %x", got, wantOKM)
				}
				if got := hkdf.Extract(bytes.Clone(dst), h, salt, ikm); !bytes.Equal(got, wantPRK) {
					t.Fatalf("Extract = %x, want %x", got, wantPRK)
				}
				if got := hkdf.Expand(bytes.Clone(dst), h, prk, info, n); !bytes.Equal(got, wantOKM) {
					t.Fatalf("Expand = %x, want %x", got, wantOKM)
				}
			})
		})
	}
}

// TestMaxSize reaches the last block: its counter byte is 255.
func TestMaxSize(t *testing.T) {
	for _, h := range hashes {
		n := hkdf.MaxSize(h)
		prk := make([]byte, h.Size())
		want, err := stdhkdf.Expand(h.New, prk, "info", n)
		if err != nil {
			t.Fatal(err)
		}
		if got := hkdf.Expand(nil, h, prk, []byte("info"), n); !bytes.Equal(got, want) {
			t.Errorf("%v: Expand of %d bytes differs from crypto/hkdf", h, n)
		}
		for _, n := range []int{-1, n + 1} {
			t.Run(fmt.Sprint(h, n), func(t *testing.T) {
				defer func() {
					if recover() == nil {
						t.Errorf("Expand of %d bytes does not panic", n)
					}
				}()
				hkdf.Expand(nil, h, prk, nil, n)
			})
		}
	}
}

func TestNilSaltIsZeros(t *testing.T) {
	ikm := []byte("ikm")
	for _, h := range hashes {
		want := hkdf.Extract(nil, h, make([]byte, h.Size()), ikm)
		for _, salt := range [][]byte{nil, {}} {
			if got := hkdf.Extract(nil, h, salt, ikm); !bytes.Equal(got, want) {
				t.Errorf("%v: Extract with salt %v = %x, want %x", h, salt, got, want)
			}
		}
	}
}

func TestConcurrent(t *testing.T) {
	prk := make([]byte, 32)
	want := hkdf.Expand(nil, crypto.SHA256, prk, []byte("info"), 64)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if got := hkdf.Expand(nil, crypto.SHA256, prk, []byte("info"), 64); !bytes.Equal(got, want) {
					t.Errorf("Expand = %x, want %x", got, want)
				}
			}
		})
	}
	wg.Wait()
}

// TestKDFAllocatesNothing also keeps the inputs on the stack: their arrays are
// made in the measured function.
func TestKDFAllocatesNothing(t *testing.T) {
	k := hkdf.New(sha256.New)
	dst := make([]byte, 0, 128)
	if got := testing.AllocsPerRun(100, func() {
		var salt [8]byte
		var ikm [200]byte
		var info [20]byte
		prk := k.Extract(dst, salt[:], ikm[:])
		k.Expand(prk, prk, info[:], 64)
	}); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}

func BenchmarkExpand16(b *testing.B) {
	var prk [32]byte
	var info [12]byte
	dst := make([]byte, 0, 32)
	k := hkdf.New(sha256.New)
	b.Run("KDF", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.Expand(dst, prk[:], info[:], 16)
		}
	})
	b.Run("pooled", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			hkdf.Expand(dst, crypto.SHA256, prk[:], info[:], 16)
		}
	})
	b.Run("crypto", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := stdhkdf.Expand(sha256.New, prk[:], string(info[:]), 16); err != nil {
				b.Fatal(err)
			}
		}
	})
}
