package cose_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/vector"
)

// example is a file of cose-wg/Examples.
type example struct {
	Title string `json:"title"`
	Fail  bool   `json:"fail"`
	Input struct {
		Plaintext    string     `json:"plaintext"`
		PlaintextHex vector.Hex `json:"plaintext_hex"`
		Encrypted    *layer     `json:"encrypted"`
		Mac0         *layer     `json:"mac0"`
	} `json:"input"`
	Intermediates struct {
		AAD   vector.Hex `json:"AAD_hex"`
		ToMAC vector.Hex `json:"ToMac_hex"`
	} `json:"intermediates"`
	Output struct {
		CBOR vector.Hex `json:"cbor"`
	} `json:"output"`
}

type layer struct {
	Protected   map[string]any `json:"protected"`
	Unprotected map[string]any `json:"unprotected"`
	Unsent      struct {
		IV vector.Hex `json:"IV_hex"`
	} `json:"unsent"`
	External   vector.Hex `json:"external"`
	Recipients []struct {
		Key struct {
			K    string     `json:"k"`
			KHex vector.Hex `json:"k_hex"`
		} `json:"key"`
	} `json:"recipients"`
}

var exampleAlgorithms = map[string]cose.Algorithm{
	"A128GCM":           cose.A128GCM,
	"AES-CCM-16-128/64": cose.AES_CCM_16_64_128, "AES-CCM-16-128/128": cose.AES_CCM_16_128_128,
	"AES-CCM-64-128/64": cose.AES_CCM_64_64_128, "AES-CCM-64-128/128": cose.AES_CCM_64_128_128,
	"AES-CCM-16-256/64": cose.AES_CCM_16_64_256, "AES-CCM-16-256/128": cose.AES_CCM_16_128_256,
	"AES-CCM-64-256/64": cose.AES_CCM_64_64_256, "AES-CCM-64-256/128": cose.AES_CCM_64_128_256,
	"HS256": cose.HMAC256_256, "HS384": cose.HMAC384_384, "HS512": cose.HMAC512_512, "HS256/64": cose.HMAC256_64,
}

func (e *example) plaintext() []byte {
	if e.Input.PlaintextHex != nil {
		return e.Input.PlaintextHex
	}
	return []byte(e.Input.Plaintext)
}

// algorithm is the algorithm of the key, and whether the message protects it.
func (l *layer) algorithm(t *testing.T) (alg cose.Algorithm, protected bool) {
	t.Helper()
	name, protected := l.Protected["alg"].(string)
	if !protected {
		name, _ = l.Unprotected["alg"].(string)
	}
	alg, ok := exampleAlgorithms[name]
	if !ok {
		t.Fatalf("algorithm %q", name)
	}
	return alg, protected
}

func (l *layer) key(t *testing.T) []byte {
	t.Helper()
	k := l.Recipients[0].Key
	if k.KHex != nil {
		return k.KHex
	}
	b, err := base64.RawURLEncoding.DecodeString(k.K)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// notHere are the examples that this package does not process, with the reason.
var notHere = map[string]string{
	"RFC8152/Appendix_C_6_1.json": "AES-CBC-MAC is not built",
}

// failures says what each example of a wrong message fails with.
var failures = map[string]error{
	"encrypted-tests/enc-fail-01.json": cose.ErrMalformed, // tag 995
	"encrypted-tests/enc-fail-02.json": cose.ErrVerify,
	"encrypted-tests/enc-fail-03.json": cose.ErrAlgorithm, // alg -999
	"encrypted-tests/enc-fail-04.json": cose.ErrAlgorithm, // alg "unknown"
	"encrypted-tests/enc-fail-06.json": cose.ErrVerify,
	"encrypted-tests/enc-fail-07.json": cose.ErrVerify,
	"hmac-examples/HMac-enc-04.json":   cose.ErrVerify,
	"mac0-tests/mac-fail-01.json":      cose.ErrMalformed,
	"mac0-tests/mac-fail-02.json":      cose.ErrVerify,
	"mac0-tests/mac-fail-03.json":      cose.ErrAlgorithm,
	"mac0-tests/mac-fail-04.json":      cose.ErrAlgorithm,
	"mac0-tests/mac-fail-06.json":      cose.ErrVerify,
	"mac0-tests/mac-fail-07.json":      cose.ErrVerify,
}

// TestExamples runs the COSE_Encrypt0 and COSE_Mac0 messages of cose-wg/Examples.
func TestExamples(t *testing.T) {
	files := vector.Load[map[string]example](t, "testdata/cose-wg-examples.json")
	names := make([]string, 0, len(files))
	for name, e := range files {
		if e.Input.Encrypted != nil || e.Input.Mac0 != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if got, want := len(names), 40; got != want {
		t.Errorf("%d examples, want %d", got, want)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			if reason := notHere[name]; reason != "" {
				t.Skip(reason)
			}
			e := files[name]
			if e.Fail != (failures[name] != nil) {
				t.Fatalf("fail: %t, but the list says %v", e.Fail, failures[name])
			}
			if e.Input.Encrypted != nil {
				testEncrypt0(t, &e, failures[name])
			} else {
				testMac0(t, &e, failures[name])
			}
		})
	}
}

