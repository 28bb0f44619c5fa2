package coap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

func unhexString(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseMalformed(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     error
	}{
		//spec:7252-3-2
		{"nothing", "", errSilence},
		{"three bytes", "400100", errSilence},
		{"version 0", "00010001", errSilence},
		{"version 2", "80010001", errSilence},
		{"version 3", "c0010001", errSilence},
		//spec:7252-4.1-1
		//spec:7252-4.1-2
		//spec:7252-4.1-3
		{"empty", "40000001", nil},
		{"empty with token length", "41000001", errFormat},
		{"empty with token", "4100000101", errFormat},
		{"empty with bytes", "4000000100", errFormat},
		{"empty with payload", "40000001ff00", errFormat},
		//spec:7252-3-4
		{"token cut off", "4801000101020304050607", errFormat},
		{"token of 8", "480100010102030405060708", nil},
		{"token of 9 cut off", "49010001", errFormat},
		{"token of 12", "4c010001000000000000000000000000", nil},
		{"token of 13", "4d0100010000000000000000000000000000", nil},
		{"token of 13 cut off", "4d01000100000000", errFormat},
		{"token of 13 without length", "4d010001", errFormat},
		{"token of 14 with half a length", "4e01000100", errFormat},
		{"token of 269 cut off", "4e010001000000", errFormat},
		{"token of 65804 cut off", "4e010001ffff00", errFormat},
		//spec:8974-2.1-2
		{"token length 15", "4f0100010000000000000000000000000000000000", errFormat},
		//spec:7252-3-5
		{"marker without payload", "40010001ff", errFormat},
		{"marker and payload", "40010001ff00", nil},
		{"marker in payload", "40010001ffff", nil},
		{"marker after an option", "40010001b161ff", errFormat},
		//spec:7252-3.1-2
		{"delta 15", "40010001f100", errFormat},
		{"delta 15, length 0", "40010001f0", errFormat},
		//spec:7252-3.1-3
		{"length 15", "400100011f", errFormat},
		{"length 15 with bytes", "400100011f000102030405060708090a0b0c0d0e0f", errFormat},
		{"delta 13 cut off", "40010001d0", errFormat},
		{"delta 13", "40010001d000", nil},
		{"delta 14 cut off", "40010001e000", errFormat},
		{"delta 14", "40010001e00000", nil},
		{"delta over 65535", "40010001e0ffff", errFormat},
		{"deltas over 65535", "40010001e0fef2d0ff", errFormat},
		{"delta to 65535", "40010001e0fef2", nil},
		{"length 13 cut off", "400100010d", errFormat},
		{"length 14 cut off", "400100010e00", errFormat},
		{"length 13 without value", "400100010d00", errFormat},
		{"length 14 without value", "400100010effff", errFormat},
		{"value cut off", "40010001b5746d70", errFormat},
	} {
		var m message
		if err := m.parse(unhexString(t, tt.in)); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestMessageRFC7252 encodes and decodes the messages of RFC 7252, Appendix A.
func TestMessageRFC7252(t *testing.T) {
	temperature := Options{{URIPath, []byte("temperature")}}
	for _, tt := range []struct {
		name string
		m    message
		hex  string
	}{
		{"figure 16, request", message{confirmable, GET, 0x7d34, nil, temperature, nil}, "40017d34bb" + "74656d7065726174757265"},
		{"figure 16, response", message{acknowledgement, Content, 0x7d34, nil, nil, []byte("22.3 C")}, "60457d34ff32322e332043"},
		{"figure 17, request", message{confirmable, GET, 0x7d35, []byte{0x20}, temperature, nil}, "41017d3520bb" + "74656d7065726174757265"},
		{"figure 17, response", message{acknowledgement, Content, 0x7d35, []byte{0x20}, nil, []byte("22.3 C")}, "61457d3520ff32322e332043"},
		{"figure 20, empty acknowledgement", message{acknowledgement, Empty, 0x7d38, nil, nil, nil}, "60007d38"},
		{"figure 20, separate response", message{confirmable, Content, 0xad7b, []byte{0x53}, nil, []byte("22.3 C")}, "4145ad7b53ff32322e332043"},
	} {
		//spec:7252-3-1
		//spec:7252-3-3
		//spec:8974-2.1-1
		//spec:7252-3.1-1
		b, err := appendMessage(nil, tt.m.typ, tt.m.code, tt.m.mid, tt.m.token, tt.m.options, tt.m.payload)
		if got := hex.EncodeToString(b); err != nil || got != tt.hex {
			t.Errorf("%s: got %s (%v), want %s", tt.name, got, err, tt.hex)
		}
		var m message
		if err := m.parse(b); err != nil || m.typ != tt.m.typ || m.code != tt.m.code || m.mid != tt.m.mid ||
			!bytes.Equal(m.token, tt.m.token) || !bytes.Equal(m.payload, tt.m.payload) || len(m.options) != len(tt.m.options) {
			t.Errorf("%s: read back %+v, %v", tt.name, m, err)
		}
	}
}

func TestAppendMessageRefuses(t *testing.T) {
	for name, f := range map[string]func() ([]byte, error){
		"options out of order": func() ([]byte, error) {
			return appendMessage(nil, confirmable, GET, 0, nil, Options{{URIPath, nil}, {ETag, nil}}, nil)
		},
		"token too long":   func() ([]byte, error) { return appendMessage(nil, confirmable, GET, 0, make([]byte, 65805), nil, nil) },
		"payload too long": func() ([]byte, error) { return appendMessage(nil, confirmable, GET, 0, nil, nil, make([]byte, 65503)) },
		"option too long": func() ([]byte, error) {
			return appendMessage(nil, confirmable, GET, 0, nil, Options{{URIPath, make([]byte, 65536)}}, nil)
		},
	} {
		if b, err := f(); err == nil || len(b) != 0 {
			t.Errorf("%s: got %d bytes, %v", name, len(b), err)
		}
	}
}

func FuzzParseMessage(f *testing.F) {
	for _, s := range []string{"40017d34bb74656d7065726174757265", "61457d3520ff32322e332043", "4d0100010000000000000000000000000000", "40010001e0fef2", "60007d38", "4e010001000000"} {
		f.Add(unhexString(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m message
		if m.parse(b) != nil {
			return
		}
		out, err := appendMessage(nil, m.typ, m.code, m.mid, m.token, m.options, m.payload)
		if err != nil {
			t.Fatalf("%x does not encode: %v", b, err)
		}
		if !bytes.Equal(out, b) {
			t.Fatalf("%x encodes to %x", b, out)
		}
	})
}

func FuzzBlock(f *testing.F) {
	f.Add([]byte{0x1a})
	f.Fuzz(func(t *testing.T, v []byte) {
		b, ok := parseBlock(v, false)
		if !ok {
			return
		}
		var o Options
		o.SetBlock(Block1, b)
		if again, ok := o.Block(Block1); !ok || again != b {
			t.Fatalf("%x: got %+v, want %+v", v, again, b)
		}
	})
}

func TestParseAllocates(t *testing.T) {
	b := unhexString(t, "48017d350102030405060708bb74656d7065726174757265ff32322e332043")
	var m message
	var out [128]byte
	if n := testing.AllocsPerRun(100, func() {
		if m.parse(b) != nil {
			t.Fatal("refused")
		}
		_, _ = appendMessage(out[:0], acknowledgement, Content, m.mid, m.token, m.options, m.payload)
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func TestCheckOptions(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		more []OptionID
		bad  OptionID
		left int
	}{
		{"plain", Options{{URIPath, []byte("a")}, {URIPath, []byte("b")}, {Accept, nil}}, nil, 0, 3},
		//spec:7252-5.4.1-2
		{"unknown critical", Options{{9999, nil}}, nil, 9999, 1},
		{"OSCORE not understood", Options{{OSCORE, nil}}, nil, OSCORE, 1},
		{"OSCORE understood", Options{{OSCORE, nil}}, []OptionID{OSCORE}, 0, 1},
		{"own critical option", Options{{9999, nil}}, []OptionID{9999}, 0, 1},
		//spec:7252-5.4.1-1
		{"unknown elective", Options{{9998, nil}}, nil, 0, 1},
		//spec:7252-5.4.3-1
		{"critical too long", Options{{Accept, make([]byte, 3)}}, nil, Accept, 1},
		{"critical too short", Options{{URIHost, nil}}, nil, URIHost, 1},
		{"elective too long", Options{{ETag, make([]byte, 9)}, {URIPath, nil}}, nil, 0, 1},
		//spec:7252-5.4.5-2
		{"critical twice", Options{{Block1, nil}, {Block1, nil}}, nil, Block1, 2},
		//spec:7959-2.1-2
		//spec:7959-4-3
		//spec:8768-3-1
		{"Block2 twice", Options{{Block2, nil}, {Block2, nil}}, nil, Block2, 2},
		{"Size1 twice", Options{{Size1, nil}, {Size1, nil}}, nil, 0, 1},
		{"Hop-Limit twice", Options{{HopLimit, []byte{1}}, {HopLimit, []byte{0}}}, nil, 0, 1},
		{"elective twice", Options{{MaxAge, []byte{1}}, {MaxAge, []byte{2}}}, nil, 0, 1},
		{"elective three times", Options{{MaxAge, []byte{1}}, {MaxAge, []byte{2}}, {MaxAge, []byte{3}}, {Size1, nil}}, nil, 0, 2},
		{"block of four bytes", Options{{Block2, make([]byte, 4)}}, nil, Block2, 1},
		//spec:7252-5.4-2
		{"not of requests", Options{{LocationPath, nil}, {URIPath, nil}}, nil, 0, 1},
	} {
		r := &Request{Code: GET, Options: tt.o}
		if bad := CheckOptions(r, tt.more...); bad != tt.bad || len(r.Options) != tt.left {
			t.Errorf("%s: got %d and %d options, want %d and %d", tt.name, bad, len(r.Options), tt.bad, tt.left)
		}
	}
}
