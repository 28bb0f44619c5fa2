package ace

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/vector"
)

// TestMaterial reads RFC 9203, figure 4, and every member.
func TestMaterial(t *testing.T) {
	m, err := ParseOSCOREInputMaterial(vector.Bytes(t, "a2 00 41 01 02 50 f9af838368e353e78888e1426bd94e6f"))
	if err != nil || !bytes.Equal(m.ID, []byte{1}) || !m.MasterSecret.Equal(vector.Bytes(t, "f9af838368e353e78888e1426bd94e6f")) || m.Salt != nil || m.ContextID != nil {
		t.Errorf("RFC 9203, figure 4: %v, %v", m, err)
	}
	b := vector.Bytes(t, "a7 00 41 01 01 01 02 50 f9af838368e353e78888e1426bd94e6f 03 05 04 0a 05 40 06 42 abcd")
	m, err = ParseOSCOREInputMaterial(b)
	if err != nil || m.Version != OSCOREVersion || m.HKDF != cose.HMAC256_256 || m.AEAD != cose.AES_CCM_16_64_128 ||
		m.Salt == nil || len(m.Salt) != 0 || !bytes.Equal(m.ContextID, []byte{0xab, 0xcd}) {
		t.Errorf("all members: %v, %v", m, err)
	}
	reencoded(t, b, m)
}

// TestMaterialAlgorithms names algorithms by number and by text.
//
//spec:9203-3.2.1-1
//spec:9203-3.2.1-2
//spec:9203-3.2.1-3
//spec:9203-3.2.1-4
func TestMaterialAlgorithms(t *testing.T) {
	hkdf := map[cose.Algorithm]bool{
		cose.HMAC256_256: true, cose.HMAC384_384: true, cose.HMAC512_512: true, cose.DirectHKDFSHA256: true, cose.DirectHKDFSHA512: true,
	}
	for a := cose.Algorithm(-60); a <= 60; a++ {
		for _, named := range []bool{false, true} {
			for label, good := range map[uint64]bool{oscHKDF: hkdf[a], oscAlg: a.IsAEAD()} {
				b := cborseq.AppendUint(cborseq.AppendMap(nil, 1), label)
				if named {
					b = cborseq.AppendText(b, a.String())
				} else {
					b = cborseq.AppendInt(b, int64(a))
				}
				m, err := ParseOSCOREInputMaterial(b)
				if (err == nil) != good {
					t.Errorf("member %d %v (named: %v): %v, want it accepted: %v", label, a, named, err, good)
				}
				if err == nil {
					reencoded(t, b, m)
				}
			}
		}
	}
}