// tagging is what the example carries: enc-pass-03 and mac-pass-03 have no tag.
func tagging(message []byte) cose.Tagging {
	if message[0]>>5 == 6 {
		return cose.Tagged
	}
	return cose.Untagged
}

func testEncrypt0(t *testing.T, e *example, want error) {
	alg, protected := e.Input.Encrypted.algorithm(t)
	k, err := cose.NewEncryptionKey(alg, e.Input.Encrypted.key(t))
	if err != nil {
		t.Fatal(err)
	}
	m, err := cose.ParseEncrypt0(e.Output.CBOR, tagging(e.Output.CBOR))
	if err == nil {
		if iv := e.Input.Encrypted.Unsent.IV; iv != nil {
			k.BaseIV = baseIV(iv, m.Unprotected.PartialIV)
		}
		var got []byte
		got, err = m.Open(nil, k, e.Input.Encrypted.External)
		if want == nil && !bytes.Equal(got, e.plaintext()) {
			t.Errorf("Open = %x, %v, want %x", got, err, e.plaintext())
		}
	}
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	if want != nil || !protected {
		return // what is left is to write it, which needs a protected alg
	}
	sealed, err := k.AppendEncrypt0(nil, m.Headers, e.plaintext(), e.Input.Encrypted.External, tagging(e.Output.CBOR) == cose.Tagged)
	if err != nil || !bytes.Equal(sealed, e.Output.CBOR) {
		t.Errorf("AppendEncrypt0 = %x, %v, want %x", sealed, err, e.Output.CBOR)
	}
	aad := cose.AppendEncStructure(nil, "Encrypt0", protectedBytes(t, e.Output.CBOR), e.Input.Encrypted.External)
	if want := e.Intermediates.AAD; !bytes.Equal(aad, want) {
		t.Errorf("Enc_structure = %x, want %x", aad, want)
	}
}

// baseIV gives the Context IV that makes iv of the Partial IV.
func baseIV(iv, partial []byte) []byte {
	base := bytes.Clone(iv)
	for i, c := range partial {
		base[len(base)-len(partial)+i] ^= c
	}
	return base
}

func testMac0(t *testing.T, e *example, want error) {
	alg, protected := e.Input.Mac0.algorithm(t)
	k, err := cose.NewMACKey(alg, e.Input.Mac0.key(t))
	if err != nil {
		t.Fatal(err)
	}
	m, err := cose.ParseMac0(e.Output.CBOR, tagging(e.Output.CBOR))
	if err == nil {
		var got []byte
		got, err = m.Verify(k, e.Input.Mac0.External)
		if want == nil && !bytes.Equal(got, e.plaintext()) {
			t.Errorf("Verify = %x, %v, want %x", got, err, e.plaintext())
		}
	}
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	if want != nil || !protected {
		return
	}
	message, err := k.AppendMac0(nil, m.Headers, e.plaintext(), e.Input.Mac0.External, tagging(e.Output.CBOR) == cose.Tagged)
	if err != nil || !bytes.Equal(message, e.Output.CBOR) {
		t.Errorf("AppendMac0 = %x, %v, want %x", message, err, e.Output.CBOR)
	}
	tbm := cose.AppendMACStructure(nil, "MAC0", protectedBytes(t, e.Output.CBOR), e.Input.Mac0.External, e.plaintext())
	if want := e.Intermediates.ToMAC; !bytes.Equal(tbm, want) {
		t.Errorf("MAC_structure = %x, want %x", tbm, want)
	}
}
