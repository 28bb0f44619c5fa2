package settings

import (
	"encoding/hex"
	"errors"
	"time"

	"github.com/ostiary/ostiary/internal/secret"
)

var errHex = errors.New("want an even number of hexadecimal digits")

// Hex is a byte string that a file holds in hexadecimal.
type Hex []byte

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := hex.AppendDecode([]byte{}, text)
	if err != nil {
		return errHex
	}
	*h = b
	return nil
}

// Secret is a key that a file holds in hexadecimal. Only MarshalText, with
// which a file is written, gives it away.
type Secret struct{ Bytes secret.Bytes }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s.Bytes), nil }

// UnmarshalText implements encoding.TextUnmarshaler. Its errors do not repeat
// the text.
func (s *Secret) UnmarshalText(text []byte) error {
	b, err := hex.AppendDecode([]byte{}, text)
	if err != nil {
		return errHex
	}
	s.Bytes = b
	return nil
}

// String implements fmt.Stringer, and hides the key.
func (s Secret) String() string { return s.Bytes.String() }

// Duration is a time span that a file holds as "90s" or "1h".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return errors.New(`want a duration such as "90s" or "1h"`)
	}
	*d = Duration(v)
	return nil
}
