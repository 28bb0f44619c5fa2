package oscore

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/internal/vector"
)

var aeadAlgorithms = []cose.Algorithm{
	cose.A128GCM, cose.A192GCM, cose.A256GCM, cose.ChaCha20Poly1305,
	cose.AES_CCM_16_64_128, cose.AES_CCM_16_64_256, cose.AES_CCM_64_64_128, cose.AES_CCM_64_64_256,
	cose.AES_CCM_16_128_128, cose.AES_CCM_16_128_256, cose.AES_CCM_64_128_128, cose.AES_CCM_64_128_256,
}

// nonceByTheBook is Section 5.2, step by step.
func nonceByTheBook(commonIV, idPIV []byte, number uint64) []byte {
	piv := newPartialIV(number)
	n := len(commonIV)
	nonce := append([]byte{byte(len(idPIV))}, make([]byte, n-6-len(idPIV))...)
	nonce = append(append(nonce, idPIV...), make([]byte, 5-len(piv.bytes()))...)
	nonce = append(nonce, piv.bytes()...)
	for i := range nonce {
		nonce[i] ^= commonIV[i]
	}
	return nonce
}

func TestNonceModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alg := rapid.SampledFrom(aeadAlgorithms).Draw(t, "algorithm")
		n := alg.NonceSize()
		iv := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "Common IV")
		idPIV := rapid.SliceOfN(rapid.Byte(), 0, n-6).Draw(t, "ID_PIV")
		number := rapid.Uint64Max(maxSequence).Draw(t, "number")
		i, ok := newID(idPIV)
		if !ok {
			t.Fatalf("newID(%x) = false", idPIV)
		}
		base := newNonceBase(iv, &i)
		var dst [maxNonce]byte
		if got, want := base.nonce(&dst, n, number), nonceByTheBook(iv, idPIV, number); !bytes.Equal(got, want) {
			t.Errorf("nonce = %x, want %x", got, want)
		}
	})
}

// TestAAD builds the same with the general CBOR and COSE functions.
func TestAAD(t *testing.T) {
	for _, alg := range append(aeadAlgorithms, -65535, 1<<15) {
		for _, kid := range [][]byte{nil, {1}, []byte("1234567")} {
			for _, number := range []uint64{0, 0x14, maxSequence} {
				piv := newPartialIV(number)
				array := cborseq.AppendInt(cborseq.AppendArray(cborseq.AppendUint(cborseq.AppendArray(nil, 5), 1), 1), int64(alg))
				array = cborseq.AppendBytes(cborseq.AppendBytes(cborseq.AppendBytes(array, kid), piv.bytes()), nil)
				want := cose.AppendEncStructure(nil, "Encrypt0", nil, array)
				got := appendAAD(nil, alg, kid, piv.bytes())
				equal(t, fmt.Sprintf("AAD of %v", alg), got, want)
				if len(got) > maxAAD {
					t.Errorf("AAD of %d bytes, want at most %d", len(got), maxAAD)
				}
			}
		}
	}
	// RFC 8613, Section 5.4, the example.
	equal(t, "AAD", appendAAD(nil, 10, []byte{0}, []byte{0x25}), vector.Bytes(t, "8368456e63727970743040498501810a4100412540"))
}

// TestNonceOfLargeNumbers: each of the 5 bytes of a Partial IV counts.
func TestNonceOfLargeNumbers(t *testing.T) {
	iv := bytes.Repeat([]byte{0xa5}, 13)
	idPIV, _ := newID([]byte{1, 2})
	base := newNonceBase(iv, &idPIV)
	for _, number := range []uint64{0, 1, 1 << 8, 1 << 16, 1 << 24, 1 << 31, 1 << 32, 1<<32 + 1, 1 << 39, 1<<40 - 1} {
		var b [maxNonce]byte
		got := base.nonce(&b, 13, number)
		if want := nonceByTheBook(iv, []byte{1, 2}, number); !bytes.Equal(got, want) {
			t.Errorf("nonce of %d = %x, want %x", number, got, want)
		}
	}
}
