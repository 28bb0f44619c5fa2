package cose_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/vector"
)

func encryptionKey(t testing.TB) *cose.EncryptionKey {
	t.Helper()
	k, err := cose.NewEncryptionKey(cose.AES_CCM_16_64_128, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func macKey(t testing.TB) *cose.MACKey {
	t.Helper()
	k, err := cose.NewMACKey(cose.HMAC256_64, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func withIV() cose.Headers {
	return cose.Headers{Unprotected: cose.Header{IV: make([]byte, 13)}}
}

// TestParseRefuses holds messages with one fault each. h'43' is a protected bucket.
func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		message string
		tagging cose.Tagging
		want    error
	}{
		"nothing":                        {"", cose.MaybeTagged, cose.ErrMalformed},
		"behind the end":                 {"8340a04100 00", cose.MaybeTagged, cose.ErrMalformed},
		"no tag":                         {"8340a04100", cose.Tagged, cose.ErrMalformed},
		"tag":                            {"d08340a04100", cose.Untagged, cose.ErrMalformed},
		"other tag":                      {"d18340a04100", cose.MaybeTagged, cose.ErrMalformed},
		"two tags":                       {"d0d08340a04100", cose.MaybeTagged, cose.ErrMalformed},
		"not an array":                   {"a0", cose.Untagged, cose.ErrMalformed},
		"two elements":                   {"8240a0", cose.Untagged, cose.ErrMalformed},
		"four elements":                  {"8440a0410000", cose.Untagged, cose.ErrMalformed},
		"protected is a map":             {"83a0a04100", cose.Untagged, cose.ErrMalformed},
		"protected holds an array":       {"834180a04100", cose.Untagged, cose.ErrMalformed},
		"protected holds two items":      {"8342a000a04100", cose.Untagged, cose.ErrMalformed},
		"protected holds half a map":     {"8342a101a04100", cose.Untagged, cose.ErrMalformed},
		"unprotected is a byte string":   {"8340404100", cose.Untagged, cose.ErrMalformed},
		"detached":                       {"8340a0f6", cose.Untagged, cose.ErrMalformed},
		"ciphertext is text":             {"8340a06161", cose.Untagged, cose.ErrMalformed},
		"indefinite length":              {"9f40a04100ff", cose.Untagged, cose.ErrMalformed},
		"label twice, protected":         {"8345a2010a010aa04100", cose.Untagged, cose.ErrMalformed}, //spec:9052-3-4
		"label twice, long form":         {"8346a2010a18010aa04100", cose.Untagged, cose.ErrMalformed},
		"label twice, unprotected":       {"8340a2044004404100", cose.Untagged, cose.ErrMalformed}, //spec:9052-9-3
		"label in both buckets":          {"8343a10440a104404100", cose.Untagged, cose.ErrMalformed},
		"other label in both buckets":    {"8343a10f00a10f004100", cose.Untagged, cose.ErrMalformed},
		"text label in both buckets":     {"8344a1616100a16161004100", cose.Untagged, cose.ErrMalformed},
		"label is a byte string":         {"8340a141aa004100", cose.Untagged, cose.ErrMalformed},
		"label is the empty text":        {"8340a160004100", cose.Untagged, cose.ErrMalformed},
		"alg is a text":                  {"8344a1016161a04100", cose.Untagged, cose.ErrAlgorithm},
		"alg is reserved":                {"8343a10100a04100", cose.Untagged, cose.ErrAlgorithm},
		"kid is a text":                  {"8340a104604100", cose.Untagged, cose.ErrMalformed},
		"IV is a number":                 {"8340a105004100", cose.Untagged, cose.ErrMalformed},
		"Partial IV is a number":         {"8340a106004100", cose.Untagged, cose.ErrMalformed},
		"kid context is a number":        {"8340a10a004100", cose.Untagged, cose.ErrMalformed},
		"IV and Partial IV":              {"8340a2054006404100", cose.Untagged, cose.ErrMalformed},   //spec:9052-3.1-5
		"IV and Partial IV, two buckets": {"8343a10540a106404100", cose.Untagged, cose.ErrMalformed}, //spec:9052-3.1-5
		"crit is not protected":          {"8340a202810404404100", cose.Untagged, cose.ErrMalformed}, //spec:9052-3.1-2
		"crit is empty":                  {"8343a10280a04100", cose.Untagged, cose.ErrMalformed},     //spec:9052-3.1-3
		"crit is a number":               {"8343a10204a04100", cose.Untagged, cose.ErrMalformed},
		"crit lists a byte string":       {"8344a1028140a04100", cose.Untagged, cose.ErrMalformed},
		"crit lists an absent label":     {"8344a1028104a04100", cose.Untagged, cose.ErrMalformed},     //spec:9052-3.1-4
		"crit lists an unprotected one":  {"8344a1028104a104404100", cose.Untagged, cose.ErrMalformed}, //spec:9052-3.1-4
		"crit lists an unknown label":    {"8346a202810f0f00a04100", cose.Untagged, cose.ErrCritical},  //spec:9052-3.1-7
		"crit lists an unknown text":     {"8348a202816178617800a04100", cose.Untagged, cose.ErrCritical},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := cose.ParseEncrypt0(vector.Bytes(t, c.message), c.tagging)
			if !errors.Is(err, c.want) || m != nil {
				t.Errorf("ParseEncrypt0 = %+v, %v, want %v", m, err, c.want)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	for name, c := range map[string]struct {
		message string
		tagging cose.Tagging
	}{
		"untagged":             {"8340a04100", cose.Untagged},
		"tagged":               {"d08340a04100", cose.Tagged},
		"either, untagged":     {"8340a04100", cose.MaybeTagged},
		"either, tagged":       {"d08340a04100", cose.MaybeTagged},
		"h'a0'":                {"8341a0a04100", cose.Untagged}, //spec:9052-3-2
		"unsorted":             {"8340a2054004404100", cose.Untagged},
		"crit, a common one":   {"8346a20281040440a04100", cose.Untagged},
		"empty ciphertext":     {"8340a040", cose.Untagged},
		"unknown, not in crit": {"8343a10f00a16161004100", cose.Untagged},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := cose.ParseEncrypt0(vector.Bytes(t, c.message), c.tagging); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUnderstood: a label in crit is accepted from who says to process it.
func TestUnderstood(t *testing.T) {
	message := vector.Bytes(t, "8346a202810f0f07a04100")
	m, err := cose.ParseEncrypt0(message, cose.Untagged, cose.Label{Text: "x"}, cose.Label{Int: 15})
	if err != nil {
		t.Fatal(err)
	}
	want := cose.Param{Label: cose.Label{Int: 15}, Value: []byte{7}}
	if got := m.Protected.Others; len(got) != 1 || got[0].Label != want.Label || !bytes.Equal(got[0].Value, want.Value) {
		t.Errorf("others = %v, want %v", got, want)
	}
	//spec:9052-3.1-7
	if _, err := cose.ParseEncrypt0(message, cose.Untagged, cose.Label{Int: 16}); !errors.Is(err, cose.ErrCritical) {
		t.Errorf("error %v, want ErrCritical", err)
	}
}

// TestLongHeads writes a message with longer heads than needed and its maps out of
// order: the protected bytes count as they were sent.
func TestLongHeads(t *testing.T) {
	k := encryptionKey(t)
	aead, err := cose.AES_CCM_16_64_128.NewAEAD(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	protected := vector.Bytes(t, "b802 0440 18010a") // {4: h'', 1: 10}
	aad := cose.AppendEncStructure(nil, "Encrypt0", protected, []byte("external"))
	sealed := aead.Seal(nil, make([]byte, 13), []byte("plaintext"), aad)
	message := slices.Concat(
		vector.Bytes(t, "d810 9803 590007"), protected,
		vector.Bytes(t, "b90001 1805 5a0000000d"), make([]byte, 13),
		vector.Bytes(t, "5811"), sealed,
	)
	m, err := cose.ParseEncrypt0(message, cose.Tagged)
	if err != nil {
		t.Fatalf("message %x: %v", message, err)
	}
	if got, err := m.Open(nil, k, []byte("external")); err != nil || string(got) != "plaintext" {
		t.Errorf("Open = %q, %v", got, err)
	}
}

// TestEmptyProtected: both forms of an empty bucket go into the structures as h”
// (RFC 9052, Section 5.3).
//
//spec:9052-3-2
//spec:9052-9-1
func TestEmptyProtected(t *testing.T) {
	want := vector.Bytes(t, "83 68 456e637279707430 40 4107")
	for _, protected := range [][]byte{nil, {}, {0xa0}} {
		if got := cose.AppendEncStructure(nil, "Encrypt0", protected, []byte{7}); !bytes.Equal(got, want) {
			t.Errorf("Enc_structure with %x = %x, want %x", protected, got, want)
		}
	}
	want = vector.Bytes(t, "84 64 4d414330 40 40 4108")
	for _, protected := range [][]byte{nil, {0xa0}} {
		if got := cose.AppendMACStructure(nil, "MAC0", protected, nil, []byte{8}); !bytes.Equal(got, want) {
			t.Errorf("MAC_structure with %x = %x, want %x", protected, got, want)
		}
	}
}

// TestEmptyProtectedInLongForm: the empty map in two bytes is empty, too.
func TestEmptyProtectedInLongForm(t *testing.T) {
	k := encryptionKey(t)
	aead, err := k.Algorithm().NewAEAD(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	for _, protected := range []string{"40", "41a0", "42b800", "43b90000"} {
		sealed := aead.Seal(nil, make([]byte, 13), []byte("plaintext"), cose.AppendEncStructure(nil, "Encrypt0", nil, nil))
		message := slices.Concat([]byte{0x83}, vector.Bytes(t, protected), vector.Bytes(t, "a1054d"), make([]byte, 13), []byte{0x51}, sealed)
		m, err := cose.ParseEncrypt0(message, cose.Untagged)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.Open(nil, k, nil); err != nil || string(got) != "plaintext" {
			t.Errorf("protected %s: Open = %q, %v", protected, got, err)
		}
	}
}
