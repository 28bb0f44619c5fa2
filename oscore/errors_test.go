package oscore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

// TestErrorBytes is every unprotected answer, byte by byte: the code, an empty Max-Age
// option (0), and the diagnostic payload of RFC 8613.
//
//spec:8613-8.2-3
//spec:8613-8.2-4
//spec:8613-7.4-2
func TestErrorBytes(t *testing.T) {
	hexOf := func(s string) string { return vector.Hex(s).String() }
	for _, v := range []struct {
		err  error
		want string
	}{
		{errDecode, "82d001ff" + hexOf("Failed to decode COSE")},
		{errNoContext, "81d001ff" + hexOf("Security context not found")},
		{errReplay, "81d001ff" + hexOf("Replay detected")},
		{errDecrypt, "80d001ff" + hexOf("Decryption failed")},
		{errPlaintext, "80d001ff" + hexOf("Decryption failed")},
		{errWorn, "81d001ff" + hexOf("Security context not found")},
		{errDecrypt.uniform(), "81d001"},
		{fmt.Errorf("wrapped: %w", errReplay), "81d001ff" + hexOf("Replay detected")},
		{ErrSequence, "a3d001"},
		{ErrDiscarded, "a3d001"},
		{ErrUnprotected, "a3d001"},
		{errStore, "a3d001"},
		{&Challenge{}, "a3d001"}, // nothing to send, and nothing in clear
	} {
		m := ErrorMessage(v.err)
		b, _, err := split(nil, nil, &m, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := vector.Hex(b).String(); got != v.want {
			t.Errorf("%v: answer %s, want %s", v.err, got, v.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, err := range []error{errDecode, errNoContext, errReplay, errDecrypt, errWorn, &Challenge{Section: "B.2"}, &Retry{Section: "B.1.2"}} {
		if text := err.Error(); !strings.HasPrefix(text, "oscore: ") || !strings.Contains(text, "RFC 8613") {
			t.Errorf("error text %q", text)
		}
	}
	if !errors.Is(errWorn, ErrKeyLimit) || errors.Is(errReplay, ErrKeyLimit) {
		t.Error("Unwrap does not return the cause")
	}
	u := errReplay.uniform()
	if u.Reason != errReplay.Reason || u.Section != errReplay.Section {
		t.Errorf("the log of a uniform error shows %q of %q", u.Reason, u.Section)
	}
}
