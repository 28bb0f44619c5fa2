package ccm_test

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/internal/ccm"
	"github.com/ostiary/ostiary/internal/vector"
)

// TestSP80038C runs the examples of NIST SP 800-38C, Appendix C. The last is the
// one with additional data whose length does not fit in two bytes.
func TestSP80038C(t *testing.T) {
	count := func(from, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(from + i)
		}
		return b
	}
	for _, v := range []struct {
		name              string
		nonce, aad, plain []byte
		tagSize           int
		sealed            string
	}{
		{"Example1", count(0x10, 7), count(0, 8), count(0x20, 4), 4, "7162015b4dac255d"},
		{"Example2", count(0x10, 8), count(0, 16), count(0x20, 16), 6, "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd"},
		{"Example3", count(0x10, 12), count(0, 20), count(0x20, 24), 8, "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951"},
		{
			"Example4", count(0x10, 13), count(0, 65536), count(0x20, 32), 14,
			"69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b",
		},
	} {
		t.Run(v.name, func(t *testing.T) {
			a, err := ccm.New(count(0x40, 16), len(v.nonce), v.tagSize)
			if err != nil {
				t.Fatal(err)
			}
			want := vector.Bytes(t, v.sealed)
			if got := a.Seal(nil, v.nonce, v.plain, v.aad); !bytes.Equal(got, want) {
				t.Errorf("Seal = %x, want %x", got, want)
			}
			if got, err := a.Open(nil, v.nonce, want, v.aad); err != nil || !bytes.Equal(got, v.plain) {
				t.Errorf("Open = %x, %v, want %x", got, err, v.plain)
			}
		})
	}
}
