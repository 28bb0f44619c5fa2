package oscorecoap

import (
	"context"
	"slices"
	"time"
)

// flights are the requests of a client that have no answer yet. A server
// refuses a request as a replay when so many later ones have reached it that
// the Partial IV has left its replay window (RFC 8613, Section 7.4): a request
// may wait in the transport, or be lost and sent again, while others pass it.
// So a new request waits until it is not too far ahead of the oldest. It waits
// for no request that is older than maxWait, whose answer just takes long.
//
// The protector's mutex guards it.
type flights struct {
	window  uint64
	next    uint64
	inOrder []*flight
	landed  chan struct{} // closed when a flight ends; nil if nobody waits
}

// A flight is one request.
type flight struct {
	number uint64
	began  time.Time
}

// maxWait is longer than the first retransmission can take (RFC 7252, Section
// 4.2).
const maxWait = 5 * time.Second

// depart waits until a request may be protected and sent.
func (p *protector) depart(ctx context.Context) (*flight, error) {
	for {
		f, wait, landed := p.tryDepart(time.Now())
		if f != nil {
			return f, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-landed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// tryDepart returns a flight, or how long to wait and for what.
func (p *protector) tryDepart(now time.Time) (f *flight, wait time.Duration, landed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.flights
	for _, earlier := range s.inOrder {
		wait = maxWait - now.Sub(earlier.began)
		switch {
		case wait <= 0:
			continue
		case s.next-earlier.number < s.window:
		default:
			if s.landed == nil {
				s.landed = make(chan struct{})
			}
			return nil, wait, s.landed
		}
		break
	}
	f = &flight{number: s.next, began: now}
	s.next++
	s.inOrder = append(s.inOrder, f)
	return f, 0, nil
}

// land ends a flight.
func (p *protector) land(f *flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.flights
	if i := slices.Index(s.inOrder, f); i >= 0 {
		s.inOrder = slices.Delete(s.inOrder, i, i+1)
	}
	if s.landed != nil {
		close(s.landed)
		s.landed = nil
	}
}
