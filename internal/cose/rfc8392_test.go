package cose_test

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/vector"
)

type rfc8392 struct {
	Claims      vector.Hex `json:"claims_set"`
	Key128      vector.Hex `json:"key_symmetric128"`
	Key256      vector.Hex `json:"key_symmetric256"`
	KeyP256     vector.Hex `json:"key_ecdsa_p256"`
	Signed      vector.Hex `json:"A.3_signed"`
	MACed       vector.Hex `json:"A.4_maced_cwt_tag"`
	Encrypted   vector.Hex `json:"A.5_encrypted"`
	Nested      vector.Hex `json:"A.6_nested"`
	MACedFloat  vector.Hex `json:"A.7_maced_float_iat"`
	Description string     `json:"note"`
}

// TestRFC8392 opens and writes the tokens of RFC 8392, Appendix A. COSE_Sign1 is
// go-cose's, so of A.3 only the key is here.
func TestRFC8392(t *testing.T) {
	v := vector.Load[rfc8392](t, "testdata/rfc8392.json")
	parse := func(b []byte) *cose.Key {
		k, err := cose.ParseKey(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := k.Append(nil); !bytes.Equal(got, mustNormalize(t, b)) {
			t.Errorf("key re-encoded to %x, want %x", got, b)
		}
		return k
	}
	key128, key256, keyP256 := parse(v.Key128), parse(v.Key256), parse(v.KeyP256)

	t.Run("A.2.2", func(t *testing.T) {
		// The RFC prints alg 10 in this key, and uses it for HMAC 256/64.
		if key256.Algorithm != cose.AES_CCM_16_64_128 || string(key256.ID) != "Symmetric256" || len(key256.K) != 32 {
			t.Errorf("alg %v, kid %q, %d bytes", key256.Algorithm, key256.ID, len(key256.K))
		}
		if err := key256.CheckUse(cose.HMAC256_64, cose.OpMACVerify); err == nil {
			t.Error("a key with another alg passes CheckUse")
		}
	})
	t.Run("A.2.3", func(t *testing.T) {
		if keyP256.Curve != cose.P256 || keyP256.D == nil {
			t.Errorf("crv %d, d of %d bytes", keyP256.Curve, len(keyP256.D))
		}
		if err := keyP256.CheckUse(cose.ES256, cose.OpVerify); err != nil {
			t.Error(err)
		}
	})
	mac := func(name string, message, payload []byte, skipTags int) {
		t.Run(name, func(t *testing.T) {
			k, err := cose.NewMACKey(cose.HMAC256_64, key256.K)
			if err != nil {
				t.Fatal(err)
			}
			m, err := cose.ParseMac0(message[skipTags:], cose.Tagged)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := string(m.KeyID()), "Symmetric256"; got != want {
				t.Errorf("kid = %q, want %q", got, want)
			}
			got, err := m.Verify(k, nil)
			if err != nil || payload != nil && !bytes.Equal(got, payload) {
				t.Errorf("Verify = %x, %v, want %x", got, err, payload)
			}
			again, err := k.AppendMac0(nil, m.Headers, got, nil, true)
			if err != nil || !bytes.Equal(again, message[skipTags:]) {
				t.Errorf("AppendMac0 = %x, %v, want %x", again, err, message[skipTags:])
			}
		})
	}
	mac("A.4", v.MACed, v.Claims, 2) // behind tag 61
	mac("A.7", v.MACedFloat, nil, 0)
	encrypted := func(name string, message, plaintext []byte) {
		t.Run(name, func(t *testing.T) {
			if err := key128.CheckUse(cose.AES_CCM_16_64_128, cose.OpDecrypt); err != nil {
				t.Fatal(err)
			}
			k, err := cose.NewEncryptionKey(cose.AES_CCM_16_64_128, key128.K)
			if err != nil {
				t.Fatal(err)
			}
			m, err := cose.ParseEncrypt0(message, cose.MaybeTagged)
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.Open(nil, k, nil)
			if err != nil || !bytes.Equal(got, plaintext) {
				t.Fatalf("Open = %x, %v, want %x", got, err, plaintext)
			}
			again, err := k.AppendEncrypt0(nil, m.Headers, got, nil, true)
			if err != nil || !bytes.Equal(again, message) {
				t.Errorf("AppendEncrypt0 = %x, %v, want %x", again, err, message)
			}
		})
	}
	encrypted("A.5", v.Encrypted, v.Claims)
	// The signature inside A.6 is another one than A.3's: its last byte string differs.
	m, err := cose.ParseEncrypt0(v.Nested, cose.Tagged)
	if err != nil {
		t.Fatal(err)
	}
	k, err := cose.NewEncryptionKey(cose.AES_CCM_16_64_128, key128.K)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := m.Open(nil, k, nil)
	if err != nil || len(inner) != len(v.Signed) || !bytes.HasPrefix(inner, v.Signed[:len(v.Signed)-64]) {
		t.Errorf("A.6 opens to %x, %v, want a signed token", inner, err)
	}
	encrypted("A.6", v.Nested, inner)
}

func mustNormalize(t *testing.T, b []byte) []byte {
	t.Helper()
	n, err := cborseq.Normalize(b)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// protectedBytes is what the first byte string of a message holds.
func protectedBytes(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, message []byte,
) []byte {
	t.Helper()
	s := cborseq.String(message)
	var tag uint64
	var n int
	var protected []byte
	s.ReadTag(&tag)
	if !s.ReadArray(&n) || !s.ReadBytes(&protected) {
		t.Fatalf("message %x", message)
	}
	return protected
}
