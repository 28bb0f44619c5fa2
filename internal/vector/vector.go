// Package vector reads test vectors. Only tests import it.
package vector

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Load reads the JSON file at path, which is relative to the folder of the test,
// into a T. A file that is not there or does not decode ends the test.
func Load[T any](t testing.TB, path string) T {
	t.Helper()
	var v T
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read vectors: %v", err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("decode vectors of %s: %v", path, err)
	}
	return v
}

// Hex is a byte string that JSON shows in hexadecimal, of either case. JSON null
// leaves it nil; "" makes it empty but not nil.
type Hex []byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("decode hex: %w", err)
	}
	*h = b
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, h), nil
}

// String returns the bytes in lower-case hexadecimal.
func (h Hex) String() string { return hex.EncodeToString(h) }

// Bytes decodes s, which may hold white space between the digits. A fault ends
// the test.
func Bytes(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatalf("decode hex: %v", err)
	}
	return b
}
