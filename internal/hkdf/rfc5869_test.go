package hkdf_test

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // the RFC has cases for it
	"testing"

	"github.com/ostiary/ostiary/internal/hkdf"
	"github.com/ostiary/ostiary/internal/vector"
)

// TestRFC5869 runs the test cases of RFC 5869, Appendix A.
func TestRFC5869(t *testing.T) {
	type testCase struct {
		ID   string     `json:"id"`
		Hash string     `json:"hash"`
		IKM  vector.Hex `json:"ikm"`
		Salt vector.Hex `json:"salt"`
		Info vector.Hex `json:"info"`
		L    int        `json:"L"`
		PRK  vector.Hex `json:"prk"`
		OKM  vector.Hex `json:"okm"`
	}
	hashes := map[string]crypto.Hash{"SHA-1": crypto.SHA1, "SHA-256": crypto.SHA256}
	file := vector.Load[struct{ Vectors []testCase }](t, "testdata/rfc5869.json")
	if got, want := len(file.Vectors), 7; got != want {
		t.Fatalf("%d test cases, want %d", got, want)
	}
	for _, v := range file.Vectors {
		t.Run(v.ID, func(t *testing.T) {
			h, ok := hashes[v.Hash]
			if !ok {
				t.Fatalf("hash %q", v.Hash)
			}
			prk := hkdf.Extract(nil, h, v.Salt, v.IKM)
			if !bytes.Equal(prk, v.PRK) {
				t.Errorf("PRK = %x, want %x", prk, v.PRK)
			}
			if okm := hkdf.Expand(nil, h, prk, v.Info, v.L); !bytes.Equal(okm, v.OKM) {
				t.Errorf("OKM = %x, want %x", okm, v.OKM)
			}
		})
	}
}
