package oscore

import "sync"

const (
	defaultWindow = 32 // Section 3.2.2
	maxWindow     = 4096
)

// A window is the Replay Window (Section 7.4): the anti-replay window of RFC 6347,
// Section 4.1.2.6. It accepts each number once, if it is above the highest one taken
// minus its size.
type window struct {
	mu  sync.Mutex // guards all but size
	top uint64     // the highest number taken, if begun
	// Number n is bit n%64 of word n/64 in a ring of at least size bits, of which those
	// above top-size count: word alone, or wide for a window of more than 64.
	word   uint64
	wide   *[]uint64
	size   uint16
	begun  bool
	lost   bool // it is not known what was received (Appendix B.1.2)
	closed bool // by suspend: nothing is taken any more
}

func (w *window) init(size int) {
	w.size = uint16(size)
	if size > 64 {
		wide := make([]uint64, (size+63)/64)
		w.wide = &wide
	}
}

// check reports whether number may still be taken, and whether the window is lost:
// then everything may, by recover only. What it says can change until take.
func (w *window) check(number uint64) (fresh, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost || w.fresh(number), w.lost
}

// take marks number as received, and reports whether it was the first time. It is the
// one operation that validates and updates.
//
//spec:8613-7.4-3
func (w *window) take(number uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.lost || !w.fresh(number) {
		return false
	}
	w.mark(number)
	return true
}

// recover ends the loss of the window: number becomes its lower limit (Appendix
// B.1.2). It reports false if that was done already.
func (w *window) recover(number uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || !w.lost {
		return false
	}
	w.lost = false
	w.fill(number)
	return true
}

// fill makes number the top, and takes everything below.
func (w *window) fill(number uint64) {
	w.begun, w.top = true, number
	w.each(func(word *uint64) { *word = ^uint64(0) })
}

// fresh reports whether number was not received before.
//
//spec:8613-7.4-1
func (w *window) fresh(number uint64) bool {
	if !w.begun || number > w.top {
		return true
	}
	if w.top-number >= uint64(w.size) {
		return false
	}
	word, bit := w.at(number)
	return *word&bit == 0
}

func (w *window) mark(number uint64) {
	if !w.begun || number > w.top {
		w.slide(number)
	}
	word, bit := w.at(number)
	*word |= bit
}

// slide makes number the top, and everything between the old top and it not
// received.
func (w *window) slide(number uint64) {
	if !w.begun || number-w.top >= 64*w.ring() {
		w.each(func(word *uint64) { *word = 0 })
	} else {
		for n := w.top + 1; n < number; n++ {
			word, bit := w.at(n)
			*word &^= bit
		}
	}
	word, bit := w.at(number)
	*word &^= bit
	w.begun, w.top = true, number
}

// ring returns the number of words.
func (w *window) ring() uint64 {
	if w.wide == nil {
		return 1
	}
	return uint64(len(*w.wide))
}

func (w *window) at(number uint64) (word *uint64, bit uint64) {
	bit = 1 << (number % 64)
	if w.wide == nil {
		return &w.word, bit
	}
	return &(*w.wide)[number/64%w.ring()], bit
}

// each calls f with every word, in order.
func (w *window) each(f func(word *uint64)) {
	for i := range w.ring() {
		word, _ := w.at(64 * i)
		f(word)
	}
}
