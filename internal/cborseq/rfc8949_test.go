package cborseq_test

import (
	"bytes"
	"testing"

	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/internal/vector"
)

type example struct {
	Hex       vector.Hex `json:"hex"`
	RoundTrip bool       `json:"roundtrip"` // it is the preferred encoding
}

func examples(t testing.TB) []example {
	t.Helper()
	list := vector.Load[[]example](t, "testdata/rfc8949-appendix-a.json")
	if got, want := len(list), 82; got != want {
		t.Fatalf("%d examples, want %d", got, want)
	}
	return list
}

// simple24 stands in RFC 7049, Appendix A; RFC 8949, Section 3.3 made it malformed.
var simple24 = []byte{0xf8, 0x18}

// TestAppendixA reads the examples of RFC 8949, Appendix A: the deterministic ones
// are accepted, the others are refused.
//
//spec:8949-4.2.1-1
func TestAppendixA(t *testing.T) {
	for _, e := range examples(t) {
		t.Run(e.Hex.String(), func(t *testing.T) {
			s := cborseq.String(e.Hex)
			var raw []byte
			got := s.ReadRaw(&raw)
			want := e.RoundTrip && !bytes.Equal(e.Hex, simple24)
			if got != want {
				t.Fatalf("ReadRaw = %t, want %t", got, want)
			}
			if got && (!bytes.Equal(raw, e.Hex) || !s.Empty()) {
				t.Errorf("ReadRaw gives %x and leaves %x", raw, []byte(s))
			}
			if !got && !bytes.Equal(s, e.Hex) {
				t.Errorf("a failed ReadRaw leaves %x", []byte(s))
			}
			normal, err := cborseq.Normalize(e.Hex)
			float := e.Hex[0] == 0xfa || e.Hex[0] == 0xfb
			switch {
			case want && (err != nil || !bytes.Equal(normal, e.Hex)):
				t.Errorf("Normalize = %x, %v, want it as it is", normal, err)
			case !want && float && (err != nil || len(normal) != 3):
				t.Errorf("Normalize = %x, %v, want a float of half precision", normal, err)
			case !want && !float && err == nil:
				t.Errorf("Normalize = %x, want an error", normal)
			}
		})
	}
}

// TestAppendixAReencodes writes what it has read with the Append functions.
func TestAppendixAReencodes(t *testing.T) {
	for _, e := range examples(t) {
		s := cborseq.String(e.Hex)
		if !e.RoundTrip || !s.Skip() {
			continue
		}
		t.Run(e.Hex.String(), func(t *testing.T) {
			s := cborseq.String(e.Hex)
			got, ok := reencode(nil, &s)
			if !ok || !bytes.Equal(got, e.Hex) {
				t.Errorf("re-encoded to %x, %t", got, ok)
			}
		})
	}
}

// reencode reads one item by the typed methods, head by head, and appends it.
func reencode(dst []byte, s *cborseq.String) ([]byte, bool) {
	var (
		i    int64
		u    uint64
		b    []byte
		text string
		flag bool
		n    int
	)
	major, ok := s.PeekMajor()
	if !ok {
		return dst, false
	}
	switch major {
	case cborseq.Uint:
		ok = s.ReadUint(&u)
		return cborseq.AppendUint(dst, u), ok
	case cborseq.Nint:
		if s.ReadInt(&i) {
			return cborseq.AppendInt(dst, i), true
		}
		ok = s.ReadRaw(&b) // below the smallest int64
		return append(dst, b...), ok
	case cborseq.Bytes:
		ok = s.ReadBytes(&b)
		return cborseq.AppendBytes(dst, b), ok
	case cborseq.Text:
		ok = s.ReadText(&text)
		return cborseq.AppendText(dst, text), ok
	case cborseq.Array:
		ok = s.ReadArray(&n)
		dst = cborseq.AppendArray(dst, n)
	case cborseq.Map:
		ok = s.ReadMap(&n)
		dst = cborseq.AppendMap(dst, n)
		n *= 2
	case cborseq.Tag:
		ok = s.ReadTag(&u)
		dst = cborseq.AppendTag(dst, u)
		n = 1
	default:
		switch {
		case s.ReadBool(&flag):
			return cborseq.AppendBool(dst, flag), true
		case s.ReadNull():
			return cborseq.AppendNull(dst), true
		}
		ok = s.ReadRaw(&b) // a float or another simple value
		return append(dst, b...), ok
	}
	for ; ok && n > 0; n-- {
		dst, ok = reencode(dst, s)
	}
	return dst, ok
}
