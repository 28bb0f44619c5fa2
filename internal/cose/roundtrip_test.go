package cose_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
)

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
