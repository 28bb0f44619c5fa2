package cose_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/vector"
)

// FuzzParse: a message that parses and whose headers may be sent is written again
// with the same headers.
func FuzzParse(f *testing.F) {
	for _, e := range vector.Load[map[string]example](f, "testdata/cose-wg-examples.json") {
		if e.Input.Encrypted != nil || e.Input.Mac0 != nil {
			f.Add([]byte(e.Output.CBOR))
		}
	}
	enc, mac := encryptionKey(f), macKey(f)
	enc.BaseIV = make([]byte, 13)
	f.Fuzz(func(t *testing.T, in []byte) {
		understood := []cose.Label{{Int: 15}}
		if m, err := cose.ParseEncrypt0(in, cose.MaybeTagged, understood...); err == nil {
			if m.Protected.Algorithm == 0 {
				m.Protected.Algorithm = enc.Algorithm()
			}
			message, err := enc.AppendEncrypt0(nil, m.Headers, nil, nil, true)
			if err != nil {
				if !errors.Is(err, cose.ErrAlgorithm) && !errors.Is(err, cose.ErrNonce) {
					t.Fatalf("AppendEncrypt0: %v", err)
				}
				return
			}
			again, err := cose.ParseEncrypt0(message, cose.Tagged, understood...)
			if err != nil {
				t.Fatalf("ParseEncrypt0 of %s: %v", cborseq.Diagnose(message), err)
			}
			if second, err := enc.AppendEncrypt0(nil, again.Headers, nil, nil, true); err != nil || !bytes.Equal(second, message) {
				t.Fatalf("AppendEncrypt0 = %x, then %x, %v", message, second, err)
			}
			if _, err := again.Open(nil, enc, nil); err != nil {
				t.Fatalf("Open: %v", err)
			}
		}
		if m, err := cose.ParseMac0(in, cose.MaybeTagged, understood...); err == nil {
			message, err := mac.AppendMac0(nil, m.Headers, nil, nil, true)
			if err != nil {
				if !errors.Is(err, cose.ErrAlgorithm) {
					t.Fatalf("AppendMac0: %v", err)
				}
				return
			}
			again, err := cose.ParseMac0(message, cose.Tagged, understood...)
			if err != nil {
				t.Fatalf("ParseMac0 of %s: %v", cborseq.Diagnose(message), err)
			}
			if _, err := again.Verify(mac, nil); err != nil {
				t.Fatalf("Verify: %v", err)
			}
		}
	})
}

// FuzzParseKey: a key that parses is valid and is written again to itself.
func FuzzParseKey(f *testing.F) {
	for _, k := range allKeys(f) {
		f.Add(k.Append(nil))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		k, err := cose.ParseKey(in)
		if err != nil {
			return
		}
		if err := k.Validate(); err != nil {
			t.Fatalf("Validate: %v", err)
		}
		first := k.Append(nil)
		if k, err = cose.ParseKey(first); err != nil {
			t.Fatalf("ParseKey of %s: %v", cborseq.Diagnose(first), err)
		}
		if second := k.Append(nil); !bytes.Equal(first, second) {
			t.Fatalf("written as %x, then as %x", first, second)
		}
	})
}
