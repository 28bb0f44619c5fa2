package ace

import (
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/vector"
)

// TestDates reads exp in all forms.
//
//spec:8392-2-1
//spec:8392-5-1
func TestDates(t *testing.T) {
	for cbor, want := range map[string]time.Time{
		"00":                 time.Unix(0, 0),
		"1a5612aeb0":         time.Unix(1444064944, 0),
		"1b0000003afff4417f": time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		"fb41d584367c200000": time.Unix(1443944944, 500_000_000), // RFC 8392, Appendix A.7
		"f93e00":             time.Unix(1, 500_000_000),
		"fa3fc00000":         time.Unix(1, 500_000_000), // not the shortest
	} {
		b := append(vector.Bytes(t, "a104"), vector.Bytes(t, cbor)...)
		c, err := ParseClaims(b)
		if err != nil {
			t.Errorf("exp %s: %v", cbor, err)
			continue
		}
		if c.Expiration.IsZero() || !c.Expiration.Time().Equal(want) || c.Expiration.Seconds() != want.Unix() {
			t.Errorf("exp %s = %v (%d), want %v", cbor, c.Expiration.Time(), c.Expiration.Seconds(), want)
		}
		reencoded(t, b, c)
	}
}

func TestDate(t *testing.T) {
	d := Date(time.Unix(1444064944, 999_999_999))
	if got := d.Time(); !got.Equal(time.Unix(1444064944, 0)) || d.IsZero() {
		t.Errorf("Date rounds to %v", got)
	}
	var none NumericDate
	if !none.IsZero() || !none.Time().IsZero() {
		t.Errorf("none is %v", none.Time())
	}
	if zero := Date(time.Unix(0, 0)); zero.IsZero() || zero == none {
		t.Error("1970-01-01 is none")
	}
}
