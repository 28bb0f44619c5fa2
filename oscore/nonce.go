package oscore

import "encoding/binary"

// Sizes of the nonce (Section 5.2): a byte for S, the ID_PIV, 5 bytes for the Partial
// IV. The AEAD algorithms of COSE have nonces of 7 to 13 bytes.
const (
	minNonce = 7
	maxNonce = 13
	maxID    = maxNonce - 6 // of a Sender or Recipient ID (Section 3.3)
)

// id is a Sender or Recipient ID, as a value to compare and to look up.
type id struct {
	n uint8
	b [maxID]byte
}

func newID(b []byte) (i id, ok bool) {
	if len(b) > maxID {
		return id{}, false
	}
	i.n = uint8(copy(i.b[:], b))
	return i, true
}

func (i *id) bytes() []byte { return i.b[:i.n:i.n] }

// A nonceBase is the Common IV with S and one ID_PIV added to it: what is the same
// in all nonces with the Partial IVs of one endpoint (Section 5.2, Figure 8).
type nonceBase [maxNonce]byte

// newNonceBase does steps 2 to 4 for everything but the Partial IV. The nonce size is
// that of commonIV.
func newNonceBase(commonIV []byte, idPIV *id) (base nonceBase) {
	copy(base[:], commonIV)
	base[0] ^= idPIV.n
	for i, c := range idPIV.bytes() {
		base[len(commonIV)-5-int(idPIV.n)+i] ^= c
	}
	return base
}

// nonce adds the Partial IV, left-padded to 5 bytes, and writes the nonce of size
// bytes to dst.
func (base *nonceBase) nonce(dst *[maxNonce]byte, size int, piv uint64) []byte {
	*dst = *base
	tail := dst[size-5 : size]
	tail[0] ^= byte(piv >> 32)
	binary.BigEndian.PutUint32(tail[1:], binary.BigEndian.Uint32(tail[1:])^uint32(piv))
	return dst[:size]
}
