package store

import (
	"errors"
	"path/filepath"
	"testing"
)

// TestClaim: one Store has the claim, until it is closed; the others can be used
// without it.
func TestClaim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", "db")
	first, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	for range 2 { // the second time it has it already
		if err := first.Claim(); err != nil {
			t.Fatalf("Claim: %v", err)
		}
	}
	if err := second.Claim(); !errors.Is(err, ErrClaimed) {
		t.Errorf("Claim of what another has: got %v, want %v", err, ErrClaimed)
	}
	if err := second.AddEvent(t.Context(), Event{Kind: "test"}); err != nil {
		t.Errorf("change without the claim: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Claim(); err != nil {
		t.Errorf("Claim after Close of the other: %v", err)
	}
}
