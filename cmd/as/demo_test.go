package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/client"
)

// TestDemo runs the demonstration, and looks at what it shows.
func TestDemo(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out bytes.Buffer
	if err := runDemo(t.Context(), t.TempDir(), &out, slog.New(slog.DiscardHandler)); err != nil {
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

// TestNoSecretIsLoggedOrShown: at the level of debug, and for refused requests
// too, no key appears in any spelling.
func TestNoSecretIsLoggedOrShown(t *testing.T) {
	var out, logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d, err := newDemo(t.Context(), t.TempDir(), &tracer{w: &out}, log)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range d.steps()[:5] {
		if _, err := step.run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	access := d.alice.access
	_, err = d.alice.party.client.Token(t.Context(), client.Request{Audience: demoAudience, Scope: ace.TextScope("everything")})
	if err == nil {
		t.Error("a scope that no policy knows was granted")
	}
	refusal := fmt.Sprintf("%v %+v %#v", err, err, err)
	if err := d.close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(logged.String(), "token issued") || !strings.Contains(logged.String(), "token refused") {
		t.Errorf("the log does not tell what happened:\n%s", logged.String())
	}
	secrets := map[string][]byte{
		"Master Secret of alice and as": d.people["alice"].OSCORE.MasterSecret.Bytes,
		"Master Secret of bob and as":   d.people["bob"].OSCORE.MasterSecret.Bytes,
		"Master Secret of alice and rs": access.Material.MasterSecret,
	}
	for i, r := range d.known {
		secrets[fmt.Sprintf("token key %d", i)] = r.TokenKey.Key.Bytes
	}
	all := logged.String() + out.String() + refusal + fmt.Sprintf("%v %+v %#v %v", access, access, *access, d.people["alice"])
	for name, s := range secrets {
		for _, spelling := range []string{
			string(s), hex.EncodeToString(s), strings.ToUpper(hex.EncodeToString(s)), fmt.Sprint(s), fmt.Sprintf("%#v", s),
			fmt.Sprintf("%q", s), base64.StdEncoding.EncodeToString(s), base64.RawURLEncoding.EncodeToString(s),
		} {
			if strings.Contains(all, spelling) {
				t.Errorf("%s is shown as %q", name, spelling)
			}
		}
	}
}
