package edhocrunner

import (
	"math"
	"slices"
	"strconv"
)

// Wide writes an item again with a head whose argument has size bytes: 1, 2, 4 or 8.
// It gives nil if the head is no shorter than that already.
func Wide(item []byte, size int) []byte {
	major, arg, rest, err := readHead(item)
	if err != nil || major == majorSimple || len(head(major, arg)) >= 1+size {
		return nil
	}
	return append(wideHead(major, arg, size), rest...)
}

// Indefinite writes a string, an array or a map again with an indefinite length; a string
// becomes one chunk. It gives nil for other items.
func Indefinite(item []byte) []byte {
	major, _, rest, err := readHead(item)
	if err != nil || major < majorBytes || major > majorMap {
		return nil
	}
	if major <= majorText {
		rest = item
	}
	return append(append([]byte{major<<5 | 31}, rest...), 0xff)
}

// Misspellings gives the other ways of writing the same item: heads that are too long,
// indefinite lengths, integers as bignums, each for the item and for those inside it.
func Misspellings(item []byte) [][]byte {
	major, arg, rest, err := readHead(item)
	if err != nil {
		return nil
	}
	var all [][]byte
	for _, size := range []int{1, 2, 4, 8} {
		if b := Wide(item, size); b != nil {
			all = append(all, b)
		}
	}
	if b := Indefinite(item); b != nil {
		all = append(all, b)
	}
	switch major {
	case majorUint, majorNint:
		all = append(all, Tag(2+uint64(major), Bytes([]byte{byte(arg)}))) // of a small one
	case majorBytes, majorText:
		if n := len(rest); n > 1 { // two chunks
			chunks := append(append(head(major, 1), rest[0]), append(head(major, uint64(n-1)), rest[1:]...)...)
			all = append(all, slices.Concat([]byte{major<<5 | 31}, chunks, []byte{0xff}))
		}
	case majorArray, majorMap, majorTag:
		inside, err := Split(rest)
		if err != nil {
			return all
		}
		start := item[:len(item)-len(rest)]
		for i, it := range inside {
			for _, b := range Misspellings(it) {
				changed := slices.Clone(inside)
				changed[i] = b
				all = append(all, slices.Concat(start, Sequence(changed...)))
			}
		}
	}
	return all
}

// Mistypings gives items of other types that a careless reader may take for an integer: a
// floating-point number, a text, and the byte string of an integer of -24..23.
func Mistypings(item []byte) [][]byte {
	v, err := integer(item)
	if err != nil {
		return nil
	}
	all := [][]byte{Text(strconv.FormatInt(v, 10))}
	single := math.Float32bits(float32(v))
	all = append(all, append([]byte{0xfa}, byte(single>>24), byte(single>>16), byte(single>>8), byte(single)))
	if oneByteInt(item) {
		all = append(all, Bytes(item))
	}
	return all
}
