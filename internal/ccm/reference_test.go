package ccm_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary/internal/ccm"
)

// reference seals as RFC 3610 reads, over the library's CBC and CTR.
func reference(t testing.TB, key, nonce, plain, aad []byte, tagSize int) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	l := 15 - len(nonce)
	pad := func(b []byte) []byte { return append(b, make([]byte, -len(b)&15)...) }

	flags := 8*((tagSize-2)/2) + l - 1
	if len(aad) > 0 {
		flags += 64
	}
	b := append([]byte{byte(flags)}, nonce...)
	b = append(b, binary.BigEndian.AppendUint64(nil, uint64(len(plain)))[8-l:]...)
	switch n := len(aad); {
	case n == 0:
	case n < 65536-256:
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0xff, 0xfe), uint32(n))
	}
	b = pad(append(pad(append(b, aad...)), plain...))
	cipher.NewCBCEncrypter(block, make([]byte, 16)).CryptBlocks(b, b)
	mac := b[len(b)-16:][:tagSize]

	// A_0 encrypts the tag, A_1 and on the message: one stream over both, the tag
	// first in a block of its own.
	counter := append(append([]byte{byte(l - 1)}, nonce...), make([]byte, l)...)
	stream := append(pad(bytes.Clone(mac)), plain...)
	cipher.NewCTR(block, counter).XORKeyStream(stream, stream)
	return append(stream[16:], stream[:tagSize]...)
}

// TestReference compares around the borders of blocks and of the length fields.
func TestReference(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 16)
	sizes := []int{0, 1, 13, 14, 15, 16, 17, 29, 30, 31, 32, 255, 256, 65279, 65280, 65281, 65535}
	for nonceSize := 7; nonceSize <= 13; nonceSize++ {
		for tagSize := 4; tagSize <= 16; tagSize += 2 {
			a, err := ccm.New(key, nonceSize, tagSize)
			if err != nil {
				t.Fatal(err)
			}
			nonce := bytes.Repeat([]byte{0xff}, nonceSize)
			check := func(plain, aad []byte) {
				want := reference(t, key, nonce, plain, aad, tagSize)
				if got := a.Seal(nil, nonce, plain, aad); !bytes.Equal(got, want) {
					t.Errorf("nonce %d, tag %d, plaintext %d, additional data %d: Seal differs", nonceSize, tagSize, len(plain), len(aad))
				}
			}
			for _, n := range sizes {
				check(bytes.Repeat([]byte{0x5a}, n), []byte("aad"))
				check([]byte("plaintext"), bytes.Repeat([]byte{0xa5}, n))
			}
			if nonceSize < 13 { // the counter passes from two bytes to three
				check(make([]byte, 16*65536+5), nil)
			}
		}
		if testing.Short() {
			break
		}
	}
}

// TestReferenceIsRFC3610 keeps the reference honest.
func TestReferenceIsRFC3610(t *testing.T) {
	key := []byte{0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf}
	nonce := []byte{0, 0, 0, 3, 2, 1, 0, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5}
	plain := make([]byte, 23)
	for i := range plain {
		plain[i] = byte(8 + i)
	}
	got := fmt.Sprintf("%x", reference(t, key, nonce, plain, []byte{0, 1, 2, 3, 4, 5, 6, 7}, 8))
	if want := "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"; got != want {
		t.Errorf("packet vector 1 = %s, want %s", got, want)
	}
}
