package cborseq

import (
	"math"
	"unicode/utf8"
)

// String is the unread rest of a CBOR sequence, used in the manner of
// golang.org/x/crypto/cryptobyte: each Read method takes one item, or one head,
// from the front, reports whether it was there in its deterministic encoding, and
// leaves both the String and *out alone if it was not. No input makes a method
// panic.
//
// The byte slices that methods give out share memory with the String, with no
// capacity beyond their own end: appending to one does not touch the sequence,
// but writing to the sequence afterwards changes them. A caller that keeps them longer than the
// input clones the input first. A String is not safe for concurrent use.
type String []byte

// Major is a CBOR major type (RFC 8949, Section 3.1).
type Major uint8

// The major types.
const (
	Uint   Major = 0
	Nint   Major = 1
	Bytes  Major = 2
	Text   Major = 3
	Array  Major = 4
	Map    Major = 5
	Tag    Major = 6
	Simple Major = 7 // also floating-point numbers
)

const (
	simpleFalse = 20
	simpleTrue  = 21
	simpleNull  = 22
)

// Empty reports whether nothing is left to read.
func (s String) Empty() bool { return len(s) == 0 }

// PeekMajor gives the major type of the next item, which is not thereby known to
// be valid. It reports false at the end.
func (s String) PeekMajor() (Major, bool) {
	if len(s) == 0 {
		return 0, false
	}
	return Major(s[0] >> 5), true
}

// ReadUint reads an unsigned integer.
func (s *String) ReadUint(out *uint64) bool {
	return s.readHead(Uint, out)
}

// ReadInt reads an integer that fits in an int64.
func (s *String) ReadInt(out *int64) bool {
	m, v, rest, ok := head(*s)
	if !ok || v > math.MaxInt64 {
		return false
	}
	switch m {
	case Uint:
		*out = int64(v)
	case Nint:
		*out = -1 - int64(v)
	default:
		return false
	}
	*s = rest
	return true
}

// ReadBytes reads a byte string. *out shares the memory of s and is not nil.
func (s *String) ReadBytes(out *[]byte) bool {
	return s.readString(Bytes, out)
}

// ReadText reads a text string, which must be UTF-8.
func (s *String) ReadText(out *string) bool {
	t := *s
	var b []byte
	if !t.readString(Text, &b) || !utf8.Valid(b) {
		return false
	}
	*s, *out = t, string(b)
	return true
}

// ReadArray reads the head of an array and gives the number of its elements, which
// are read next. There are at most as many as bytes left, so that a slice of them
// can be made without further thought.
func (s *String) ReadArray(out *int) bool {
	return s.readCount(Array, 1, out)
}

// ReadMap reads the head of a map and gives the number of its pairs: as many times
// a key and a value are read next. Whether the keys are sorted and different is
// for the caller to see, or for a ReadRaw of the whole map beforehand.
func (s *String) ReadMap(out *int) bool {
	return s.readCount(Map, 2, out)
}

// ReadTag reads a tag number. The item that it tags is read next.
func (s *String) ReadTag(out *uint64) bool {
	return s.readHead(Tag, out)
}

// ReadBool reads false or true.
func (s *String) ReadBool(out *bool) bool {
	m, v, rest, ok := head(*s)
	if !ok || m != Simple || len(*s)-len(rest) != 1 || v != simpleFalse && v != simpleTrue {
		return false
	}
	*s, *out = rest, v == simpleTrue
	return true
}

// ReadNull reads null.
func (s *String) ReadNull() bool {
	if len(*s) == 0 || (*s)[0] != byte(Simple)<<5|simpleNull {
		return false
	}
	*s = (*s)[1:]
	return true
}

// ReadRaw reads one item of any type with all that is nested in it, and gives its
// encoding, which shares the memory of s. All of it is deterministic: also the
// order of the keys in maps and the length of floating-point numbers.
func (s *String) ReadRaw(out *[]byte) bool {
	rest, ok := item(*s, MaxDepth)
	if !ok {
		return false
	}
	n := len(*s) - len(rest)
	*out, *s = (*s)[:n:n], rest
	return true
}

// Skip reads one item as ReadRaw does, and drops it.
func (s *String) Skip() bool {
	var raw []byte
	return s.ReadRaw(&raw)
}

// readHead reads a head of major type m and gives its argument.
func (s *String) readHead(m Major, out *uint64) bool {
	got, v, rest, ok := head(*s)
	if !ok || got != m {
		return false
	}
	*s, *out = rest, v
	return true
}

func (s *String) readString(m Major, out *[]byte) bool {
	t := *s
	var n uint64
	if !t.readHead(m, &n) || n > uint64(len(t)) {
		return false
	}
	*s, *out = t[n:], t[:n:n]
	return true
}

func (s *String) readCount(m Major, each int, out *int) bool {
	t := *s
	var n uint64
	if !t.readHead(m, &n) || n > uint64(len(t)/each) {
		return false
	}
	*s, *out = t, int(n)
	return true
}
