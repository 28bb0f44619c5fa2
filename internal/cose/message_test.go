package cose_test

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/internal/cborseq"
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

// TestKeysAreCopied: what the caller erases stays in the key.
func TestKeysAreCopied(t *testing.T) {
	secret := bytes.Repeat([]byte{1}, 32)
	want, err := cose.NewMACKey(cose.HMAC256_256, bytes.Clone(secret))
	if err != nil {
		t.Fatal(err)
	}
	k, err := cose.NewMACKey(cose.HMAC256_256, secret)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret)
	message, err := k.AppendMac0(nil, cose.Headers{}, nil, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	m, err := cose.ParseMac0(message, cose.Untagged)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Verify(want, nil); err != nil {
		t.Errorf("after erasing the caller's key: %v", err)
	}
}

// TestSenderRefuses holds headers that must not be sent.
func TestSenderRefuses(t *testing.T) {
	iv := make([]byte, 13)
	other := func(label int64, value ...byte) cose.Param {
		return cose.Param{Label: cose.Label{Int: label}, Value: value}
	}
	for name, c := range map[string]struct {
		headers cose.Headers
		want    error
	}{
		//spec:9052-3.1-1
		"alg is not protected":   {cose.Headers{Unprotected: cose.Header{IV: iv, Algorithm: cose.AES_CCM_16_64_128}}, cose.ErrAlgorithm},
		"other alg":              {cose.Headers{Protected: cose.Header{IV: iv, Algorithm: cose.A128GCM}}, cose.ErrAlgorithm},
		"label in both":          {cose.Headers{Protected: cose.Header{IV: iv}, Unprotected: cose.Header{IV: iv}}, cose.ErrMalformed},
		"IV and Partial IV":      {cose.Headers{Protected: cose.Header{IV: iv}, Unprotected: cose.Header{PartialIV: []byte{1}}}, cose.ErrMalformed},
		"crit is not protected":  {cose.Headers{Unprotected: cose.Header{IV: iv, Critical: []cose.Label{{Int: 5}}}}, cose.ErrMalformed},
		"crit lists an absent":   {cose.Headers{Protected: cose.Header{IV: iv, Critical: []cose.Label{{Int: 15}}}}, cose.ErrMalformed},
		"crit is empty":          {cose.Headers{Protected: cose.Header{IV: iv, Critical: []cose.Label{}}}, cose.ErrMalformed},
		"other that is a field":  {cose.Headers{Protected: cose.Header{IV: iv, Others: []cose.Param{other(4, 0x40)}}}, cose.ErrMalformed},             //spec:9052-3-3
		"other twice":            {cose.Headers{Protected: cose.Header{IV: iv, Others: []cose.Param{other(15, 0), other(15, 1)}}}, cose.ErrMalformed}, //spec:9052-9-2
		"other without value":    {cose.Headers{Unprotected: cose.Header{IV: iv, Others: []cose.Param{other(15)}}}, cose.ErrMalformed},
		"other with two values":  {cose.Headers{Unprotected: cose.Header{IV: iv, Others: []cose.Param{other(15, 0, 0)}}}, cose.ErrMalformed},
		"other in a long form":   {cose.Headers{Unprotected: cose.Header{IV: iv, Others: []cose.Param{other(15, 0x18, 0)}}}, cose.ErrMalformed},
		"no nonce":               {cose.Headers{}, cose.ErrNonce},
		"short nonce":            {cose.Headers{Unprotected: cose.Header{IV: iv[:12]}}, cose.ErrNonce},
		"long nonce":             {cose.Headers{Unprotected: cose.Header{IV: append(iv, 0)}}, cose.ErrNonce},
		"Partial IV, no Base IV": {cose.Headers{Unprotected: cose.Header{PartialIV: []byte{1}}}, cose.ErrNonce},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := encryptionKey(t).AppendEncrypt0(nil, c.headers, nil, nil, true); !errors.Is(err, c.want) || got != nil {
				t.Errorf("AppendEncrypt0 = %x, %v, want %v", got, err, c.want)
			}
			if c.want == cose.ErrNonce { //nolint:errorlint // a value of this table
				return
			}
			if got, err := macKey(t).AppendMac0(nil, c.headers, nil, nil, true); !errors.Is(err, c.want) || got != nil {
				t.Errorf("AppendMac0 = %x, %v, want %v", got, err, c.want)
			}
		})
	}
	if _, err := encryptionKey(t).AppendEncrypt0(nil, withIV(), make([]byte, 65536), nil, true); !errors.Is(err, cose.ErrMalformed) {
		t.Errorf("AppendEncrypt0 of 65536 bytes: %v, want ErrMalformed", err)
	}
}

