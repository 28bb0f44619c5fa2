package cborseq_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

// TestIntegers walks over the borders between head sizes.
//
//spec:8949-4.2.1-2
//spec:8949-4.2.1-3
//spec:8949-4.2.1-4
//spec:8949-4.2.1-5
//spec:8949-4.2.1-6
func TestIntegers(t *testing.T) {
	for _, c := range []struct {
		v    int64
		want string
	}{
		{0, "00"},
		{23, "17"},
		{24, "1818"},
		{255, "18ff"},
		{256, "190100"},
		{65535, "19ffff"},
		{65536, "1a00010000"},
		{math.MaxUint32, "1affffffff"},
		{math.MaxUint32 + 1, "1b0000000100000000"},
		{math.MaxInt64, "1b7fffffffffffffff"},
		{-1, "20"},
		{-24, "37"},
		{-25, "3818"},
		{-256, "38ff"},
		{-257, "390100"},
		{-65536, "39ffff"},
		{-65537, "3a00010000"},
		{math.MinInt64, "3b7fffffffffffffff"},
	} {
		want := vector.Bytes(t, c.want)
		if got := cborseq.AppendInt(nil, c.v); !bytes.Equal(got, want) {
			t.Errorf("AppendInt(%d) = %x, want %x", c.v, got, want)
		}
		s := cborseq.String(want)
		var got int64
		if !s.ReadInt(&got) || got != c.v || !s.Empty() {
			t.Errorf("ReadInt of %x = %d, want %d", want, got, c.v)
		}
		s = cborseq.String(want)
		var u uint64
		if ok := s.ReadUint(&u); ok != (c.v >= 0) || ok && u != uint64(c.v) {
			t.Errorf("ReadUint of %x = %d, %t", want, u, ok)
		}
	}
	s := cborseq.String(vector.Bytes(t, "1bffffffffffffffff"))
	var i int64
	var u uint64
	if s.ReadInt(&i) || !s.ReadUint(&u) || u != math.MaxUint64 {
		t.Errorf("2^64-1 reads as int %d, uint %d", i, u)
	}
	if s = cborseq.String(vector.Bytes(t, "3b8000000000000000")); s.ReadInt(&i) {
		t.Errorf("-2^63-1 reads as %d", i)
	}
}

// TestRefused holds what no method may take as an item.
//
//spec:8949-3-2
//spec:8742-5-1
func TestRefused(t *testing.T) {
	for name, list := range map[string][]string{
		//spec:8949-4.2.1-2
		"longer head than needed": {
			"1800", "1817", "190000", "1900ff", "1a00000000", "1a0000ffff", "1b0000000000000000", "1b00000000ffffffff",
			"3817", "5800", "5801aa", "780161", "980100", "b8010000", "d81700", "d9001700",
		},
		//spec:8949-4.2.1-8
		"indefinite length": {"5f40ff", "7f60ff", "9fff", "9f00ff", "bfff", "1f", "3f", "df00", "ff"},
		"reserved head":     {"1c", "1d", "1e", "3c", "5c", "7d", "9e", "bc", "dd", "fc", "fd", "fe"},
		"end too early": {
			"", "18", "19", "1901", "1a010101", "1b01010101010101", "41", "42aa", "59ffff", "61", "81", "8200", "a1", "a100", "a200000001",
			"c1", "d8", "d820", "f8", "f9", "f93c", "fa474235", "fb7e37e43c880075",
			"5bffffffffffffffff", "5b7fffffffffffffff", "7bffffffffffffffff", "9bffffffffffffffff", "bbffffffffffffffff", "9b8000000000000000", "bb8000000000000000",
		},
		"text is not UTF-8": {"61ff", "62c328", "63eda080", "64f4908080"},
		//spec:8949-3.3-1
		"simple value in two bytes": {"f800", "f814", "f81f"},
		//spec:8949-4.2.1-7
		"float not in its shortest form": {
			"fa00000000", "fa80000000", "fa3f800000", "fa33800000", "fa38800000", "fa7f800000", "fa7fc00000", "fa477fe000",
			"fb0000000000000000", "fb3ff0000000000000", "fb3e70000000000000", "fb7ff0000000000000", "fb7ff8000000000000", "fb47efffffe0000000", "fbfff0000000000001",
		},
		"NaN but the one":           {"f97e01", "f97c01", "f9fe00", "f9fc01"},
		"bignum that is an integer": {"c240", "c24101", "c2480102030405060708", "c348ffffffffffffffff", "c249000000000000000001", "c201", "c28100", "c26161"},
		//spec:8949-4.2.1-9
		"map out of order": {"a201000000", "a220000000", "a26161002000", "a262616100616200", "a2f4008000"},
		//spec:9052-3-4
		"map with a key twice": {"a200000000", "a3000001000100", "a2616100616100"},
	} {
		for _, h := range list {
			t.Run(name+"/"+h, func(t *testing.T) {
				in := vector.Bytes(t, h)
				s := cborseq.String(in)
				if s.Skip() {
					t.Fatalf("Skip takes it and leaves %x", []byte(s))
				}
				nested := cborseq.String(append([]byte{0x81}, in...))
				if nested.Skip() && nested.Empty() {
					t.Error("Skip takes it inside an array")
				}
				value := cborseq.String(append([]byte{0xa1, 0x00}, in...))
				if value.Skip() && value.Empty() {
					t.Error("Skip takes it as a value of a map")
				}
				if !bytes.Equal(s, in) {
					t.Errorf("a failed Skip leaves %x", []byte(s))
				}
			})
		}
	}
}

