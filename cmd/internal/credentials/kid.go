package credentials

import (
	"crypto/rand"
	"slices"
)

// oneByteKIDs are the key identifiers that a message carries in one byte (RFC
// 9528, Section 3.5.3.2).
var oneByteKIDs = func() (ids [][]byte) {
	for b := range byte(0x18) {
		ids = append(ids, []byte{b})
	}
	for b := range byte(0x18) {
		ids = append(ids, []byte{0x20 + b})
	}
	return ids
}()

// FreeKID gives the shortest key identifier that is not taken.
func FreeKID(taken map[string]bool) []byte {
	if i := slices.IndexFunc(oneByteKIDs, func(id []byte) bool { return !taken[string(id)] }); i >= 0 {
		return oneByteKIDs[i]
	}
	for {
		id := make([]byte, 4)
		_, _ = rand.Read(id) // never fails
		if !taken[string(id)] {
			return id
		}
	}
}
