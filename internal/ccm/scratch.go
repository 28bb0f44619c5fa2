package ccm

import (
	"crypto/cipher"
	"encoding/binary"
	"sync"
)

const blockSize = 16

// scratch is the memory of one call. A cipher.Block is an interface, so what is
// given to it lies on the heap: scratches lends that memory out, and the caller's
// own arrays never go there.
type scratch struct {
	mac [blockSize]byte // X_i (RFC 3610, Section 2.2)
	ctr [blockSize]byte // A_i (Section 2.3)
	key [blockSize]byte // S_i
	s0  [blockSize]byte // S_0
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) done() {
	*s = scratch{}
	scratches.Put(s)
}

// start makes X of the block B_0 and the additional data, and A_0 and S_0 of the
// nonce (RFC 3610, Sections 2.2 and 2.3).
func (s *scratch) start(a *aead, nonce, additionalData []byte, size int) {
	l := 15 - a.nonceSize
	//spec:3610-2.3-1
	//spec:3610-2.3-2
	s.ctr[0] = byte(l - 1)
	copy(s.ctr[1:], nonce)
	a.block.Encrypt(s.s0[:], s.ctr[:])

	s.mac = s.ctr
	s.mac[0] |= byte(a.tagSize-2) / 2 << 3
	for i, n := 15, size; n > 0; i, n = i-1, n>>8 {
		s.mac[i] = byte(n) // fits, MaxPlaintext is checked
	}
	if len(additionalData) == 0 {
		a.block.Encrypt(s.mac[:], s.mac[:])
		return
	}
	s.mac[0] |= 1 << 6
	a.block.Encrypt(s.mac[:], s.mac[:])
	s.absorb(a.block, additionalData)
}

// absorb adds the additional data to X, behind its length (RFC 3610, Section
// 2.2).
func (s *scratch) absorb(block cipher.Block, data []byte) {
	head := s.key[:0]
	switch n := uint64(len(data)); {
	case n < 0xff00:
		head = binary.BigEndian.AppendUint16(head, uint16(n))
	case n < 1<<32:
		head = binary.BigEndian.AppendUint32(append(head, 0xff, 0xfe), uint32(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0xff, 0xff), n)
	}
	n := len(head) + copy(s.key[len(head):], data)
	data = data[n-len(head):]
	clear(s.key[n:])
	xor(&s.mac, &s.mac, &s.key)
	block.Encrypt(s.mac[:], s.mac[:])
	for len(data) >= blockSize {
		xor(&s.mac, &s.mac, (*[blockSize]byte)(data))
		block.Encrypt(s.mac[:], s.mac[:])
		data = data[blockSize:]
	}
	if len(data) > 0 {
		xorShort(&s.mac, data)
		block.Encrypt(s.mac[:], s.mac[:])
	}
}

// seal encrypts src into dst and adds it to X. The two Encrypts of a turn do not
// wait for each other in the processor, which is why they stand in one loop.
func (s *scratch) seal(block cipher.Block, dst, src []byte) {
	for len(src) >= blockSize {
		s.next(block)
		p := (*[blockSize]byte)(src)
		xor(&s.mac, &s.mac, p)
		xor((*[blockSize]byte)(dst), p, &s.key)
		block.Encrypt(s.mac[:], s.mac[:])
		src, dst = src[blockSize:], dst[blockSize:]
	}
	if len(src) > 0 {
		s.next(block)
		xorShort(&s.mac, src)
		xorShort(&s.key, src)
		copy(dst[:len(src)], s.key[:])
		block.Encrypt(s.mac[:], s.mac[:])
	}
}

// open is the inverse of seal.
func (s *scratch) open(block cipher.Block, dst, src []byte) {
	for len(src) >= blockSize {
		s.next(block)
		p := (*[blockSize]byte)(dst)
		xor(p, (*[blockSize]byte)(src), &s.key)
		xor(&s.mac, &s.mac, p)
		block.Encrypt(s.mac[:], s.mac[:])
		src, dst = src[blockSize:], dst[blockSize:]
	}
	if len(src) > 0 {
		s.next(block)
		xorShort(&s.key, src)
		n := copy(dst[:len(src)], s.key[:])
		xorShort(&s.mac, dst[:n])
		block.Encrypt(s.mac[:], s.mac[:])
	}
}

// next counts up A_i and makes S_i of it. The counter field is L bytes, but a
// carry cannot leave it: there are fewer blocks than bytes, whose number fits.
func (s *scratch) next(block cipher.Block) {
	low := binary.BigEndian.Uint64(s.ctr[8:])
	binary.BigEndian.PutUint64(s.ctr[8:], low+1)
	block.Encrypt(s.key[:], s.ctr[:])
}

// tag turns X into U, the authentication value, by S_0 (RFC 3610, Section 2.3).
func (s *scratch) tag() {
	xor(&s.mac, &s.mac, &s.s0)
}

func xor(dst, x, y *[blockSize]byte) {
	x0, x1 := binary.LittleEndian.Uint64(x[:]), binary.LittleEndian.Uint64(x[8:])
	y0, y1 := binary.LittleEndian.Uint64(y[:]), binary.LittleEndian.Uint64(y[8:])
	binary.LittleEndian.PutUint64(dst[:], x0^y0)
	binary.LittleEndian.PutUint64(dst[8:], x1^y1)
}

// xorShort adds fewer bytes than a block holds to dst.
func xorShort(dst *[blockSize]byte, x []byte) {
	for i, c := range x {
		dst[i] ^= c
	}
}
