package cose_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/internal/cose"
)

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
			if c.want == cose.ErrNonce {
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
