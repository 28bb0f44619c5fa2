package idalloc

import "time"

// An entry is one identifier that is not free. Its fields are guarded by the
// mu of its Allocator.
type entry struct {
	key         key
	state       State
	unvalidated bool // counts against MaxUnvalidated
	orphan      bool // live since before New, not claimed yet
	holder      Holder
	notBefore   time.Duration // since the Allocator's base; 0: none
	until       time.Duration // deadline of its queue

	in         *queue
	prev, next *entry // in the queue's list
	heap       int    // 1 + place in the queue's heap, 0: in the list
}

// A queue orders entries by deadline. Entries that come in order, the usual
// case of a fixed delay, go to a list at constant cost; others go to a heap.
type queue struct {
	first, last *entry
	heap        []*entry
}

// push adds e. A distant deadline must not go to the list, where it would send
// all that follow to the heap.
func (q *queue) push(e *entry, distant bool) {
	e.in = q
	if distant || q.last != nil && e.until < q.last.until {
		q.heap = append(q.heap, e)
		e.heap = len(q.heap)
		q.up(len(q.heap) - 1)
		return
	}
	e.heap = 0
	e.prev, e.next = q.last, nil
	if q.last != nil {
		q.last.next = e
	} else {
		q.first = e
	}
	q.last = e
}

// due returns the entry with the earliest deadline if that is not after now.
func (q *queue) due(now time.Duration) *entry {
	e := q.first
	if len(q.heap) > 0 && (e == nil || q.heap[0].until < e.until) {
		e = q.heap[0]
	}
	if e == nil || e.until > now {
		return nil
	}
	return e
}

// remove takes e out of the queue it is in, if any.
func (e *entry) remove() {
	q := e.in
	if q == nil {
		return
	}
	e.in = nil
	if e.heap > 0 {
		q.removeHeap(e.heap - 1)
		e.heap = 0
		return
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		q.last = e.prev
	}
	e.prev, e.next = nil, nil
}

func (q *queue) removeHeap(i int) {
	last := len(q.heap) - 1
	if i != last {
		q.swap(i, last)
	}
	q.heap[last] = nil
	q.heap = q.heap[:last]
	if i != last {
		q.down(i)
		q.up(i)
	}
}

func (q *queue) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if q.heap[parent].until <= q.heap[i].until {
			return
		}
		q.swap(i, parent)
		i = parent
	}
}

func (q *queue) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(q.heap); child++ {
			if q.heap[child].until < q.heap[least].until {
				least = child
			}
		}
		if least == i {
			return
		}
		q.swap(i, least)
		i = least
	}
}

func (q *queue) swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.heap[i].heap, q.heap[j].heap = i+1, j+1
}
