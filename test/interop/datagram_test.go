package interop

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

func TestParseWire(t *testing.T) {
	// The protected request of RFC 8613, Section C.4.
	w, err := parseWire(vector.Bytes(t, "44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e"))
	if err != nil {
		t.Fatal(err)
	}
	got := newMessage(w.message).String()
	if want := "0.02 3:6c6f63616c686f7374 9:0914 | 612f1092f1776f1c1668b3825e"; got != want || w.token != "\x00\x00\x39\x74" {
		t.Errorf("token %x, message %s, want %s", w.token, got, want)
	}
	// Extended deltas and lengths (RFC 7252, Section 3.1).
	long := bytes.Repeat([]byte{7}, 300)
	b := append([]byte{0x40, 1, 0, 1, 0xd1, 0, 'a', 0xee, 0, 0, 0, 31}, long...)
	w, err = parseWire(b)
	if err != nil || len(w.message.Options) != 2 {
		t.Fatalf("%v, %v", w, err)
	}
	if o := w.message.Options; o[0].Number != 13 || o[1].Number != 282 || !bytes.Equal(o[1].Value, long) {
		t.Errorf("options %v", o)
	}
}

func TestParseWireRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":         "",
		"version":         "80010001",
		"token too long":  "49010001" + "000000000000000000",
		"token cut off":   "4201000100",
		"option cut off":  "4001000111",
		"length reserved": "400100011f",
		"delta reserved":  "40010001f1",
		"extension":       "40010001d0",
	} {
		if w, err := parseWire(vector.Bytes(t, text)); err == nil {
			t.Errorf("%s: got %v, want an error", name, w)
		}
	}
}
