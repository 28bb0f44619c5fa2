package cborseq

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"unicode/utf8"
)

var errNormalize = errors.New("cborseq: malformed item")

// Normalize returns the deterministic encoding of b, one item in any
// definite-length encoding: the one that a String reads. It returns b itself if
// that is deterministic already, and otherwise new memory. What byte strings hold
// is left as it is. It fails on what the package comment says that both ways in
// refuse.
func Normalize(b []byte) ([]byte, error) {
	if s := String(b); s.Skip() && s.Empty() {
		return b, nil
	}
	out, rest, ok := transcode(make([]byte, 0, len(b)), b, MaxDepth)
	if !ok || len(rest) > 0 {
		return nil, errNormalize
	}
	return out, nil
}

// transcode appends the deterministic encoding of the first item of s to dst.
func transcode(dst []byte, s String, depth int) (out []byte, rest String, ok bool) {
	m, info, arg, rest, ok := longHead(s)
	if !ok {
		return nil, nil, false
	}
	switch m {
	case Uint, Nint:
		return appendHead(dst, m, arg), rest, true
	case Bytes, Text:
		if arg > uint64(len(rest)) || m == Text && !utf8.Valid(rest[:arg]) {
			return nil, nil, false
		}
		return append(appendHead(dst, m, arg), rest[:arg]...), rest[arg:], true
	case Simple:
		//spec:8949-2.2-1
		return appendSimple(dst, info, arg), rest, info != 24 || arg >= 32
	}
	if depth == 0 || arg > uint64(len(rest)) && m != Tag {
		return nil, nil, false
	}
	switch m {
	case Array:
		dst = appendHead(dst, m, arg)
		for ok = true; arg > 0 && ok; arg-- {
			dst, rest, ok = transcode(dst, rest, depth-1)
		}
		return dst, rest, ok
	case Map:
		return transcodeMap(dst, rest, arg, depth-1)
	default:
		if arg == 2 || arg == 3 {
			return transcodeBignum(dst, rest, arg)
		}
		return transcode(appendHead(dst, m, arg), rest, depth-1)
	}
}

// transcodeMap sorts the pairs by their keys, which must be different.
func transcodeMap(dst []byte, s String, n uint64, depth int) (out []byte, rest String, ok bool) {
	type pair struct{ key, value []byte }
	pairs := make([]pair, n)
	for i := range pairs {
		p := &pairs[i]
		if p.key, s, ok = transcode(nil, s, depth); !ok {
			return nil, nil, false
		}
		if p.value, s, ok = transcode(nil, s, depth); !ok {
			return nil, nil, false
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
	dst = appendHead(dst, Map, n)
	for i, p := range pairs {
		if i > 0 && bytes.Equal(p.key, pairs[i-1].key) {
			return nil, nil, false
		}
		dst = append(append(dst, p.key...), p.value...)
	}
	return dst, s, true
}

// transcodeBignum writes the content of tag 2 or 3 without leading zeros, or as an
// integer where that is enough (RFC 8949, Section 3.4.3).
func transcodeBignum(dst []byte, s String, tag uint64) (out []byte, rest String, ok bool) {
	m, _, n, rest, ok := longHead(s)
	if !ok || m != Bytes || n > uint64(len(rest)) {
		return nil, nil, false
	}
	//spec:8949-3.4.3-1
	b := bytes.TrimLeft(rest[:n], "\x00")
	rest = rest[n:]
	if len(b) > 8 {
		return AppendBytes(appendHead(dst, Tag, tag), b), rest, true
	}
	var v [8]byte
	copy(v[8-len(b):], b)
	return appendHead(dst, Major(tag-2), binary.BigEndian.Uint64(v[:])), rest, true
}

// appendSimple appends an item of major type 7, a float in its shortest form.
func appendSimple(dst []byte, info byte, arg uint64) []byte {
	switch {
	case info == 25 && arg&0x7fff > 0x7c00,
		info == 26 && arg&math.MaxInt32 > 0x7f800000,
		info == 27 && arg&math.MaxInt64 > 0x7ff<<52:
		return append(dst, 0xf9, 0x7e, 0x00)
	}
	if info == 27 {
		f := math.Float64frombits(arg)
		if float64(float32(f)) != f {
			return binary.BigEndian.AppendUint64(append(dst, 0xfb), arg)
		}
		info, arg = 26, uint64(math.Float32bits(float32(f)))
	}
	if info == 26 {
		if !fitsHalf(uint32(arg)) {
			return binary.BigEndian.AppendUint32(append(dst, 0xfa), uint32(arg))
		}
		info, arg = 25, uint64(half(uint32(arg)))
	}
	if info == 25 {
		return binary.BigEndian.AppendUint16(append(dst, 0xf9), uint16(arg))
	}
	return appendHead(dst, Simple, arg)
}

// half gives the half-precision bits of a single-precision float that fits.
func half(bits uint32) uint16 {
	sign := uint16(bits >> 16 & 0x8000)
	exponent, mantissa := int(bits>>23&0xff)-127, bits&(1<<23-1)
	switch {
	case bits<<1 == 0:
		return sign
	case exponent == 128:
		return sign | 0x7c00
	case exponent >= -14:
		return sign | uint16(exponent+15)<<10 | uint16(mantissa>>13)
	default:
		return sign | uint16((mantissa|1<<23)>>(-1-exponent))
	}
}

// longHead is head for an argument in any number of bytes.
func longHead(s String) (m Major, info byte, arg uint64, rest String, ok bool) {
	if len(s) == 0 {
		return 0, 0, 0, nil, false
	}
	m, info = Major(s[0]>>5), s[0]&0x1f
	rest = s[1:]
	if info < 24 {
		return m, info, uint64(info), rest, true
	}
	if info > 27 || len(rest) < 1<<(info-24) {
		return 0, 0, 0, nil, false
	}
	n := 1 << (info - 24)
	for _, c := range rest[:n] {
		arg = arg<<8 | uint64(c)
	}
	return m, info, arg, rest[n:], true
}
