package edhoc

import (
	"testing"

	"github.com/ostiary/ostiary/internal/cborseq"
)

func TestReferences(t *testing.T) {
	key := testKey(t, P256, true, "references").Public()
	ccs, err := NewCCS(key, "device", []byte{0x2b})
	must(t, err)
	unnamed, err := NewCCS(key, "device", nil)
	must(t, err)
	x509, err := NewCredential(cborseq.AppendBytes(nil, []byte("certificate")), key, nil)
	must(t, err)
	c509, err := NewCredential([]byte{0x82, 1, 2}, key, nil)
	must(t, err)
	for name, c := range map[string]struct {
		cred *Credential
		want []string // the labels
	}{
		"CCS":             {ccs, []string{"\x04", "\x0e"}},
		"CCS without kid": {unnamed, []string{"\x0e"}},
		"X.509":           {x509, []string{"\x18\x22\x82\x2e", "\x18\x22\x82\x2f"}},
		"C509":            {c509, []string{"\x16\x82\x2e", "\x16\x82\x2f"}},
	} {
		got := c.cred.References()
		if len(got) != len(c.want) {
			t.Errorf("%s: got %d references, want %d", name, len(got), len(c.want))
			continue
		}
		for i, id := range got {
			if !c.cred.Matches(id) {
				t.Errorf("%s: reference %x does not match", name, id.Header())
			}
			if h := string(id.Header()[1 : 1+len(c.want[i])]); h != c.want[i] {
				t.Errorf("%s: got header %x, want label %x", name, id.Header(), c.want[i])
			}
		}
	}
}
