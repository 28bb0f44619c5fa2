package cborseq

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// head splits the head of the first item from s: its major type and argument (RFC
// 8949, Section 3). It refuses an argument in more bytes than it needs, and
// indefinite lengths. The argument of major type 7 stays as it is: floats have
// another shortest form.
func head(s String) (m Major, arg uint64, rest String, ok bool) {
	if len(s) == 0 {
		return 0, 0, nil, false
	}
	m, info := Major(s[0]>>5), s[0]&0x1f
	switch {
	case info < 24:
		return m, uint64(info), s[1:], true
	case info == 24 && len(s) >= 2:
		arg, rest, ok = uint64(s[1]), s[2:], s[1] >= 24
	case info == 25 && len(s) >= 3:
		arg, rest = uint64(binary.BigEndian.Uint16(s[1:])), s[3:]
		ok = arg > math.MaxUint8
	case info == 26 && len(s) >= 5:
		arg, rest = uint64(binary.BigEndian.Uint32(s[1:])), s[5:]
		ok = arg > math.MaxUint16
	case info == 27 && len(s) >= 9:
		arg, rest = binary.BigEndian.Uint64(s[1:]), s[9:]
		ok = arg > math.MaxUint32
	default:
		//spec:8949-4.2.1-8
		return 0, 0, nil, false
	}
	if m == Simple {
		ok = deterministicSimple(info, arg)
	}
	return m, arg, rest, ok
}

// deterministicSimple says whether the argument of an item of major type 7 stands
// in the shortest form that keeps its value (RFC 8949, Section 4.2.1), and NaN in
// the one of Section 4.2.2.
func deterministicSimple(info byte, arg uint64) bool {
	//spec:8949-4.2.1-7
	switch info {
	case 24:
		return arg >= 32 //spec:8949-3.3-1
	case 25:
		return arg == 0x7e00 || arg&0x7fff <= 0x7c00
	case 26:
		return !fitsHalf(uint32(arg))
	default:
		f := math.Float64frombits(arg)
		return !math.IsNaN(f) && float64(float32(f)) != f
	}
}

// fitsHalf says whether the single-precision float of these bits has a shorter
// form: the same value in half precision, or the one NaN.
func fitsHalf(bits uint32) bool {
	exponent, mantissa := int(bits>>23&0xff)-127, bits&(1<<23-1)
	switch {
	case bits<<1 == 0 || exponent == 128: // zero, infinity, NaN
		return true
	case exponent >= -14:
		return exponent <= 15 && mantissa&(1<<13-1) == 0
	default: // subnormal: a multiple of 2^-24
		return exponent >= -24 && mantissa&(1<<(-1-exponent)-1) == 0
	}
}

// item skips one item with at most depth levels of arrays, maps and tags.
func item(s String, depth int) (rest String, ok bool) {
	m, arg, rest, ok := head(s)
	//spec:8949-3-2
	//spec:8742-5-1
	if !ok {
		return nil, false
	}
	switch m {
	case Bytes, Text:
		if arg > uint64(len(rest)) || m == Text && !utf8.Valid(rest[:arg]) {
			return nil, false
		}
		return rest[arg:], true
	case Array, Map, Tag:
		if depth == 0 {
			return nil, false
		}
	default:
		return rest, true
	}
	switch m {
	case Array:
		for ; arg > 0 && ok; arg-- {
			rest, ok = item(rest, depth-1)
		}
		return rest, ok
	case Map:
		return pairs(rest, arg, depth-1)
	default:
		if (arg == 2 || arg == 3) && !bignum(rest) {
			return nil, false
		}
		return item(rest, depth-1)
	}
}

// pairs skips the n pairs of a map, whose keys must rise in the order of their
// encodings (RFC 8949, Section 4.2.1); that makes them different, too.
func pairs(s String, n uint64, depth int) (rest String, ok bool) {
	var last String
	for ; n > 0; n-- {
		if rest, ok = item(s, depth); !ok {
			return nil, false
		}
		key := s[:len(s)-len(rest)]
		//spec:8949-4.2.1-9
		if last != nil && bytes.Compare(last, key) >= 0 {
			return nil, false
		}
		last = key
		if s, ok = item(rest, depth); !ok {
			return nil, false
		}
	}
	return s, true
}

// bignum says whether s begins with the content of a bignum that no integer of
// 64 bits can hold, without leading zeros (RFC 8949, Section 3.4.3).
func bignum(s String) bool {
	var b []byte
	return s.ReadBytes(&b) && len(b) > 8 && b[0] != 0
}
