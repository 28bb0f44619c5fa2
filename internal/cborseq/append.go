package cborseq

import (
	"encoding/binary"
	"math"
)

// The Append functions append the deterministic encoding of v to dst and return
// the longer slice, as append does. They allocate nothing but its growth.

// AppendUint appends an unsigned integer.
func AppendUint(dst []byte, v uint64) []byte {
	return appendHead(dst, Uint, v)
}

// AppendInt appends an integer.
func AppendInt(dst []byte, v int64) []byte {
	if v < 0 {
		return appendHead(dst, Nint, uint64(-1-v))
	}
	return appendHead(dst, Uint, uint64(v))
}

// AppendBytes appends a byte string; nil is the empty one.
func AppendBytes(dst, v []byte) []byte {
	return append(appendHead(dst, Bytes, uint64(len(v))), v...)
}

// AppendText appends a text string, which must be UTF-8.
func AppendText(dst []byte, v string) []byte {
	return append(appendHead(dst, Text, uint64(len(v))), v...)
}

// AppendArray appends the head of an array of n elements, which the caller appends
// next. n is not negative.
func AppendArray(dst []byte, n int) []byte {
	return appendHead(dst, Array, uint64(n))
}

// AppendMap appends the head of a map of n pairs, which the caller appends next,
// key, value, by rising encoding of the keys. n is not negative.
func AppendMap(dst []byte, n int) []byte {
	return appendHead(dst, Map, uint64(n))
}

// AppendTag appends a tag number. The caller appends the item that it tags next.
func AppendTag(dst []byte, v uint64) []byte {
	return appendHead(dst, Tag, v)
}

// AppendBool appends false or true.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, byte(Simple)<<5|simpleTrue)
	}
	return append(dst, byte(Simple)<<5|simpleFalse)
}

// AppendNull appends null.
func AppendNull(dst []byte) []byte {
	return append(dst, byte(Simple)<<5|simpleNull)
}

// appendHead appends the shortest head for v (RFC 8949, Section 4.2.1).
func appendHead(dst []byte, m Major, v uint64) []byte {
	//spec:8949-3-1
	//spec:8949-4.2.1-1
	//spec:8949-4.2.1-2
	first := byte(m) << 5
	switch {
	case v < 24: //spec:8949-4.2.1-3
		return append(dst, first|byte(v))
	case v <= math.MaxUint8: //spec:8949-4.2.1-4
		return append(dst, first|24, byte(v))
	case v <= math.MaxUint16: //spec:8949-4.2.1-5
		return binary.BigEndian.AppendUint16(append(dst, first|25), uint16(v))
	case v <= math.MaxUint32: //spec:8949-4.2.1-6
		return binary.BigEndian.AppendUint32(append(dst, first|26), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(dst, first|27), v)
	}
}

// AppendBytesHead appends the head of a byte string of n bytes, which the caller
// appends next. n is not negative.
func AppendBytesHead(dst []byte, n int) []byte {
	return appendHead(dst, Bytes, uint64(n))
}
