package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestDemo runs the demonstration, and looks at what it shows.
func TestDemo(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out bytes.Buffer
	if err := runDemo(t.Context(), t.TempDir(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	text := out.String()
	for _, want := range []string{
		"/ access_token / 1: ", "/ nonce1 / 40: h'", "/ ace_client_recipientid / 43: h'",
		"/ nonce2 / 42: h'", "/ ace_server_recipientid / 44: h'",
		"4.03 Forbidden (in OSCORE)", "4.05 Method Not Allowed (in OSCORE)",
		`"Replay detected"`, `"Decryption failed"`, "(secret, 16 bytes)",
		"All 10 steps did what they should.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the demonstration does not show %s", want)
		}
	}
	if got := strings.Count(text, "      ok: "); got != 10 {
		t.Errorf("%d steps are ok, want 10", got)
	}
	if m := regexp.MustCompile(`/ ms / 2: [^(].{20}`).FindString(text); m != "" {
		t.Errorf("the demonstration shows a Master Secret: %s", m)
	}
}
