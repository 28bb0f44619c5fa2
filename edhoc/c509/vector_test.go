package c509_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/edhoc/c509"
	"github.com/ostiary/ostiary/internal/vector"
)

// examples are those of Appendix A of the draft.
type examples struct {
	Reencoded []struct {
		Name string
		DER  vector.Hex
		C509 vector.Hex
	}
	Native struct {
		C509     vector.Hex
		Item     vector.Hex
		CertData vector.Hex `json:"cert_data"`
	}
	Keys struct {
		IssuerPublic   vector.Hex `json:"issuer_public_key"`
		IssuerPrivate  vector.Hex `json:"issuer_private_key"`
		SubjectPrivate vector.Hex `json:"subject_private_key"`
	}
}

func load(t testing.TB) examples {
	t.Helper()
	return vector.Load[examples](t, "testdata/appendix-a.json")
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAppendixA(t *testing.T) {
	for _, e := range load(t).Reencoded {
		t.Run(e.Name, func(t *testing.T) {
			c, err := c509.Parse(e.C509)
			must(t, err)
			der, err := c.ToX509()
			must(t, err)
			if !bytes.Equal(der, e.DER) {
				t.Errorf("ToX509 = %x, want %x", der, e.DER)
			}
			back, err := c509.FromX509(e.DER)
			must(t, err)
			if !bytes.Equal(back.Sequence(), e.C509) {
				t.Errorf("FromX509 = %x, want %x", back.Sequence(), e.C509)
			}
		})
	}
}
