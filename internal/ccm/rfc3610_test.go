package ccm_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/internal/ccm"
	"github.com/ostiary/ostiary/internal/vector"
)

// TestRFC3610 runs the packet vectors of RFC 3610, Section 8.
func TestRFC3610(t *testing.T) {
	type packet struct {
		ID         int        `json:"id"`
		Key        vector.Hex `json:"key"`
		Nonce      vector.Hex `json:"nonce"`
		AAD        vector.Hex `json:"aad"`
		Plaintext  vector.Hex `json:"plaintext"`
		TagSize    int        `json:"tag_len"`
		Ciphertext vector.Hex `json:"ciphertext_and_tag"`
	}
	file := vector.Load[struct{ Vectors []packet }](t, "testdata/rfc3610.json")
	if got, want := len(file.Vectors), 24; got != want {
		t.Fatalf("%d packets, want %d", got, want)
	}
	for _, v := range file.Vectors {
		t.Run(fmt.Sprintf("PacketVector%d", v.ID), func(t *testing.T) {
			a, err := ccm.New(v.Key, len(v.Nonce), v.TagSize)
			if err != nil {
				t.Fatal(err)
			}
			if got := a.Seal(nil, v.Nonce, v.Plaintext, v.AAD); !bytes.Equal(got, v.Ciphertext) {
				t.Errorf("Seal = %x, want %x", got, v.Ciphertext)
			}
			got, err := a.Open(nil, v.Nonce, v.Ciphertext, v.AAD)
			if err != nil || !bytes.Equal(got, v.Plaintext) {
				t.Errorf("Open = %x, %v, want %x", got, err, v.Plaintext)
			}
		})
	}
}
