package edhoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

// Every code, to the wire and back.
//
//spec:9528-6-2
//spec:9528-6.1-1
//spec:9528-6.1-3
//spec:9528-6.2-1
//spec:9528-6.4-1
//spec:9528-8-3
func TestErrorMessage(t *testing.T) {
	secretive := "017170726f63657373696e67206661696c6564" // 1, "processing failed"
	for _, c := range []struct {
		err  error
		wire string
		want *PeerError
	}{
		{refuse("5.4.3", "not for the peer", errors.New("nor this")), secretive, &PeerError{Code: 1, Message: "processing failed"}},
		{&Error{Code: CodeSuccess, Section: "6.1"}, secretive, &PeerError{Code: 1, Message: "processing failed"}},
		{&Error{Code: 99}, secretive, &PeerError{Code: 1, Message: "processing failed"}},
		{io.ErrUnexpectedEOF, secretive, &PeerError{Code: 1, Message: "processing failed"}},
		{ErrConnID, secretive, &PeerError{Code: 1, Message: "processing failed"}},
		{malformed("5.2.1", "C_I"), "016d6d616c666f726d656420435f49", &PeerError{Code: 1, Message: "malformed C_I"}},
		{fmt.Errorf("wrapped: %w", &Error{Code: CodeWrongCipherSuite, SuitesR: []SuiteID{2}}), "0202", &PeerError{Code: 2, SuitesR: []SuiteID{2}}},
		{&Error{Code: CodeWrongCipherSuite, SuitesR: []SuiteID{9, 8, -24}}, "0283090837", &PeerError{Code: 2, SuitesR: []SuiteID{9, 8, -24}}},
		{&Error{Code: CodeUnknownCredential}, "03f5", &PeerError{Code: 3}},
		{nil, "", nil},
		{ErrSpent, "", nil},
		{&PeerError{Code: 0}, "", nil},
		{fmt.Errorf("wrapped: %w", &PeerError{Code: 1}), "", nil},
	} {
		got := ErrorMessage(c.err)
		if want := vector.Bytes(t, c.wire); !bytes.Equal(got, want) {
			t.Errorf("%v: %x, want %x", c.err, got, want)
		}
		if c.want == nil {
			continue
		}
		back, err := ParseError(got)
		must(t, err)
		c.want.Info = got[1:]
		if !reflect.DeepEqual(back, c.want) {
			t.Errorf("%x: %+v, want %+v", got, back, c.want)
		}
		if back.Error() == "" {
			t.Error("no text")
		}
	}
}

func TestParseErrorMalformed(t *testing.T) {
	for _, s := range []string{
		"", "01", "0160ff", "016000", "01f5", "0141", "0140", "02", "0280", "028102", "0260", "029f0203ff", "0282024102", "03f4", "03f6", "03", "0300",
		"1801", "180160", "6161", "f5f5", "3bffffffffffffffff60",
	} {
		if e, err := ParseError(vector.Bytes(t, s)); err == nil {
			t.Errorf("%s was read as %+v", s, e)
		}
	}
	for s, code := range map[string]ErrCode{"00f6": 0, "0000": 0, "17a0": 23, "20f7": -1, "1863820102": 99} {
		e, err := ParseError(vector.Bytes(t, s))
		if err != nil || e.Code != code {
			t.Errorf("%s: %+v, %v, want code %d", s, e, err, code)
		}
	}
}

// An error message that comes in place of a message, of whatever code, is told to
// the application and never answered; message_1 is no exception.
//
//spec:9528-6.1-2
//spec:9528-6.1-3
func TestPeerError(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	for _, s := range []string{"00f6", "0160", "01f5", "0202", "03f5", "03f6", "38ff6161"} {
		msg := vector.Bytes(t, s)
		f := runFlow(t, p, 6)
		w := runFlow(t, p, 1)
		_, e1 := f.r.ProcessMessage1(msg)
		_, e2 := w.a2.ProcessMessage2(msg)
		_, e3 := f.a3.ProcessMessage3(msg)
		_, _, e4 := f.sent.ProcessMessage4(msg)
		for n, err := range []error{e1, e2, e3, e4} {
			var e *PeerError
			if !errors.As(err, &e) || ErrorMessage(err) != nil {
				t.Errorf("%s instead of message_%d: %v, answer %x", s, n+1, err, ErrorMessage(err))
			}
		}
		for _, again := range []error{steps[3].do(w), steps[6].do(f), steps[9].do(f)} {
			if !errors.Is(again, ErrSpent) {
				t.Errorf("after %s: %v, want ErrSpent", s, again)
			}
		}
	}
}

