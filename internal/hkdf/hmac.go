package hkdf

import "hash"

// hmac is HMAC (RFC 2104) whose key can be set again: crypto/hmac takes it only
// when it is made, and allocates then.
//
// What is hashed goes through buf. A hash.Hash is an interface, so a slice given
// to Write directly would move to the heap, and with it the caller's array.
type hmac struct {
	inner, outer hash.Hash
	size, block  int
	key          []byte // one block: the key, padded with zeros
	buf          []byte // one block
}

func (m *hmac) init(h func() hash.Hash) {
	m.inner, m.outer = h(), h()
	m.size, m.block = m.inner.Size(), m.inner.BlockSize()
	m.key = make([]byte, m.block)
	m.buf = make([]byte, m.block)
}

// start begins a MAC under key.
func (m *hmac) start(key []byte) {
	clear(m.key)
	m.inner.Reset()
	if len(key) > m.block {
		m.write(key)
		m.inner.Sum(m.key[:0])
		m.inner.Reset()
	} else {
		copy(m.key, key)
	}
	pad(m.buf, m.key, 0x36)
	m.inner.Write(m.buf)
}

func (m *hmac) write(b []byte) {
	for len(b) > 0 {
		n := copy(m.buf, b)
		m.inner.Write(m.buf[:n])
		b = b[n:]
	}
}

func (m *hmac) writeByte(c byte) {
	m.buf[0] = c
	m.inner.Write(m.buf[:1])
}

// sum appends the MAC to dst, which must lie on the heap already.
func (m *hmac) sum(dst []byte) []byte {
	m.outer.Reset()
	pad(m.buf, m.key, 0x5c)
	m.outer.Write(m.buf)
	m.outer.Write(m.inner.Sum(m.buf[:0]))
	return m.outer.Sum(dst)
}

func (m *hmac) erase() {
	clear(m.key)
	clear(m.buf)
	m.inner.Reset()
	m.outer.Reset()
}

func pad(dst, key []byte, c byte) {
	for i, k := range key {
		dst[i] = k ^ c
	}
}
