package edhocrunner

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The major types of CBOR (RFC 8949, Section 3.1).
const (
	majorUint = iota
	majorNint
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

// Int writes an integer.
func Int(v int64) []byte {
	if v < 0 {
		return head(majorNint, uint64(-1-v))
	}
	return head(majorUint, uint64(v))
}

// Bytes writes a byte string.
func Bytes(v []byte) []byte { return append(head(majorBytes, uint64(len(v))), v...) }

// Text writes a text string.
func Text(v string) []byte { return append(head(majorText, uint64(len(v))), v...) }

// Array writes an array of items.
func Array(items ...[]byte) []byte {
	return append(head(majorArray, uint64(len(items))), Sequence(items...)...)
}

// Map writes a map of keys and values by turns, in the order given.
func Map(items ...[]byte) []byte {
	return append(head(majorMap, uint64(len(items)/2)), Sequence(items...)...)
}

// Tag writes a tag and its content.
func Tag(number uint64, item []byte) []byte { return append(head(majorTag, number), item...) }

// Sequence writes items one after the other (RFC 8742).
func Sequence(items ...[]byte) []byte {
	b := []byte{} // not nil: an empty plaintext is one
	for _, it := range items {
		b = append(b, it...)
	}
	return b
}

// Identifier writes a byte string identifier: as it is, if that is the encoding of an
// integer of -24..23, or else as a byte string (RFC 9528, Section 3.3.2).
func Identifier(id []byte) []byte {
	if oneByteInt(id) {
		return id
	}
	return Bytes(id)
}

func oneByteInt(b []byte) bool {
	return len(b) == 1 && (b[0] <= 0x17 || b[0] >= 0x20 && b[0] <= 0x37)
}

// head writes the head of an item with the shortest argument.
func head(major byte, arg uint64) []byte {
	switch {
	case arg < 24:
		return []byte{major<<5 | byte(arg)}
	case arg < 1<<8:
		return wideHead(major, arg, 1)
	case arg < 1<<16:
		return wideHead(major, arg, 2)
	case arg < 1<<32:
		return wideHead(major, arg, 4)
	}
	return wideHead(major, arg, 8)
}

// wideHead writes a head with an argument of 1, 2, 4 or 8 bytes.
func wideHead(major byte, arg uint64, size int) []byte {
	info := map[int]byte{1: 24, 2: 25, 4: 26, 8: 27}[size]
	b := binary.BigEndian.AppendUint64(nil, arg)
	return append([]byte{major<<5 | info}, b[8-size:]...)
}

var errCBOR = errors.New("edhocrunner: not deterministic CBOR")

// Split takes a sequence apart into its items, still encoded. It accepts what the
// functions above write: the shortest heads, and no indefinite lengths.
func Split(seq []byte) ([][]byte, error) {
	var items [][]byte
	for len(seq) > 0 {
		rest, err := skip(seq)
		if err != nil {
			return nil, err
		}
		items = append(items, seq[:len(seq)-len(rest)])
		seq = rest
	}
	return items, nil
}

// readHead reads a head; rest is what follows it.
func readHead(b []byte) (major byte, arg uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, 0, nil, fmt.Errorf("%w: it ends early", errCBOR)
	}
	major = b[0] >> 5
	info := b[0] & 0x1f
	if info < 24 {
		return major, uint64(info), b[1:], nil
	}
	if info > 27 {
		return 0, 0, nil, fmt.Errorf("%w: head %#02x", errCBOR, b[0])
	}
	size := 1 << (info - 24)
	if len(b) < 1+size {
		return 0, 0, nil, fmt.Errorf("%w: it ends early", errCBOR)
	}
	for _, c := range b[1 : 1+size] {
		arg = arg<<8 | uint64(c)
	}
	if major != majorSimple && len(head(major, arg)) != 1+size {
		return 0, 0, nil, fmt.Errorf("%w: head longer than needed", errCBOR)
	}
	return major, arg, b[1+size:], nil
}

// skip gives what follows the first item.
func skip(b []byte) ([]byte, error) {
	major, arg, rest, err := readHead(b)
	if err != nil {
		return nil, err
	}
	switch major {
	case majorBytes, majorText:
		if arg > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: it ends early", errCBOR)
		}
		return rest[arg:], nil
	case majorArray, majorMap, majorTag:
		count := map[byte]uint64{majorArray: arg, majorMap: 2 * arg, majorTag: 1}[major]
		for ; count > 0; count-- {
			if rest, err = skip(rest); err != nil {
				return nil, err
			}
		}
	}
	return rest, nil
}

// content gives the bytes of a byte string or of a text string.
func content(item []byte, major byte) ([]byte, error) {
	got, arg, rest, err := readHead(item)
	if err != nil {
		return nil, err
	}
	if got != major || arg != uint64(len(rest)) {
		return nil, fmt.Errorf("%w: major type %d in %x", errCBOR, got, item)
	}
	return rest, nil
}

// integer gives the value of an integer.
func integer(item []byte) (int64, error) {
	major, arg, rest, err := readHead(item)
	switch {
	case err != nil:
		return 0, err
	case len(rest) > 0 || major > majorNint || arg > 1<<63-1:
		return 0, fmt.Errorf("%w: %x is no integer", errCBOR, item)
	case major == majorNint:
		return -1 - int64(arg), nil
	}
	return int64(arg), nil
}