// The two examples of RFC 9528, Section 6.3.2, with suites that exist: the Initiator
// supports 0, 1, 2, 3 and 4 instead of 5 to 9.
//
//spec:9528-5.2.2-1
//spec:9528-5.2.2-2
//spec:9528-5.2.2-3
//spec:9528-5.2.2-4
//spec:9528-6.3-1
//spec:9528-6.3-2
//spec:9528-6.3-3
//spec:9528-6.3.1-1
//spec:9528-6.3.1-2
func TestNegotiation(t *testing.T) {
	var ids []Identity
	for _, c := range []Curve{P256, Ed25519} {
		ids = append(ids, testIdentity(t, c, false, "initiator"))
	}
	i, err := NewInitiator(Config{Methods: []Method{0}, Suites: []SuiteID{0, 1, 2, 3, 4}, Identities: ids})
	must(t, err)
	for _, c := range []struct {
		name     string
		supports []SuiteID
		first    []SuiteID // what the Responder is taken to support at first
		suitesI  [][]SuiteID
		code2    int
	}{
		{"example 1", []SuiteID{1}, nil, [][]SuiteID{{0}, {0, 1}}, 1},
		{"example 2", []SuiteID{4, 3}, []SuiteID{1}, [][]SuiteID{{0, 1}, {0, 1, 2, 3}}, 1},
		{"note 1", []SuiteID{0, 4}, []SuiteID{1}, [][]SuiteID{{0, 1}, {0}}, 1},
		{"at once", []SuiteID{0, 2}, nil, [][]SuiteID{{0}}, 0},
		{"a less preferred one selected", []SuiteID{3, 1, 0}, []SuiteID{3}, [][]SuiteID{{0, 1, 2, 3}, {0}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := NewResponder(Config{Methods: []Method{0}, Suites: c.supports, Identities: []Identity{
				testIdentity(t, P256, false, "responder"), testIdentity(t, Ed25519, false, "responder"),
			}})
			must(t, err)
			i := i
			if c.first != nil {
				i, err = i.Retry(&PeerError{Code: CodeWrongCipherSuite, SuitesR: c.first})
				must(t, err)
			}
			errorsSeen := 0
			public := map[string]bool{}
			for n, want := range c.suitesI {
				msg1, a2, err := i.ComposeMessage1("\x01")
				must(t, err)
				m, err := parseMessage1(msg1)
				must(t, err)
				if got := append(m.preferred, m.selected); !reflect.DeepEqual(got, want) {
					t.Errorf("SUITES_I = %v, want %v", got, want)
				}
				if public[string(m.gX)] {
					t.Error("the same ephemeral key again")
				}
				public[string(m.gX)] = true
				v1, err := r.ProcessMessage1(msg1)
				if n == len(c.suitesI)-1 {
					must(t, err)
					if !reflect.DeepEqual(v1.SuitesI, want) {
						t.Errorf("the Responder sees %v, want %v", v1.SuitesI, want)
					}
					break
				}
				var e *Error
				if !errors.As(err, &e) || e.Code != CodeWrongCipherSuite || !reflect.DeepEqual(e.SuitesR, c.supports) {
					t.Fatalf("got %v, want code 2 with %v", err, c.supports)
				}
				errorsSeen++
				_, err = a2.ProcessMessage2(ErrorMessage(err))
				var pe *PeerError
				if !errors.As(err, &pe) {
					t.Fatalf("got %v, want a *PeerError", err)
				}
				i, err = i.Retry(pe)
				must(t, err)
			}
			if errorsSeen != c.code2 {
				t.Errorf("%d errors, want %d", errorsSeen, c.code2)
			}
		})
	}
	for _, e := range []*PeerError{{Code: 2, SuitesR: []SuiteID{5, 6, 25}}, {Code: 2, SuitesR: []SuiteID{0}}, {Code: 2, SuitesR: []SuiteID{0, 1}}} {
		if _, err := i.Retry(e); !errors.Is(err, ErrNoCommonSuite) {
			t.Errorf("retry with %v: %v, want ErrNoCommonSuite", e.SuitesR, err)
		}
	}
	if _, err := i.Retry(&PeerError{Code: 1}); !errors.Is(err, ErrConfig) {
		t.Errorf("retry after code 1: %v", err)
	}
	// A GREASE suite that comes back ends it.
	g, err := NewInitiator(Config{Methods: []Method{0}, Suites: []SuiteID{41120, 0}, Identities: ids})
	must(t, err)
	if _, err := g.Retry(&PeerError{Code: 2, SuitesR: []SuiteID{41120}}); !errors.Is(err, ErrNoCommonSuite) {
		t.Errorf("retry with a GREASE suite: %v", err)
	}
}