// TestAccepted holds neighbours of what TestRefused refuses.
func TestAccepted(t *testing.T) {
	for _, h := range []string{
		"1818", "190100", "1a00010000", "1b0000000100000000", "d81800",
		"f820", "f8ff", "f97e00", "f90001", "f903ff", "f97c00", "f9fc00", "f98000",
		"fa33000000", "fa33800001", "fa38801000", "fa477fe001", "fa477ff000", "fa7f7fffff", "fa33c00001",
		"fb3ff0000010000000", "fb47f0000000000000", "fb3690000000000000",
		"c249010000000000000000", "c349ff0000000000000000",
		"a200002000", "a30a001864002000", "a4 2000 617a00 62616100 81186400",
	} {
		t.Run(h, func(t *testing.T) {
			if s := cborseq.String(vector.Bytes(t, h)); !s.Skip() || !s.Empty() {
				t.Error("Skip refuses it")
			}
		})
	}
}

func TestReadsOnlyItsOwnType(t *testing.T) {
	var (
		i    int64
		u    uint64
		b    []byte
		text string
		n    int
		flag bool
	)
	reads := []struct {
		name  string
		read  func(*cborseq.String) bool
		takes string // first bytes of the items of TestReadsOnlyItsOwnType
	}{
		{"ReadInt", func(s *cborseq.String) bool { return s.ReadInt(&i) }, "00 20"},
		{"ReadUint", func(s *cborseq.String) bool { return s.ReadUint(&u) }, "00"},
		{"ReadBytes", func(s *cborseq.String) bool { return s.ReadBytes(&b) }, "40"},
		{"ReadText", func(s *cborseq.String) bool { return s.ReadText(&text) }, "60"},
		{"ReadArray", func(s *cborseq.String) bool { return s.ReadArray(&n) }, "80"},
		{"ReadMap", func(s *cborseq.String) bool { return s.ReadMap(&n) }, "a0"},
		{"ReadTag", func(s *cborseq.String) bool { return s.ReadTag(&u) }, "c0"},
		{"ReadBool", func(s *cborseq.String) bool { return s.ReadBool(&flag) }, "f4 f5"},
		{"ReadNull", func(s *cborseq.String) bool { return s.ReadNull() }, "f6"},
	}
	for _, r := range reads {
		for _, item := range []string{"00", "20", "40", "60", "80", "a0", "c000", "f4", "f5", "f6", "f7", "f820", "f93c00", "f97bff", ""} {
			in := vector.Bytes(t, item)
			s := cborseq.String(in)
			want := item != "" && strings.Contains(r.takes, item[:2])
			if got := r.read(&s); got != want {
				t.Errorf("%s of %q = %t, want %t", r.name, item, got, want)
			}
			if !want && !bytes.Equal(s, in) {
				t.Errorf("a failed %s of %q leaves %x", r.name, item, []byte(s))
			}
		}
	}
}

