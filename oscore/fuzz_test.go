package oscore

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

// FuzzParseOption: what is accepted is encoded again to the same bytes.
func FuzzParseOption(f *testing.F) {
	for _, v := range optionCases {
		f.Add(vector.Bytes(f, v.value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		h, ok := parseHeader(value)
		if !ok {
			return
		}
		if got := h.append(nil); !bytes.Equal(got, value) {
			t.Errorf("append = %x, want %x", got, value)
		}
		if h.size() != len(value) {
			t.Errorf("size = %d, want %d", h.size(), len(value))
		}
	})
}

// FuzzUnprotect gives a server and a client any OSCORE option and ciphertext, which
// never verify, and any plaintext under the right key: what is accepted of it is
// encoded again to the same bytes.
func FuzzUnprotect(f *testing.F) {
	for _, v := range optionCases {
		f.Add(vector.Bytes(f, v.value), []byte("ciphertext and tag"), []byte{1, 0xb1, 'a', 0xff, 'p'})
	}
	f.Add([]byte{0x09, 0, 1}, []byte{1}, []byte{0x45})
	f.Add([]byte{0x19, 0, 9, 0x48, 1, 2, 3, 4, 5, 6, 7, 8, 1}, []byte("response #1 or a request"), []byte{0x81, 0xd8, 239, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, option, ciphertext, plaintext []byte) {
		c := mustAssociation(t, b2Config(B2Allowed, false))
		s := mustAssociation(t, b2Config(B2Allowed, true))
		var table Contexts
		mustAdd(t, &table, s)
		fuzzForged(t, c, &table, option, ciphertext)
		if len(plaintext) > 0 {
			fuzzPlaintext(t, c.Current(), s.Current(), plaintext)
		}
	})
}

func fuzzForged(t *testing.T, c *Association, table *Contexts, option, ciphertext []byte) {
	p, err := ParseProtected(Message{Code: 2, Options: []Option{{optionOSCORE, option}}, Payload: ciphertext})
	if err != nil {
		var refused *Error
		if !errors.As(err, &refused) || refused.Code != codeBadOption {
			t.Errorf("ParseProtected = %v", err)
		}
		return
	}
	if a, _, x, err := table.VerifyRequest(p); err == nil || a != nil || x != nil {
		t.Error("a forged request was verified")
	} else if m := ErrorMessage(err); m.Code>>5 != 4 {
		t.Errorf("answer to a forged request: %v", m.Code)
	}
	_, x, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.VerifyResponse(p); err == nil {
		t.Error("a forged response was verified")
	}
}

func fuzzPlaintext(t *testing.T, c, s *Context, plaintext []byte) {
	p, x, err := c.ProtectRequest(getRequest)
	if err != nil {
		t.Fatal(err)
	}
	p.payload = sealRaw(t, c, &c.sender.base, x.piv.number(), x.piv, c.sender.id.bytes(), plaintext)
	m, _, err := s.VerifyRequest(p)
	if err != nil {
		if err != error(errPlaintext) {
			t.Errorf("VerifyRequest = %v, want %v", err, errPlaintext)
		}
		return
	}
	again := []byte{byte(m.Code)}
	var last uint16
	for _, o := range m.Options {
		again, last = appendOption(again, o.Number-last, o.Value), o.Number
	}
	if len(m.Payload) > 0 {
		again = append(append(again, payloadMarker), m.Payload...)
	}
	if !bytes.Equal(again, plaintext) {
		t.Errorf("plaintext %x was accepted as %v, which is %x", plaintext, m, again)
	}
}

// FuzzResume: state that is accepted is the state of what it makes.
func FuzzResume(f *testing.F) {
	f.Add(suspendedState(1, 0, 0))
	f.Add(suspendedState(1, 5, 64))
	f.Fuzz(func(t *testing.T, state []byte) {
		if len(state) == 0 {
			return
		}
		a, err := NewAssociation(Config{Params: testParams(), B2: B2Allowed, Resume: state})
		if err != nil {
			return
		}
		before := a.Current()
		if before.sender.sequence.next > before.sender.sequence.end {
			t.Errorf("numbers %d to %d", before.sender.sequence.next, before.sender.sequence.end)
		}
		again, err := a.Suspend()
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewAssociation(Config{Params: testParams(), B2: B2Allowed, Resume: again})
		if err != nil {
			t.Fatalf("state %x of state %x: %v", again, state, err)
		}
		if third, err := b.Suspend(); err != nil || !bytes.Equal(third, again) {
			t.Errorf("state %x, and again %x (%v)", again, third, err)
		}
	})
}
