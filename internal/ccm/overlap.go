package ccm

import "unsafe"

// checkOverlap panics unless out and in begin at the same byte or share none, and
// out and additionalData share none. Broken invariant: buffers are chosen by our
// caller, never by a peer.
func checkOverlap(out, in, additionalData []byte) {
	if overlap(out, in) && &out[0] != &in[0] {
		panic("ccm: invalid buffer overlap of output and input")
	}
	if overlap(out, additionalData) {
		panic("ccm: invalid buffer overlap of output and additional data")
	}
}

// overlap compares addresses only; it keeps no pointer.
func overlap(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	aStart := uintptr(unsafe.Pointer(&a[0]))
	bStart := uintptr(unsafe.Pointer(&b[0]))
	return aStart < bStart+uintptr(len(b)) && bStart < aStart+uintptr(len(a))
}
