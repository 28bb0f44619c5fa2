package idalloc

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// A key is an ID in one word: its length in the top byte, its value below.
type key uint64

func keyOf(id ID) key {
	k := key(len(id)) << 56
	return k | key(valueOf(id))
}

func (k key) length() int   { return int(k >> 56) }
func (k key) value() uint64 { return uint64(k) & (1<<56 - 1) }

func (k key) id() ID {
	var b [MaxLen]byte
	n, v := k.length(), k.value()
	for i := n - 1; i >= 0; i-- {
		b[i] = byte(v)
		v >>= 8
	}
	return ID(b[:n])
}

func valueOf(id ID) uint64 {
	var v uint64
	for i := range len(id) {
		v = v<<8 | uint64(id[i])
	}
	return v
}

// size is the number of identifiers of a length.
func size(length int) uint64 { return 1 << (8 * length) }

// A span is the values first..last, both included.
type span struct{ first, last uint64 }

// A space is a set of values, numbered from 0 without gaps.
type space struct {
	spans []span   // ascending, disjoint
	start []uint64 // number of the first value of each span
	n     uint64
}

func newSpace(spans []span) space {
	s := space{spans: spans}
	for _, p := range spans {
		s.start = append(s.start, s.n)
		s.n += p.last - p.first + 1
	}
	return s
}

// at returns the value with number i < s.n.
func (s *space) at(i uint64) uint64 {
	j, found := slices.BinarySearch(s.start, i)
	if !found {
		j--
	}
	return s.spans[j].first + i - s.start[j]
}

// number is the inverse of at.
func (s *space) number(value uint64) (uint64, bool) {
	j, found := slices.BinarySearchFunc(s.spans, value, func(p span, v uint64) int {
		switch {
		case p.last < v:
			return -1
		case p.first > v:
			return 1
		}
		return 0
	})
	if !found {
		return 0, false
	}
	return s.start[j] + value - s.spans[j].first, true
}

// without removes the sorted holes from the sorted, disjoint spans.
func without(spans, holes []span) []span {
	var out []span
	for _, p := range spans {
		gone := false
		for _, h := range holes {
			if h.last < p.first || h.first > p.last {
				continue
			}
			if h.first > p.first {
				out = append(out, span{p.first, h.first - 1})
			}
			if h.last >= p.last {
				gone = true
				break
			}
			p.first = h.last + 1
		}
		if !gone {
			out = append(out, p)
		}
	}
	return out
}

// shortOnWire are the one-byte values that EDHOC sends as one byte: the CBOR
// integers -24..23 (RFC 9528, Section 3.3.2).
var shortOnWire = []span{{0x00, 0x17}, {0x20, 0x37}}

// spaces returns what Allocate may give out of one length, best first.
func spaces(length int, reserved []span) []space {
	all := []span{{0, size(length) - 1}}
	parts := [][]span{all}
	if length == 1 {
		parts = [][]span{shortOnWire, without(all, shortOnWire)}
	}
	var out []space
	for _, p := range parts {
		if s := newSpace(without(p, reserved)); s.n > 0 {
			out = append(out, s)
		}
	}
	return out
}

var errRange = errors.New("range must be two identifiers of one length in ascending order")

// reservedSpans sorts the ranges of each length.
func reservedSpans(ranges []Range) (map[int][]span, error) {
	by := make(map[int][]span)
	for _, r := range ranges {
		if len(r.First) != len(r.Last) || len(r.First) > MaxLen || r.First > r.Last {
			return nil, fmt.Errorf("idalloc: reserve %q to %q: %w", r.First.String(), r.Last.String(), errRange)
		}
		by[len(r.First)] = append(by[len(r.First)], span{valueOf(r.First), valueOf(r.Last)})
	}
	for _, spans := range by {
		slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	}
	return by, nil
}
