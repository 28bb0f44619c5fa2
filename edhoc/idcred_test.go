package edhoc

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

// The examples of RFC 9528, Sections 3.3.2 and 3.5.3.2, and the edges.
//
//spec:9528-3.3.2-1
//spec:9528-3.5.3.2-1
//spec:9528-8-1
func TestIdentifierEncoding(t *testing.T) {
	for raw, want := range map[string]string{
		"21": "21", "0d": "0d", "18": "4118", "38": "4138", "abcd": "42abcd", "ff": "41ff",
		"": "40", "00": "00", "17": "17", "1f": "411f", "20": "20", "37": "37", "40": "4140", "0000": "420000",
	} {
		id := vector.Bytes(t, raw)
		if got := ConnID(id).AppendCBOR(nil); !bytes.Equal(got, vector.Bytes(t, want)) {
			t.Errorf("C_x %s as %x, want %s", raw, got, want)
		}
		if got := KID(id).append(nil); !bytes.Equal(got, vector.Bytes(t, want)) {
			t.Errorf("kid %s as %x, want %s", raw, got, want)
		}
		if got := ConnID(id).String(); got != raw {
			t.Errorf("%s prints as %s", raw, got)
		}
	}
	for b := range 256 { // each first byte: one encoding, and it is written again
		in := append([]byte{byte(b)}, bytes.Repeat([]byte{0x18}, 40)...)
		c, rest, ok := ReadConnID(in)
		if ok && !bytes.Equal(append(c.AppendCBOR(nil), rest...), in) {
			t.Errorf("%x was read as %x", in, string(c))
		}
		if want := b <= 0x17 || b >= 0x20 && b <= 0x37 || b >= 0x40 && b <= 0x57 || b == 0x58; ok != want {
			t.Errorf("first byte %02x: %t, want %t", b, ok, want)
		}
	}
	for _, s := range []string{"", "4100", "4117", "4120", "4137", "42ab", "1800", "3800", "5800", "580121", "f5", "80", "a0", "60", "5f40ff"} {
		if c, _, ok := ReadConnID(vector.Bytes(t, s)); ok {
			t.Errorf("%s was read as %x", s, string(c))
		}
	}
}

func TestIDCred(t *testing.T) {
	for _, c := range []struct {
		id        IDCred
		header    string
		wire      string
		reference bool
	}{
		{KID([]byte{0xff}), "a10441ff", "41ff", true},
		{KID([]byte{0x21}), "a1044121", "21", true},
		{KID(nil), "a10440", "40", true},
		{X5T([]byte("der")), "a11822822e48b5cf21dcd4b3e60f", "", true},
		{X5Chain([]byte("a")), "a118214161", "", false},
		{X5Chain([]byte("a"), []byte("b")), "a118218241614162", "", false},
		{X5U("a:b"), "a11823d82063613a62", "", true},
		{C5C([]byte("a")), "a118194161", "", false},
		{C5U("a:b"), "a117d82063613a62", "", true},
	} {
		want := vector.Bytes(t, c.header)
		if c.id.X5T != nil { // its hash is checked by TestRFC9529Traces
			want = c.id.Header()
		}
		wire := want
		if c.wire != "" {
			wire = vector.Bytes(t, c.wire)
		}
		if !bytes.Equal(c.id.Header(), want) || !bytes.Equal(c.id.append(nil), wire) {
			t.Errorf("%x as %x, want %x as %x", c.id.Header(), c.id.append(nil), want, wire)
		}
		if c.id.ByReference() != c.reference {
			t.Errorf("%x by reference: %t", c.id.Header(), c.id.ByReference())
		}
		var back IDCred
		if s := cborseq.String(wire); !readIDCred(&s, &back) || !s.Empty() || !bytes.Equal(back.Header(), want) {
			t.Errorf("%x was read as %x", wire, back.Header())
		}
	}
	for _, s := range []string{ // maps that are accepted, of any order
		"a20a4163044161", "a20441610a4163", "a21822820f41aa044161", "a21822822e41aa1823d8206161", "a2656f7468657200044161",
		"a1182282635348414 1aa", "a11863f6", "a12041aa", "a1182182416141 62", "a10ea0", "a10d80",
	} {
		b := vector.Bytes(t, s)
		id, err := ParseIDCred(b)
		if err != nil {
			t.Errorf("%s: %v", s, err)
		}
		var wire IDCred
		if r := cborseq.String(b); !readIDCred(&r, &wire) || !bytes.Equal(wire.append(nil), b) || !bytes.Equal(id.Header(), b) {
			t.Errorf("%s was not read or not written again", s)
		}
	}
	id, err := ParseIDCred(vector.Bytes(t, "a20a4163044161"))
	must(t, err)
	if string(id.KIDContext) != "c" || string(id.KID) != "a" || id.compact() {
		t.Errorf("kid and kid context: %+v", id)
	}
	for _, s := range []string{
		"", "a0", "40", "04", "a104", "a104416100", "a2044161044161", "a10400", "a1046161", "a11821814161", "a1182180", "a1182100",
		"a118228100", "a118228300416100", "a118226161", "a11822822e6161", "a118236161", "a11823d82060", "a11823d8216161", "a10e40", "a10e80", "a10d",
		"bf044161ff", "a21822832e41aa044161", "a1f500", "a118044161", "a10ebfff",
	} {
		if id, err := ParseIDCred(vector.Bytes(t, s)); !errors.Is(err, ErrConfig) {
			t.Errorf("%s was read as %+v, %v", s, id, err)
		}
	}
	// The two forms of one kid: only the compact one travels.
	for _, s := range []string{"a1044161", "a10441ff", "a10440"} {
		var id IDCred
		if r := cborseq.String(vector.Bytes(t, s)); readIDCred(&r, &id) {
			t.Errorf("%s was read from a message", s)
		}
	}
	if id := X5Chain(); id.known() {
		t.Errorf("an empty chain: %x", id.Header())
	}
}
