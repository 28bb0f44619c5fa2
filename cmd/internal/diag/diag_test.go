package diag

import (
	"strings"
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/internal/secret"
)

func TestACE(t *testing.T) {
	scope := ace.AIFScope(ace.AIF{{Path: "/value", Methods: ace.GET | ace.PUT}})
	response := (&ace.TokenResponse{
		AccessToken: make([]byte, 40),
		ExpiresIn:   60,
		Scope:       scope,
		Cnf: &ace.Confirmation{OSCORE: &ace.OSCOREInputMaterial{
			ID: []byte{1}, MasterSecret: secret.Bytes("0123456789abcdef"), Salt: []byte{0xaa},
		}},
	}).Append(nil)
	got := ACE(response)
	for _, want := range []string{
		"/ access_token / 1: h'0000000000000000' .. (40 bytes)",
		"/ expires_in / 2: 60",
		"/ cnf / 8: {/ osc / 4: {/ id / 0: h'01', / ms / 2: (secret, 16 bytes), / salt / 5: h'aa'}}",
		`/ [["/value",5]] /`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want it to hold %s", got, want)
		}
	}
	if strings.Contains(got, "30313233") {
		t.Errorf("the Master Secret is in %s", got)
	}
}

func TestACEOfOtherBytes(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "(no payload)"},
		{"not CBOR", "\xff", "(not CBOR) h'ff'"},
		{"error", "\xa1\x18\x1e\x06", "{/ error / 30: 6 / invalid_scope /}"},
		{"unknown member", "\xa1\x19\x01\x00\x01", "{256: 1}"},
		{"two items", "\x01\x02", "(not CBOR) h'0102'"},
	} {
		if got := ACE([]byte(c.in)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
