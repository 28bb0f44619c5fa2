package ccm_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/internal/ccm"
	"github.com/ostiary/ostiary/internal/vector"
)

// TestWycheproof runs aes_ccm_test.json of C2SP/wycheproof. The cases with sizes
// that CCM does not have must fail at New.
func TestWycheproof(t *testing.T) {
	type group struct {
		NonceSize int `json:"ivSize"` // bits
		TagSize   int `json:"tagSize"`
		Tests     []struct {
			ID      int        `json:"tcId"`
			Comment string     `json:"comment"`
			Flags   []string   `json:"flags"`
			Key     vector.Hex `json:"key"`
			Nonce   vector.Hex `json:"iv"`
			AAD     vector.Hex `json:"aad"`
			Message vector.Hex `json:"msg"`
			CT      vector.Hex `json:"ct"`
			Tag     vector.Hex `json:"tag"`
			Result  string     `json:"result"`
		}
	}
	file := vector.Load[struct {
		Count  int     `json:"numberOfTests"`
		Groups []group `json:"testGroups"`
	}](t, "testdata/wycheproof.json")
	ran, refused := 0, 0
	for _, g := range file.Groups {
		for _, v := range g.Tests {
			ran++
			t.Run(fmt.Sprintf("%d", v.ID), func(t *testing.T) {
				a, err := ccm.New(v.Key, g.NonceSize/8, g.TagSize/8)
				//spec:3610-2.2-1
				if bad := hasAny(v.Flags, "InvalidNonceSize", "InvalidTagSize", "InsecureTagSize", "CVE-2017-18330"); bad {
					refused++
					if err == nil {
						t.Fatalf("New(%d, %d) accepts the sizes", g.NonceSize/8, g.TagSize/8)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				sealed := append(bytes.Clone(v.CT), v.Tag...)
				got, err := a.Open(nil, v.Nonce, sealed, v.AAD)
				if v.Result != "valid" {
					if err == nil || got != nil {
						t.Errorf("Open = %x, %v, want an error (%s)", got, err, v.Comment)
					}
					return
				}
				if err != nil || !bytes.Equal(got, v.Message) {
					t.Errorf("Open = %x, %v, want %x", got, err, v.Message)
				}
				if got := a.Seal(nil, v.Nonce, v.Message, v.AAD); !bytes.Equal(got, sealed) {
					t.Errorf("Seal = %x, want %x", got, sealed)
				}
			})
		}
	}
	if want := 552; ran != want || file.Count != want {
		t.Errorf("ran %d cases of %d, want %d", ran, file.Count, want)
	}
	if want := 66; refused != want {
		t.Errorf("%d cases have refused sizes, want %d", refused, want)
	}
}

func hasAny(list []string, words ...string) bool {
	for _, l := range list {
		for _, w := range words {
			if l == w {
				return true
			}
		}
	}
	return false
}
