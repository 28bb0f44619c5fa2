package edhoc

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

// seeds adds the named values of both traces of RFC 9529, and its invalid messages.
func seeds(f *testing.F, names ...string) {
	f.Helper()
	v := vector.Load[traces](f, "testdata/rfc9529/traces.json")
	for _, tr := range []map[string]any{v.Trace1, v.Trace2, v.First} {
		for _, name := range names {
			if s, ok := tr[name].(string); ok {
				f.Add(vector.Bytes(f, s))
			}
		}
	}
	for _, m := range v.Invalid {
		f.Add([]byte(m.Hex))
	}
}

// same fails unless what was accepted is written again as it was.
func same(t *testing.T, in, out []byte) {
	t.Helper()
	if !bytes.Equal(in, out) {
		t.Errorf("accepted %x, writes %x", in, out)
	}
}

func FuzzParseMessage1(f *testing.F) {
	seeds(f, "message_1")
	r := pair(f, StaticDHStaticDH, 2).r
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseMessage1(b); err == nil {
			same(t, b, m.append(nil))
		}
		v1, err := r.ProcessMessage1(b)
		if err == nil {
			_, _, err = v1.ComposeMessage2("\x02")
			if errors.Is(err, ErrConnID) {
				return
			}
		}
		var e *Error
		var pe *PeerError
		if err != nil && !errors.As(err, &e) && !errors.As(err, &pe) {
			t.Errorf("%x: %v", b, err)
		}
	})
}

func FuzzParseMessage2(f *testing.F) {
	seeds(f, "message_2", "PLAINTEXT_2")
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseMessage2(b, 32); err == nil {
			same(t, b, m.append(nil))
		}
		if m, err := parsePlaintext2(b); err == nil {
			same(t, b, m.append(nil))
		}
	})
}

func FuzzParseMessage3(f *testing.F) {
	seeds(f, "message_3", "PLAINTEXT_3")
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseMessage3(b); err == nil {
			same(t, b, m.append(nil))
		}
		if m, err := parsePlaintext3(b); err == nil {
			same(t, b, m.append(nil))
		}
	})
}

func FuzzParseMessage4(f *testing.F) {
	seeds(f, "message_4")
	f.Add([]byte{0x01, 0x41, 0x02, 0x20})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseMessage4(b); err == nil {
			same(t, b, m.append(nil))
		}
		if items, err := parsePlaintext4(b); err == nil {
			same(t, b, appendEAD(nil, items))
		}
	})
}

func FuzzParseError(f *testing.F) {
	seeds(f, "error")
	f.Add([]byte{0x01, 0x61, 0x61})
	f.Add([]byte{0x02, 0x82, 0x02, 0x03})
	f.Add([]byte{0x03, 0xf5})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseError(b)
		if err != nil {
			return
		}
		same(t, b, (&errorMessage{e.Code, e.Info}).append(nil))
		if e.Error() == "" || ErrorMessage(e) != nil {
			t.Errorf("%+v", e)
		}
	})
}

func FuzzParseCredential(f *testing.F) {
	seeds(f, "CRED_I_cbor", "CRED_R_cbor", "ID_CRED_R_cbor")
	issuer := testKey(f, P256, false, "issuer").Public()
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseCCS(b); err == nil {
			same(t, b, c.CRED())
			if id := c.ByValue(); id.known() && !c.Matches(id) {
				t.Errorf("%x does not match itself", b)
			}
		}
		if c, err := ParseCWT(b, issuer); err == nil {
			t.Errorf("a forged CWT: %x", c.CRED())
		}
		if id, err := ParseIDCred(b); err == nil {
			same(t, b, id.Header())
		}
	})
}

// FuzzHandshake replaces one message of a good run. Nobody gets a Session then, other
// than a Responder that has sent message_4.
func FuzzHandshake(f *testing.F) {
	p := pair(f, StaticDHStaticDH, 2)
	good := runFlow(f, p, len(steps))
	for n, msg := range [][]byte{good.msg1, good.msg2, good.msg3, good.msg4} {
		f.Add(byte(n), msg)
		f.Add(byte(n+1), msg)
	}
	f.Add(byte(1), []byte{0x02, 0x03})
	f.Fuzz(func(t *testing.T, which byte, msg []byte) {
		n := int(which%4) + 1
		replaced := true
		i, r := deliver(p, n, func(b []byte) []byte {
			replaced = !bytes.Equal(b, msg)
			return msg
		})
		if replaced && (i != nil || r != nil && n < 4) {
			t.Errorf("message_%d replaced by %x: Sessions %v, %v", n, msg, i, r)
		}
	})
}
