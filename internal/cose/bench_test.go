package cose_test

import (
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
)

// The size is about that of an ACE token with an OSCORE input material.
func BenchmarkEncrypt0(b *testing.B) {
	k := encryptionKey(b)
	plain, dst := make([]byte, 120), make([]byte, 0, 300)
	h := withIV()
	h.Unprotected.KeyID = []byte("Symmetric128")
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var err error
			if dst, err = k.AppendEncrypt0(dst[:0], h, plain, nil, true); err != nil {
				b.Fatal(err)
			}
		}
	})
	out := make([]byte, 0, 120)
	b.Run("Open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m, err := cose.ParseEncrypt0(dst, cose.Tagged)
			if err != nil {
				b.Fatal(err)
			}
			if _, err = m.Open(out, k, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMac0(b *testing.B) {
	k := macKey(b)
	payload, dst := make([]byte, 120), make([]byte, 0, 300)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = k.AppendMac0(dst[:0], cose.Headers{}, payload, nil, true); err != nil {
			b.Fatal(err)
		}
		m, err := cose.ParseMac0(dst, cose.Tagged)
		if err != nil {
			b.Fatal(err)
		}
		if _, err = m.Verify(k, nil); err != nil {
			b.Fatal(err)
		}
	}
}
