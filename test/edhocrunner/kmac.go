package edhocrunner

import "crypto/sha3"

// kmac256 is KMAC256(key, x, 8*n, "") (NIST SP 800-185, Section 4.3), the EDHOC_Extract and
// EDHOC_Expand of SHAKE256 (RFC 9528, Sections 4.1.1 and 4.1.2).
func kmac256(key, x []byte, n int) []byte {
	const rate = 136
	first := append([]byte{1, rate}, append(leftEncode(8*len(key)), key...)...)
	for len(first)%rate != 0 {
		first = append(first, 0)
	}
	h := sha3.NewCSHAKE256([]byte("KMAC"), nil)
	for _, part := range [][]byte{first, x, rightEncode(8 * n)} {
		_, _ = h.Write(part) // never fails
	}
	out := make([]byte, n)
	_, _ = h.Read(out)
	return out
}

func leftEncode(v int) []byte {
	b := bigEndian(v)
	return append([]byte{byte(len(b))}, b...)
}

func rightEncode(v int) []byte {
	b := bigEndian(v)
	return append(b, byte(len(b)))
}

func bigEndian(v int) []byte {
	if v < 256 {
		return []byte{byte(v)}
	}
	return append(bigEndian(v/256), byte(v))
}