// Every permutation of SUITES_I: accepted only if the selected suite is the first
// that the Responder supports.
//
//spec:9528-6.3.1-1
//spec:9528-6.3-3
func TestSuitesIPermutations(t *testing.T) {
	r := pair(t, StaticDHStaticDH, 2, func(_, r *Config) { r.Suites = []SuiteID{3, 2} }).r
	msg1 := runFlow(t, pair(t, StaticDHStaticDH, 2), 1).msg1
	m, err := parseMessage1(msg1)
	must(t, err)
	all := []SuiteID{0, 2, 3, 24}
	var visit func(list []SuiteID)
	n := 0
	visit = func(list []SuiteID) {
		if len(list) > 0 {
			n++
			m.preferred, m.selected = list[:len(list)-1], list[len(list)-1]
			want := m.selected == 2 || m.selected == 3
			for _, s := range m.preferred {
				want = want && s != 2 && s != 3
			}
			_, err := r.ProcessMessage1(m.append(nil))
			if (err == nil) != want {
				t.Errorf("SUITES_I %v: %v, accepted should be %t", list, err, want)
			}
			var e *Error
			if err != nil && (!errors.As(err, &e) || e.Code != CodeWrongCipherSuite || len(e.SuitesR) != 2) {
				t.Errorf("SUITES_I %v: %v, want code 2", list, err)
			}
		}
		for _, s := range all {
			used := false
			for _, u := range list {
				used = used || u == s
			}
			if !used {
				visit(append(list[:len(list):len(list)], s))
			}
		}
	}
	visit(nil)
	if n != 64 {
		t.Errorf("%d permutations", n)
	}
}

// A method that the Responder has not been told to accept.
func TestMethodNotSupported(t *testing.T) {
	p := pair(t, StaticDHStaticDH, 2)
	m, err := parseMessage1(runFlow(t, p, 1).msg1)
	must(t, err)
	for _, method := range []Method{0, 1, 2, 4, 23, -1, 1 << 40} {
		m.method = method
		_, err := p.r.ProcessMessage1(m.append(nil))
		var e *Error
		if !errors.As(err, &e) || e.Section != "3.2" || e.Code != CodeUnspecified {
			t.Errorf("method %v: %v", method, err)
		}
	}
}

// An *Error says where and why, and gives its cause.
func TestErrorText(t *testing.T) {
	cause := errors.New("cause")
	e := refuse("9.2", "reason", cause)
	if got, want := e.Error(), "edhoc: reason (RFC 9528, Section 9.2): cause"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(e, cause) {
		t.Error("the cause is not wrapped")
	}
	for _, m := range []Method{0, 1, 2, 3, 4} {
		if m.String() == "" {
			t.Error("method without name")
		}
	}
}

// A good message costs nothing to be told from an error message.
func TestGoodMessageIsNoError(t *testing.T) {
	f := runFlow(t, pair(t, SignatureSignature, 2), len(steps))
	for name, msg := range map[string][]byte{"message_1": f.msg1, "message_2": f.msg2, "message_3": f.msg3, "message_4": f.msg4, "nothing": nil} {
		if err := peerError(msg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := testing.AllocsPerRun(100, func() { _ = peerError(msg) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
