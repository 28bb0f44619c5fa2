package ace

import (
	"math"
	"time"

	"github.com/ostiary/ostiary/internal/cborseq"
)

// lastDate is the end of the year 9999. A date beyond it is not one in seconds:
// a peer that sends milliseconds would otherwise make tokens that never expire.
const lastDate = 253402300799

// A NumericDate is a time in seconds since 1970 (RFC 8392, Section 2). Zero is
// none, which is not the same as 1970-01-01. NumericDates that are == encode
// alike.
type NumericDate struct {
	seconds int64
	float   string // encoding of a floating-point number
	there   bool
}

// Date gives the second that t lies in.
func Date(t time.Time) NumericDate {
	return NumericDate{seconds: t.Unix(), there: true}
}

// IsZero reports whether d is none.
func (d NumericDate) IsZero() bool { return !d.there }

// Seconds gives d rounded down.
func (d NumericDate) Seconds() int64 { return d.seconds }

// Time gives d in UTC; for none, the zero time.
func (d NumericDate) Time() time.Time {
	if !d.there {
		return time.Time{}
	}
	t := time.Unix(d.seconds, 0).UTC()
	var f float64
	if d.float != "" && cborseq.Unmarshal([]byte(d.float), &f) == nil {
		t = t.Add(time.Duration((f - float64(d.seconds)) * float64(time.Second)))
	}
	return t
}

// readDate takes a NumericDate: an integer or floating-point number without a tag
// (RFC 8392, Sections 2 and 5), in range.
//
//spec:8392-2-1
//spec:8392-5-1
func (f *fields) readDate(d *NumericDate) bool {
	d.there = true
	if f.s.ReadInt(&d.seconds) {
		return d.seconds >= 0 && d.seconds <= lastDate
	}
	if major, _ := f.s.PeekMajor(); major != cborseq.Simple {
		return false
	}
	var raw []byte
	var v float64
	if !f.s.ReadRaw(&raw) || len(raw) < 3 || cborseq.Unmarshal(raw, &v) != nil || !(v >= 0 && v <= lastDate) {
		return false
	}
	d.float, d.seconds = string(raw), int64(math.Floor(v))
	return true
}

func (w *fieldWriter) date(k int64, d NumericDate) {
	switch {
	case d.IsZero():
	case d.float != "":
		w.key(k)
		w.b = append(w.b, d.float...)
	default:
		w.anyInt(k, d.seconds)
	}
}
