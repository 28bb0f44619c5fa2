package edhoc

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

// Recorded handshakes with lakers, an independent implementation, in both roles: by
// kid and by value, with message_4 and without.
func TestLakersTranscripts(t *testing.T) {
	type run struct {
		Role           string
		Credentials    string
		Message4       bool
		Ephemeral      vector.Hex
		Messages       []vector.Hex
		MasterSecret   vector.Hex `json:"master_secret"`
		MasterSalt     vector.Hex `json:"master_salt"`
		AfterKeyUpdate vector.Hex `json:"after_key_update"`
	}
	v := vector.Load[struct{ Runs []run }](t, "testdata/lakers/transcripts.json")
	if len(v.Runs) != 8 {
		t.Fatalf("%d runs", len(v.Runs))
	}
	rfc := newTrace(t, vector.Load[traces](t, "testdata/rfc9529/traces.json").Trace2)
	for _, run := range v.Runs {
		t.Run(run.Role+" "+run.Credentials, func(t *testing.T) {
			identity := func(x string) Identity {
				cred, err := ParseCCS(rfc.get("CRED_" + x + "_cbor"))
				must(t, err)
				key, err := NewStaticDHKey(P256, rfc.get("SK_"+x+"_raw"))
				must(t, err)
				id := KID(cred.KID())
				if run.Credentials == "value" {
					id = cred.ByValue()
				}
				return Identity{cred, id, key}
			}
			idI, idR := identity("I"), identity("R")
			own := map[string]Identity{"initiator": idI, "responder": idR}[run.Role]
			config := Config{
				Methods: []Method{StaticDHStaticDH}, Suites: []SuiteID{2}, Identities: []Identity{own}, Rand: bytes.NewReader(run.Ephemeral),
			}
			next := 0
			message := func() []byte { next++; return run.Messages[next-1] }
			want := func(got []byte) {
				t.Helper()
				if m := message(); !bytes.Equal(got, m) {
					t.Errorf("message_%d = %x, want %x", next, got, m)
				}
			}
			var s *Session
			if run.Role == "initiator" {
				i, err := NewInitiator(config)
				must(t, err)
				msg1, a2, err := i.ComposeMessage1("\x37", EADItem{Label: 160, Value: []byte("grease")})
				must(t, err)
				want(msg1)
				r2, err := a2.ProcessMessage2(message())
				must(t, err)
				if !idR.Credential.Matches(r2.IDCredR) {
					t.Errorf("ID_CRED_R %x does not match", r2.IDCredR.Header())
				}
				v2, err := r2.Verify(idR.Credential)
				must(t, err)
				msg3, sent, err := v2.ComposeMessage3()
				must(t, err)
				want(msg3)
				if run.Message4 {
					s, _, err = sent.ProcessMessage4(message())
				} else {
					s, err = sent.WithoutMessage4()
				}
				must(t, err)
			} else {
				r, err := NewResponder(config)
				must(t, err)
				v1, err := r.ProcessMessage1(message())
				must(t, err)
				msg2, a3, err := v1.ComposeMessage2("\x27")
				must(t, err)
				want(msg2)
				r3, err := a3.ProcessMessage3(message())
				must(t, err)
				if !idI.Credential.Matches(r3.IDCredI) {
					t.Errorf("ID_CRED_I %x does not match", r3.IDCredI.Header())
				}
				v3, err := r3.Verify(idI.Credential)
				must(t, err)
				var msg4 []byte
				if run.Message4 {
					msg4, s, err = v3.ComposeMessage4()
					want(msg4)
				} else {
					s, err = v3.WithoutMessage4()
				}
				must(t, err)
			}
			if next != len(run.Messages) {
				t.Errorf("%d of %d messages", next, len(run.Messages))
			}
			export := func(label uint16, n int, want []byte) {
				t.Helper()
				got, err := s.Export(label, nil, n)
				must(t, err)
				if !got.Equal(want) {
					t.Errorf("export of label %d: %x, want %x", label, []byte(got), want)
				}
			}
			export(0, 16, run.MasterSecret)
			export(1, 8, run.MasterSalt)
			must(t, s.KeyUpdate([]byte("ctx")))
			export(0, 16, run.AfterKeyUpdate)
		})
	}
}
