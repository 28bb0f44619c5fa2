package cborseq_test

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// FuzzReadRaw: what ReadRaw accepts, the Append functions and Normalize give back,
// and Unmarshal takes too, within its limits.
func FuzzReadRaw(f *testing.F) {
	for _, e := range examples(f) {
		f.Add([]byte(e.Hex))
	}
	f.Add([]byte("\xa2\x01\x02\x03"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := cborseq.String(in)
		var raw []byte
		if !s.ReadRaw(&raw) {
			if !bytes.Equal(s, in) {
				t.Fatalf("a failed ReadRaw leaves %x", []byte(s))
			}
			return
		}
		if got := append(bytes.Clone(raw), s...); !bytes.Equal(got, in) {
			t.Fatalf("ReadRaw split it into %x and %x", raw, []byte(s))
		}
		again := cborseq.String(raw)
		if got, ok := reencode(nil, &again); !ok || !bytes.Equal(got, raw) {
			t.Fatalf("re-encoded to %x, %t", got, ok)
		}
		if got, err := cborseq.Normalize(raw); err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("Normalize = %x, %v", got, err)
		}
	})
}

// FuzzNormalize: what comes out is deterministic, and means what went in.
func FuzzNormalize(f *testing.F) {
	for _, e := range examples(f) {
		f.Add([]byte(e.Hex))
	}
	f.Add([]byte("\xb8\x02\x18\x03\x01\x00\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\xc2\x58\x09\x00\x00\x00\x00\x00\x00\x00\x00\x07"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := cborseq.Normalize(in)
		if err != nil {
			if s := cborseq.String(in); s.Skip() && s.Empty() {
				t.Fatalf("Normalize of a deterministic item: %v", err)
			}
			return
		}
		if s := cborseq.String(out); !s.Skip() || !s.Empty() {
			t.Fatalf("Normalize = %x, not deterministic", out)
		}
		var a, b any
		if cborseq.Unmarshal(in, &a) != nil || cborseq.Unmarshal(out, &b) != nil {
			return // beyond the limits of Unmarshal
		}
		x, errX := cborseq.Marshal(a)
		y, errY := cborseq.Marshal(b)
		if errX != nil || errY != nil || !bytes.Equal(x, y) {
			t.Fatalf("Normalize = %x, which decodes to %s, not to %s", out, cborseq.Diagnose(y), cborseq.Diagnose(x))
		}
	})
}

// FuzzUnmarshal: what Unmarshal takes encodes to something that it takes again, and
// that then stays as it is.
func FuzzUnmarshal(f *testing.F) {
	for _, e := range examples(f) {
		f.Add([]byte(e.Hex))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		cborseq.Diagnose(in)
		var v, w any
		if cborseq.Unmarshal(in, &v) != nil {
			return
		}
		normal, err := cborseq.Normalize(in)
		if err != nil {
			return // nine tags: Unmarshal counts a chain of them one level lower
		}
		if cborseq.Unmarshal(normal, &w) != nil {
			return // a bignum became an integer beyond int64
		}
		first, err := cborseq.Marshal(v)
		if err != nil {
			return // a value that has no encoding of its own, as a time out of range
		}
		if err := cborseq.Unmarshal(first, &w); err != nil {
			t.Fatalf("Unmarshal of %x: %v", first, err)
		}
		second, err := cborseq.Marshal(w)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("encoded to %x, then to %x, %v", first, second, err)
		}
	})
}