func TestReadBytesAndText(t *testing.T) {
	s := cborseq.String(vector.Bytes(t, "43010203 62c3bc 40 60"))
	var b, empty []byte
	var text string
	if !s.ReadBytes(&b) || !bytes.Equal(b, []byte{1, 2, 3}) {
		t.Errorf("ReadBytes = %x", b)
	}
	if cap(b) != 3 {
		t.Errorf("capacity %d reaches into the rest", cap(b))
	}
	if !s.ReadText(&text) || text != "ü" {
		t.Errorf("ReadText = %q", text)
	}
	if !s.ReadBytes(&empty) || empty == nil || len(empty) != 0 {
		t.Errorf("ReadBytes = %v, want empty and not nil", empty)
	}
	if !s.ReadText(&text) || text != "" || !s.Empty() {
		t.Errorf("ReadText = %q", text)
	}
	if bad := cborseq.String(vector.Bytes(t, "61ff")); bad.ReadText(&text) || len(bad) != 2 {
		t.Error("ReadText takes text that is not UTF-8")
	}
}

func TestReadRaw(t *testing.T) {
	s := cborseq.String(vector.Bytes(t, "a101820203 00"))
	var raw []byte
	if !s.ReadRaw(&raw) || !bytes.Equal(raw, vector.Bytes(t, "a101820203")) {
		t.Errorf("ReadRaw = %x", raw)
	}
	if cap(raw) != len(raw) {
		t.Errorf("capacity %d reaches into the rest", cap(raw))
	}
	if got, want := []byte(s), []byte{0}; !bytes.Equal(got, want) {
		t.Errorf("rest is %x, want %x", got, want)
	}
}

// TestCountsAreBounded: the numbers can be given to make.
func TestCountsAreBounded(t *testing.T) {
	var n int
	for h, want := range map[string]bool{"820000": true, "8200": false, "a10000": true, "a100": false, "80": true, "a0": true} {
		s := cborseq.String(vector.Bytes(t, h))
		got := s.ReadArray(&n) || s.ReadMap(&n)
		if got != want {
			t.Errorf("head of %s read: %t, want %t", h, got, want)
		}
	}
}

func TestNesting(t *testing.T) {
	for name, open := range map[string]string{"array": "\x81", "map": "\xa1\x00", "tag": "\xc1"} {
		for depth, want := range map[int]bool{
			cborseq.MaxDepth: true, cborseq.MaxDepth + 1: false, 100000: false,
		} {
			in := []byte(strings.Repeat(open, depth) + "\x00")
			s := cborseq.String(in)
			if got := s.Skip(); got != want {
				t.Errorf("Skip of %d times %s = %t, want %t", depth, name, got, want)
			}
			var v any
			if err := cborseq.Unmarshal(in, &v); (err == nil) != want && name != "tag" {
				t.Errorf("Unmarshal of %d times %s: %v", depth, name, err)
			}
			if _, err := cborseq.Normalize(in); (err == nil) != want {
				t.Errorf("Normalize of %d times %s: %v", depth, name, err)
			}
			cborseq.Diagnose(in)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 200)
	if got := testing.AllocsPerRun(100, func() {
		var id [5]byte
		b := cborseq.AppendArray(dst, 4)
		b = cborseq.AppendBytes(b, id[:])
		b = cborseq.AppendText(b, "Key")
		b = cborseq.AppendMap(b, 1)
		b = cborseq.AppendInt(b, -300)
		b = cborseq.AppendNull(b)
		b = cborseq.AppendTag(b, 61)
		b = cborseq.AppendUint(b, 16)
		s := cborseq.String(b)
		var raw []byte
		if !s.ReadRaw(&raw) {
			t.Fatal("ReadRaw")
		}
	}); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
