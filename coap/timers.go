package coap

import (
	"container/heap"
	"time"
)

// A timer calls fire once, at a time since the endpoint was opened, without
// any lock held. What it finds then may have changed since it was set; fire
// looks again. A timer belongs to one endpoint and is guarded by its mu.
type timer struct {
	at    time.Duration
	index int // in the heap, plus 1; 0 is not set
	fire  func(now time.Duration)
}

type timerHeap []*timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

// Push is for package heap.
func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(*h) + 1
	*h = append(*h, t)
}

// Pop is for package heap.
func (h *timerHeap) Pop() any {
	s := *h
	t := s[len(s)-1]
	s[len(s)-1] = nil
	*h = s[:len(s)-1]
	t.index = 0
	return t
}

// setTimer sets or moves a timer. The caller holds e.mu.
func (e *Endpoint) setTimer(t *timer, at time.Duration) {
	t.at = at
	if t.index > 0 {
		heap.Fix(&e.timers, t.index-1)
	} else {
		heap.Push(&e.timers, t)
	}
	if e.timers[0] == t {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

// stopTimer takes a timer out. The caller holds e.mu.
func (e *Endpoint) stopTimer(t *timer) {
	if t.index > 0 {
		heap.Remove(&e.timers, t.index-1)
	}
}

// runTimers fires timers until the endpoint closes.
func (e *Endpoint) runTimers() {
	clock := e.cfg.Clock.NewTimer(time.Hour)
	defer clock.Stop()
	var due []*timer
	for {
		due = due[:0]
		now := e.now()
		next := now + time.Hour
		e.mu.Lock()
		for len(e.timers) > 0 && e.timers[0].at <= now {
			due = append(due, heap.Pop(&e.timers).(*timer))
		}
		if len(e.timers) > 0 {
			next = e.timers[0].at
		}
		e.mu.Unlock()
		for i, t := range due {
			t.fire(now)
			due[i] = nil
		}
		if len(due) > 0 {
			continue // some may be due meanwhile
		}
		clock.Reset(next - now)
		select {
		case <-clock.C():
		case <-e.wake:
		case <-e.ctx.Done():
			return
		}
	}
}
