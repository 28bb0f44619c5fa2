package oscore

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"

	"pgregory.net/rapid"
)

// Options at the borders of their encoding (RFC 7252, Section 3.1).
func TestPlaintextBorders(t *testing.T) {
	long := func(n int) []byte { return bytes.Repeat([]byte{7}, n) }
	for name, m := range map[string]Message{
		"code alone":         {Code: 1},
		"payload":            {Code: 1, Payload: []byte("p")},
		"delta 12 and 13":    {Code: 1, Options: []Option{{12, nil}, {25, nil}, {38, nil}}},
		"delta 268 and 269":  {Code: 1, Options: []Option{{268, nil}, {537, nil}}},
		"largest number":     {Code: 1, Options: []Option{{65535, []byte{1}}}},
		"length 12 and 13":   {Code: 1, Options: []Option{{11, long(12)}, {11, long(13)}}},
		"length 268 and 269": {Code: 1, Options: []Option{{11, long(268)}, {11, long(269)}, {11, long(1034)}}},
		"all of it":          {Code: 0x45, Options: []Option{{4, []byte{1}}, {4, []byte{2}}, {292, long(8)}}, Payload: long(100)},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, err := split(nil, nil, &m, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := parsePlaintext(b, nil)
			if !ok {
				t.Fatalf("parsePlaintext(%x) = false", b)
			}
			assertMessage(t, got, m)
			if size := plaintextSize(&m, nil); size < len(b) {
				t.Errorf("plaintextSize = %d, want %d or more", size, len(b))
			}
		})
	}
}

func assertMessage(t rapid.TB, got, want Message) {
	t.Helper()
	if got.Code != want.Code || !bytes.Equal(got.Payload, want.Payload) || len(got.Options) != len(want.Options) {
		t.Fatalf("message = %v, want %v", got, want)
	}
	for i, o := range want.Options {
		if got.Options[i].Number != o.Number || !bytes.Equal(got.Options[i].Value, o.Value) {
			t.Errorf("option %d = %v, want %v", i, got.Options[i], o)
		}
	}
}

func TestParsePlaintextRefuses(t *testing.T) {
	for name, value := range map[string]string{
		"nothing":                    "",
		"payload marker, no payload": "01ff",
		"delta 15":                   "01f0",
		"length 15":                  "010f",
		"delta cut off":              "01d0",
		"wide delta cut off":         "01e000",
		"length cut off":             "010d",
		"wide length cut off":        "010e00",
		"value cut off":              "01b3616c",
		"number above 65535":         "01e0fffeb0",
	} {
		if m, ok := parsePlaintext(vector.Bytes(t, value), nil); ok {
			t.Errorf("%s: parsePlaintext(%s) = %v, want refusal", name, value, m)
		}
	}
}

func TestMessageClone(t *testing.T) {
	m := Message{Code: 1, Options: []Option{{11, []byte("a")}, {12, nil}, {15, []byte("b")}}, Payload: []byte("p")}
	c := m.Clone()
	assertMessage(t, c, m)
	m.Options[0].Value[0], m.Payload[0] = 'x', 'x'
	m.Options[2] = Option{}
	assertMessage(t, c, Message{Code: 1, Options: []Option{{11, []byte("a")}, {12, nil}, {15, []byte("b")}}, Payload: []byte("p")})
	if got := (Message{}).Clone(); got.Payload != nil || got.Options != nil {
		t.Errorf("Clone of the zero Message = %#v", got)
	}
}

func TestCodeString(t *testing.T) {
	for code, want := range map[Code]string{0x01: "0.01", 0x45: "2.05", 0x81: "4.01", 0xa3: "5.03", 0xe2: "7.02"} {
		if got := code.String(); got != want {
			t.Errorf("Code(%#x) = %s, want %s", uint8(code), got, want)
		}
	}
}
