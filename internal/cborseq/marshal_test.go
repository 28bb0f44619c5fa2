package cborseq_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/internal/vector"
)

func TestUnmarshal(t *testing.T) {
	type claims struct {
		Issuer string       `cbor:"1,keyasint,omitempty"`
		Key    secret.Bytes `cbor:"2,keyasint,omitempty"`
		Raw    cborseq.Raw  `cbor:"3,keyasint,omitempty"`
	}
	var got claims
	in := vector.Bytes(t, "a5 03 8101 01 6161 02 42 0102 186300 6178 00") // unsorted, with unknown keys
	if err := cborseq.Unmarshal(in, &got); err != nil {
		t.Fatal(err)
	}
	clear(in)
	want := claims{"a", secret.Bytes{1, 2}, cborseq.Raw{0x81, 1}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Unmarshal = %+v, want %+v", got, want)
	}
	out, err := cborseq.Marshal(got)
	if want := vector.Bytes(t, "a3 01 6161 02 42 0102 03 8101"); err != nil || !bytes.Equal(out, want) {
		t.Errorf("Marshal = %x, %v, want %x", out, err, want)
	}
}

func TestUnmarshalAny(t *testing.T) {
	for h, want := range map[string]any{
		"01":     int64(1),
		"20":     int64(-1),
		"a10102": map[any]any{int64(1): int64(2)},
		"d83d01": cbor.Tag{Number: 61, Content: int64(1)},
		"81f6":   []any{nil},
		"f93e00": 1.5,
		"1801":   int64(1), // longer than needed
	} {
		var got any
		if err := cborseq.Unmarshal(vector.Bytes(t, h), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Unmarshal of %s = %#v, %v, want %#v", h, got, err, want)
		}
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	array := func(n int) []byte { return append(cborseq.AppendArray(nil, n), make([]byte, n)...) }
	pairs := func(n int) []byte {
		b := cborseq.AppendMap(nil, n)
		for i := range n {
			b = cborseq.AppendInt(cborseq.AppendInt(b, int64(i)), 0)
		}
		return b
	}
	var v any
	type oneField struct {
		A int `cbor:"1,keyasint"`
	}
	for name, c := range map[string]struct {
		in   []byte
		into any
	}{
		"nothing":                   {nil, &v},
		"two items":                 {[]byte{0, 0}, &v},
		"key twice":                 {vector.Bytes(t, "a2 01 00 01 00"), &v},
		"key twice, in a struct":    {vector.Bytes(t, "a2 01 00 01 00"), new(oneField)},
		"unknown key twice":         {vector.Bytes(t, "a2 02 00 02 00"), new(oneField)},
		"key twice, one long":       {vector.Bytes(t, "a2 01 00 1801 00"), &v},
		"indefinite bytes":          {vector.Bytes(t, "5f 41 00 ff"), &v},
		"indefinite array":          {vector.Bytes(t, "9f ff"), &v},
		"text is not UTF-8":         {vector.Bytes(t, "61 ff"), &v},
		"key text is not UTF-8":     {vector.Bytes(t, "a1 61 ff 00"), &v},
		"array too long":            {array(1025), &v},
		"map too long":              {pairs(257), &v},
		"integer does not fit":      {vector.Bytes(t, "1bffffffffffffffff"), &v},
		"integer does not fit int8": {vector.Bytes(t, "190100"), new(int8)},
		"bytes into text":           {vector.Bytes(t, "4161"), new(string)},
		"text into bytes":           {vector.Bytes(t, "6161"), new([]byte)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := cborseq.Unmarshal(c.in, c.into); err == nil {
				t.Errorf("Unmarshal takes it")
			}
		})
	}
	for name, in := range map[string][]byte{"array": array(1024), "map": pairs(256)} {
		if err := cborseq.Unmarshal(in, &v); err != nil {
			t.Errorf("%s of the greatest size: %v", name, err)
		}
	}
}

// TestMarshal writes what ReadRaw accepts.
//
//spec:8949-3-1
func TestMarshal(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{map[any]any{"b": 1, "aa": 2, -1: 3, 10: 4, 100: 5}, "a5 0a04 186405 2003 616201 62616102"},
		{[]byte(nil), "40"},
		{[]int(nil), "80"},
		{map[int]int(nil), "a0"},
		{(*int)(nil), "f6"},
		{any(nil), "f6"},
		{1.0, "f93c00"},
		{struct {
			B []byte `cbor:"2,keyasint"`
			A int    `cbor:"1,keyasint"`
		}{}, "a2 0100 0240"},
	} {
		got, err := cborseq.Marshal(c.v)
		want := vector.Bytes(t, c.want)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("Marshal(%v) = %x, %v, want %x", c.v, got, err, want)
		}
		if s := cborseq.String(got); !s.Skip() || !s.Empty() {
			t.Errorf("Marshal(%v) = %x, which Skip refuses", c.v, got)
		}
	}
}

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"1800":                        "00",
		"1b0000000000000018":          "1818",
		"3800":                        "20",
		"580101":                      "4101",
		"b90002 1801 02 00 03":        "a2 00 03 01 02",
		"a2 616100 0000":              "a2 0000 616100",
		"9a00000001 f4":               "81 f4",
		"d90010 00":                   "d0 00",
		"fb3ff0000000000000":          "f93c00",     //spec:8949-2.2-1
		"fb40f86a0000000000":          "fa47c35000", //spec:8949-4.2.1-7
		"fa7fc00001":                  "f97e00",
		"fb7ff4000000000000":          "f97e00",
		"f97c01":                      "f97e00",
		"fa33800000":                  "f90001",
		"fa387fc000":                  "f903ff",
		"fa80000000":                  "f98000",
		"faff800000":                  "f9fc00",
		"c2 4a 00 010000000000000000": "c2 49 010000000000000000", //spec:8949-3.4.3-1
		"c2 41 05":                    "05",
		"c3 41 05":                    "25",
		"c2 40":                       "00",
		"c3 49 00ffffffffffffffff":    "3bffffffffffffffff",
		"82 18 01 18 02":              "82 01 02",
		"c1 1a 00000001":              "c1 01",
		"44 18011801":                 "44 18011801", // not looked into
		"a1 81 1801 00":               "a1 8101 00",
	} {
		t.Run(in, func(t *testing.T) {
			got, err := cborseq.Normalize(vector.Bytes(t, in))
			if want := vector.Bytes(t, want); err != nil || !bytes.Equal(got, want) {
				t.Errorf("Normalize = %x, %v, want %x", got, err, want)
			}
		})
	}
	for _, in := range []string{
		"", "0000", "1c", "5f40ff", "9fff", "bfff", "61ff", "7801ff", "f81f", "f801", "a2 0000 180000", "a2 00 00", "82 00", "98ff00",
		"c2 61 61", "c2 42 01", "b8ff 00", "9bffffffffffffffff", "5affffffff00",
	} {
		t.Run("refuse "+in, func(t *testing.T) {
			if got, err := cborseq.Normalize(vector.Bytes(t, in)); err == nil {
				t.Errorf("Normalize = %x, want an error", got)
			}
		})
	}
}

func TestDiagnose(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"00":                    "0",
		"a1 01 42 0102 f6 6161": `{1: h'0102'}, null, "a"`,
		"d08040":                "16([]), h''",
		"0042":                  "0, malformed h'42'",
		"ff":                    "malformed h'ff'",
	} {
		if got := cborseq.Diagnose(vector.Bytes(t, in)); got != want {
			t.Errorf("Diagnose(%s) = %q, want %q", in, got, want)
		}
	}
}
