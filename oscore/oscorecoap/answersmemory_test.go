package oscorecoap

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// nowhere is a transport.
type nowhere struct{}

func (nowhere) Respond(*coap.Response) error { return nil }

// TestMemoryOfAFlood: what a flood of requests has taken is given back, but for a
// few answers, each with little memory of its own.
func TestMemoryOfAFlood(t *testing.T) {
	const flood = 5000
	now := time.Unix(1e9, 0)
	a := newAnswers(Config{}.withDefaults().Answers, func() time.Time { return now })
	sec := new(oscore.Association)
	begin := func(n int) *answer {
		x, _, _ := a.begin(nowhere{}, &coap.Request{Payload: binary.BigEndian.AppendUint32(nil, uint32(n))})
		if x == nil {
			t.Fatalf("request %d is taken for another", n)
		}
		return x
	}
	pending := make([]*answer, flood)
	for i := range pending {
		pending[i] = begin(i)
	}
	for i, x := range pending {
		if again, response, waits := a.begin(nowhere{}, &coap.Request{Payload: binary.BigEndian.AppendUint32(nil, uint32(i))}); again != nil || response != nil || !waits {
			t.Fatalf("request %d is not found", i)
		}
		if i%2 == 0 {
			a.abandon(x)
		} else {
			a.keep(x, sec, &coap.Response{Code: coap.Content, Payload: make([]byte, 100+i)})
		}
	}
	if a.bytes > a.cfg.AssociationBytes || a.index.n > flood/2 {
		t.Errorf("%d bytes and %d answers are kept", a.bytes, a.index.n)
	}
	now = now.Add(a.cfg.Lifetime)
	a.abandon(begin(flood))
	if a.index.n != 0 || len(a.index.buckets) > 1024 || len(a.bySec) != 0 || a.bytes != 0 || a.first != nil || a.last != nil {
		t.Errorf("%d answers, %d buckets, %d shares and %d bytes are left", a.index.n, len(a.index.buckets), len(a.bySec), a.bytes)
	}
	n := 0
	for x := a.free; x != nil; x = x.next {
		if n++; cap(x.bytes) > maxReused || x.key != 0 || x.late != nil || x.kept.Payload != nil {
			t.Errorf("of what is used again, one has %d bytes: %+v", cap(x.bytes), x)
		}
	}
	if n != a.frees || n > maxFree || n == 0 {
		t.Errorf("%d answers are to be used again, %d by count, at most %d", n, a.frees, maxFree)
	}
}
