//go:build !race

package ccm_test

import "testing"

// TestAllocatesNothing does not run under the race detector, where sync.Pool drops
// what it is given.
func TestAllocatesNothing(t *testing.T) {
	a := newAEAD(t, 16, 13, 8)
	sealed, plain := make([]byte, 0, 38), make([]byte, 0, 30)
	nonce, aad, message := make([]byte, 13), make([]byte, 20), make([]byte, 30)
	if got := testing.AllocsPerRun(1000, func() {
		sealed = a.Seal(sealed[:0], nonce, message, aad)
	}); got != 0 {
		t.Errorf("Seal: %v allocations, want 0", got)
	}
	if got := testing.AllocsPerRun(1000, func() {
		var err error
		if plain, err = a.Open(plain[:0], nonce, sealed, aad); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("Open: %v allocations, want 0", got)
	}
}
