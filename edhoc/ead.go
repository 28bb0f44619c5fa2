package edhoc

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"slices"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// An EADItem is an item of external authorization data (RFC 9528, Section 3.8).
// EDHOC does not look into its value.
//
// EAD_1 and EAD_2 travel unprotected or to somebody who is not authenticated yet;
// EAD_3 is authenticated once Verify has returned, EAD_4 as soon as it is there.
type EADItem struct {
	Label    int64  // 0..65535, as registered, without sign
	Critical bool   // the sign of ead_label: the receiver must process it or abort
	Value    []byte // ead_value; nil if there is none, which differs from empty
}

const (
	labelPadding  = 0
	labelReserved = 23
	maxLabel      = 65535
)

// appendEAD appends the items of an EAD field.
//
//spec:9528-8-4
func appendEAD(dst []byte, items []EADItem) []byte {
	for _, it := range items {
		label := it.Label
		if it.Critical {
			label = -label
		}
		dst = cborseq.AppendInt(dst, label)
		if it.Value != nil {
			dst = cborseq.AppendBytes(dst, it.Value)
		}
	}
	return dst
}

// checkEAD refuses items that may not be sent.
func checkEAD(items []EADItem) error {
	for _, it := range items {
		//spec:9528-3.8-3
		if it.Label < 0 || it.Label > maxLabel || it.Label == labelReserved {
			return misuse("EAD label %d is not one of the registry", it.Label)
		}
		if it.Label == labelPadding && it.Critical {
			return misuse("padding cannot be critical")
		}
	}
	return nil
}

// readEAD reads an EAD field, to the end of the message.
func readEAD(s *cborseq.String, out *[]EADItem) bool {
	for !s.Empty() {
		var it EADItem
		var label int64
		if !s.ReadInt(&label) {
			return false
		}
		if it.Label = label; label < 0 {
			// The encoding of the least int64 has no absolute value: no such label.
			if it.Label, it.Critical = -label, true; it.Label < 0 {
				return false
			}
		}
		if m, ok := s.PeekMajor(); ok && m == cborseq.Bytes && !s.ReadBytes(&it.Value) {
			return false
		}
		*out = append(*out, it)
	}
	return true
}

// recognize gives the items that the application knows. Padding and unknown items
// fall away, as GREASE does with them; an unknown item that is critical aborts.
func recognize(items []EADItem, labels []int64) ([]EADItem, *Error) {
	var known []EADItem
	for _, it := range items {
		switch {
		//spec:9528-3.8.1-1
		case it.Label == labelPadding:
		case slices.Contains(labels, it.Label):
			it.Value = slices.Clone(it.Value) // the state keeps its own
			known = append(known, it)
		//spec:9528-3.8-1
		//spec:9528-3.8-2
		case it.Critical:
			return nil, refuse("3.8", "unknown critical EAD item", nil)
		}
	}
	return known, nil
}

// Padding makes EAD items that take n bytes in a message and mean nothing (RFC
// 9528, Section 3.8.1), at most 65536. The filling is read from random, which is
// crypto/rand.Reader if nil.
func Padding(n int, random io.Reader) ([]EADItem, error) {
	if n < 0 || n > 1<<16 {
		return nil, misuse("padding of %d bytes", n)
	}
	if random == nil {
		random = rand.Reader
	}
	var items []EADItem
	for n > 0 {
		size := min(n, 1<<8) // of this item: a label of one byte, a head, the filling
		var fill int
		switch {
		case size == 1:
			items, n = append(items, EADItem{}), n-1
			continue
		case size <= 1+1+23:
			fill = size - 1 - 1
		case size == 1+1+24: // a filling of 24 bytes has a head of two
			size, fill = size-1, 23
		default:
			fill = size - 1 - 2
		}
		it := EADItem{Value: make([]byte, fill)}
		if _, err := io.ReadFull(random, it.Value); err != nil {
			return nil, err
		}
		items, n = append(items, it), n-size
	}
	return items, nil
}

// greaseLabels are reserved to mean nothing (draft-ietf-lake-edhoc-grease,
// Section 2).
var greaseLabels = [...]int64{160, 41120, 43690, 44975}

// grease makes at random, for one message of 64, an item that the peer must
// ignore, in the pattern of draft-ietf-lake-edhoc-grease, Section 2.1.1.
func grease(items []EADItem, random io.Reader) ([]EADItem, error) {
	var b [4]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, err
	}
	if b[0]%64 != 0 {
		return items, nil
	}
	n := 9 + int(binary.BigEndian.Uint16(b[2:]))%32
	it := EADItem{Label: greaseLabels[int(b[1])%len(greaseLabels)], Value: make([]byte, n)}
	if _, err := io.ReadFull(random, it.Value); err != nil {
		return nil, err
	}
	return append(slices.Clip(items), it), nil
}