// TestPartialIV adds Partial IVs of every length to the Base IV.
func TestPartialIV(t *testing.T) {
	k := encryptionKey(t)
	k.BaseIV = bytes.Repeat([]byte{0xf0}, 13)
	for n := range 16 {
		partial := bytes.Repeat([]byte{0x0f}, n)
		h := cose.Headers{Unprotected: cose.Header{PartialIV: partial}}
		sealed, err := k.AppendEncrypt0(nil, h, []byte("plaintext"), nil, false)
		if n > 13 {
			if !errors.Is(err, cose.ErrNonce) {
				t.Errorf("Partial IV of %d bytes: %v, want ErrNonce", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		iv := append(bytes.Repeat([]byte{0xf0}, 13-n), bytes.Repeat([]byte{0xff}, n)...)
		h.Unprotected = cose.Header{IV: iv}
		want, err := k.AppendEncrypt0(nil, h, []byte("plaintext"), nil, false)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := sealed[len(sealed)-17:], want[len(want)-17:]; !bytes.Equal(got, want) {
			t.Errorf("ciphertext with Partial IV %x = %x, want that of IV %x", partial, got, iv)
		}
	}
	k.BaseIV = k.BaseIV[1:]
	h := cose.Headers{Unprotected: cose.Header{PartialIV: []byte{1}}}
	if _, err := k.AppendEncrypt0(nil, h, nil, nil, false); !errors.Is(err, cose.ErrNonce) {
		t.Errorf("Base IV of 12 bytes: %v, want ErrNonce", err)
	}
}

// TestAlgorithmIsTheKeys: a message cannot choose, not even among those that would
// take the same key.
func TestAlgorithmIsTheKeys(t *testing.T) {
	sender, err := cose.NewEncryptionKey(cose.AES_CCM_16_128_128, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	message, err := sender.AppendEncrypt0(nil, withIV(), []byte("plaintext"), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	m, err := cose.ParseEncrypt0(message, cose.Tagged)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Open(nil, encryptionKey(t), nil); !errors.Is(err, cose.ErrAlgorithm) || got != nil {
		t.Errorf("Open = %x, %v, want ErrAlgorithm", got, err)
	}
	long, err := cose.NewMACKey(cose.HMAC256_256, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if message, err = macKey(t).AppendMac0(nil, cose.Headers{}, []byte("payload"), nil, true); err != nil {
		t.Fatal(err)
	}
	mac, err := cose.ParseMac0(message, cose.Tagged)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := mac.Verify(long, nil); !errors.Is(err, cose.ErrAlgorithm) || got != nil {
		t.Errorf("Verify = %x, %v, want ErrAlgorithm", got, err)
	}
}

// TestTruncatedMAC: HMAC 256/64 has eight bytes, neither fewer nor more.
func TestTruncatedMAC(t *testing.T) {
	k := macKey(t)
	message, err := k.AppendMac0(nil, cose.Headers{}, []byte("payload"), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	head, tag := message[:len(message)-9], message[len(message)-8:]
	for n := range 12 {
		forged := append(append(bytes.Clone(head), 0x40|byte(n)), append(bytes.Clone(tag), 0, 0, 0, 0)[:n]...)
		m, err := cose.ParseMac0(forged, cose.Untagged)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Verify(k, nil); (err == nil) != (n == 8) {
			t.Errorf("MAC of %d bytes: %v", n, err)
		}
	}
}

// TestRoundTrip draws headers, payload and external data: what is written parses
// to itself, opens, and does not open with a bit changed.
func TestRoundTrip(t *testing.T) {
	enc, mac := encryptionKey(t), macKey(t)
	rapid.Check(t, func(t *rapid.T) {
		h := withIV()
		h.Protected.KeyID = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "kid")
		if rapid.Bool().Draw(t, "kid context") {
			h.Unprotected.KIDContext = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "kid context")
		}
		labels := rapid.SliceOfNDistinct(rapid.Int64Range(-300, 300).Filter(func(l int64) bool {
			return (l < 0 || l > 10) || l == 3
		}), 0, 6, rapid.ID).Draw(t, "labels")
		for i, l := range labels {
			p := cose.Param{Label: cose.Label{Int: l}, Value: []byte{byte(i)}}
			if l%5 == 0 {
				p.Label = cose.Label{Text: string(bytes.Repeat([]byte{byte('z' - i)}, int(l*l)%40+1+i*40))}
			}
			if l%2 == 0 {
				h.Protected.Others = append(h.Protected.Others, p)
				h.Protected.Critical = append(h.Protected.Critical, p.Label)
			} else {
				h.Unprotected.Others = append(h.Unprotected.Others, p)
			}
		}
		payload := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "payload")
		external := rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "external")
		tagged := rapid.Bool().Draw(t, "tagged")
		dst := []byte("dst")

		message, err := enc.AppendEncrypt0(bytes.Clone(dst), h, payload, external, tagged)
		if err != nil {
			t.Fatal(err)
		}
		open := func(b []byte) ([]byte, error) {
			m, err := cose.ParseEncrypt0(b, cose.MaybeTagged, h.Protected.Critical...)
			if err != nil {
				return nil, err
			}
			return m.Open(nil, enc, external)
		}
		checkMessage(t, message, dst, payload, open)

		if message, err = mac.AppendMac0(bytes.Clone(dst), h, payload, external, tagged); err != nil {
			t.Fatal(err)
		}
		checkMessage(t, message, dst, payload, func(b []byte) ([]byte, error) {
			m, err := cose.ParseMac0(b, cose.MaybeTagged, h.Protected.Critical...)
			if err != nil {
				return nil, err
			}
			return m.Verify(mac, external)
		})
	})
}

// checkMessage flips a bit of the protected bytes, the content or the tag: they are
// behind the head, and the unprotected bucket is not among them.
func checkMessage(t *rapid.T, message, dst, payload []byte, open func([]byte) ([]byte, error)) {
	if !bytes.HasPrefix(message, dst) {
		t.Fatalf("dst became %x", message[:len(dst)])
	}
	message = message[len(dst):]
	if s := cborseq.String(message); !s.Skip() || !s.Empty() {
		t.Fatalf("message %x is not deterministic", message)
	}
	if s := cborseq.String(protectedBytes(t, message)); !s.Skip() || !s.Empty() {
		t.Fatalf("protected bucket of %x is not deterministic", message)
	}
	got, err := open(message)
	if err != nil || !bytes.Equal(got, payload) {
		t.Fatalf("opens to %x, %v, want %x", got, err, payload)
	}
	bit := rapid.IntRange(1, 8*8).Draw(t, "bit")
	message = bytes.Clone(message)
	message[len(message)-(bit+7)/8] ^= 1 << (bit % 8)
	if got, err := open(message); err == nil {
		t.Fatalf("opens to %x with a bit of its tag changed", got)
	}
}

func TestConcurrent(t *testing.T) {
	enc, mac := encryptionKey(t), macKey(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			payload := bytes.Repeat([]byte{byte(i)}, 50)
			for range 100 {
				message, err := enc.AppendEncrypt0(nil, withIV(), payload, nil, true)
				if err != nil {
					t.Error(err)
					return
				}
				m, err := cose.ParseEncrypt0(message, cose.Tagged)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := m.Open(nil, enc, nil); err != nil || !bytes.Equal(got, payload) {
					t.Errorf("Open = %x, %v", got, err)
				}
				if message, err = mac.AppendMac0(nil, cose.Headers{}, payload, nil, true); err != nil {
					t.Error(err)
					return
				}
				m0, err := cose.ParseMac0(message, cose.Tagged)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := m0.Verify(mac, nil); err != nil || !bytes.Equal(got, payload) {
					t.Errorf("Verify = %x, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
}
