// Package secret holds byte strings that must not be printed: keys, master
// secrets, pre-shared values.
package secret

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[secret]"

// Bytes is a secret of any length. Every way in which fmt, encoding/json,
// encoding.TextMarshaler users and log/slog show a value gives "[secret]"
// instead. CBOR encoders see the bytes: that is how a key reaches the wire.
//
// Only exported struct fields (and pointers, slices, maps and interfaces over
// them) are safe: fmt calls no methods on the unexported fields of a struct, so
// a struct that keeps a secret in one must not be printed, or must implement
// fmt.Formatter itself.
//
// Bytes is a slice: a copy of the value shares its memory, see Clone. It is safe
// for concurrent use as long as nobody writes to it or calls Erase.
type Bytes []byte

// Equal reports whether b and c hold the same bytes, in a time that depends on
// their lengths only.
func (b Bytes) Equal(c []byte) bool {
	return subtle.ConstantTimeCompare(b, c) == 1
}

// Clone returns a copy that shares no memory with b; nil stays nil.
func (b Bytes) Clone() Bytes {
	return Bytes(bytes.Clone(b))
}

// Erase overwrites the bytes with zeros. Every value that shares b's memory is
// erased with it.
func (b Bytes) Erase() {
	clear(b)
}

// String implements fmt.Stringer.
func (b Bytes) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (b Bytes) GoString() string { return redacted }

// Format implements fmt.Formatter, for every verb and flag.
func (b Bytes) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, redacted) // fmt.State keeps the text in memory
}

// MarshalJSON implements json.Marshaler.
func (b Bytes) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (b Bytes) LogValue() slog.Value { return slog.StringValue(redacted) }
