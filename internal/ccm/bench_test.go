package ccm_test

import (
	"fmt"
	"testing"
)

// The additional data is as long as OSCORE's (RFC 8613, Section 5.4) for short ids.
func BenchmarkSeal(b *testing.B) {
	for _, size := range []int{30, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			a := newAEAD(b, 16, 13, 8)
			nonce, aad, plain, dst := make([]byte, 13), make([]byte, 20), make([]byte, size), make([]byte, 0, size+8)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				dst = a.Seal(dst[:0], nonce, plain, aad)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range []int{30, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			a := newAEAD(b, 16, 13, 8)
			nonce, aad, dst := make([]byte, 13), make([]byte, 20), make([]byte, 0, size)
			sealed := a.Seal(nil, nonce, make([]byte, size), aad)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = a.Open(dst[:0], nonce, sealed, aad); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
