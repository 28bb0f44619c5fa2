package edhoc

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

// The messages that RFC 9529, Section 4 calls invalid, by its section, with the
// check that must refuse each.
//
//spec:9528-9.8-5
//spec:9528-9.8-6
//spec:9528-9.8-7
//spec:9528-9.2-4
//spec:9528-9.2-5
//spec:9528-3.3.2-1
//spec:9528-3.5.3.2-1
func TestRFC9529Invalid(t *testing.T) {
	expect := map[string]struct {
		suite           SuiteID
		section, reason string
	}{
		"4.1.1": {2, "5.2.1", "malformed METHOD"},
		"4.1.2": {2, "5.2.1", "malformed C_I"},
		"4.1.3": {2, "5.2.1", "malformed SUITES_I"},
		"4.1.4": {2, "5.2.1", "malformed G_X"},
		"4.1.5": {2, "5.3.1", "malformed message_2"},
		"4.1.6": {2, "5.3.2", "malformed ID_CRED_R"},
		"4.1.7": {2, "5.3.2", "malformed ID_CRED_R"},
		"4.2.1": {24, "5.2.3", "invalid ephemeral public key"},
		"4.2.2": {2, "5.2.3", "invalid ephemeral public key"},
		"4.2.3": {2, "5.2.3", "invalid ephemeral public key"},
		"4.2.4": {0, "9.2", "ECDH with the ephemeral key"},
		"4.2.5": {2, "5.3.2", "length of Signature_or_MAC_2"},
		"4.2.6": {2, "5.2.3", "invalid ephemeral public key"},
		"4.3.1": {2, "5.2.1", "malformed METHOD"},
		"4.3.2": {2, "5.2.1", "malformed SUITES_I"},
	}
	v := vector.Load[traces](t, "testdata/rfc9529/traces.json")
	for _, m := range v.Invalid {
		t.Run(m.Section+" "+m.Title, func(t *testing.T) {
			want, ok := expect[m.Section]
			if !ok {
				t.Fatal("not expected in this test")
			}
			delete(expect, m.Section)
			err := process(t, want.suite, m.What, m.Hex)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.Section != want.section || e.Reason != want.reason || e.Code != CodeUnspecified {
				t.Errorf("got code %d, section %s, %q; want 1, %s, %q", e.Code, e.Section, e.Reason, want.section, want.reason)
			}
			if ErrorMessage(err) == nil {
				t.Error("no error message to send")
			}
		})
	}
	if len(expect) > 0 {
		t.Errorf("not tested: %v", expect)
	}
}

// process gives an invalid message to the side that receives it, in method 3.
func process(t *testing.T, suite SuiteID, what string, b []byte) error {
	t.Helper()
	p := pair(t, StaticDHStaticDH, suite)
	switch what {
	case "message_1":
		v, err := p.r.ProcessMessage1(b)
		if err != nil {
			return err
		}
		_, _, err = v.ComposeMessage2("x")
		return err
	case "message_2":
		_, a2, err := p.i.ComposeMessage1("i")
		must(t, err)
		_, err = a2.ProcessMessage2(b)
		return err
	case "PLAINTEXT_2": // encrypted by a Responder that knows the keys
		msg1, a2, err := p.i.ComposeMessage1("i")
		must(t, err)
		v1, err := p.r.ProcessMessage1(msg1)
		must(t, err)
		s := v1.state.v.Load()
		pair, err := newKeyPair(s.suite.Curve, nil)
		must(t, err)
		gXY, err := s.peer.point.ecdh(pair.private)
		must(t, err)
		th2 := transcript2(s.suite.hash, pair.public, s.hash1)
		stream := newPRK2e(s.suite.hash, th2, gXY).keystream2(th2, len(b))
		msg2 := (&message2{pair.public, xor(stream, bytes.Clone(b))}).append(nil)
		_, err = a2.ProcessMessage2(msg2)
		if a2.state.v.Load() != nil {
			t.Error("the state is still there")
		}
		return err
	}
	t.Fatalf("unknown kind of message %q", what)
	return nil
}
