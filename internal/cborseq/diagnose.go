package cborseq

import (
	"encoding/hex"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// Diagnose shows a CBOR sequence in diagnostic notation (RFC 8949, Section 8),
// its items separated by commas. From the first byte that is not CBOR on it shows
// the rest in hexadecimal, behind "malformed". The text shows everything, keys
// too: it is for tests and for data that is not secret.
func Diagnose(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		if out.Len() > 0 {
			out.WriteString(", ")
		}
		text, rest, err := cbor.DiagnoseFirst(b)
		if err != nil || len(rest) >= len(b) {
			out.WriteString("malformed h'" + hex.EncodeToString(b) + "'")
			break
		}
		out.WriteString(text)
		b = rest
	}
	return out.String()
}
