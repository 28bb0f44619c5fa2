package idalloc

// An urn holds the numbers 0..n-1, from which some are taken. It draws in
// constant time and remembers at most two words for each number taken.
//
// It is a random permutation, shuffled (Fisher-Yates) no further than needed:
// the positions from taken to n-1 hold the numbers that are left. Every number
// >= taken that is left stands at its own position, so only the positions of
// taken numbers hold a stranger, which is < taken.
type urn struct {
	n, taken uint64
	swapped  map[uint64]uint64 // position -> the stranger there, and back
}

func newUrn(n uint64) urn { return urn{n: n, swapped: make(map[uint64]uint64)} }

func (u *urn) left() uint64 { return u.n - u.taken }

// draw takes the number at the r-th position that is left, r < left().
func (u *urn) draw(r uint64) uint64 {
	p := u.taken + r
	number, stranger := u.swapped[p]
	if !stranger {
		number = p
	}
	u.empty(p, number)
	return number
}

// take takes the given number and reports whether it was there.
func (u *urn) take(number uint64) bool {
	p, swapped := u.swapped[number]
	switch {
	case number >= u.n || swapped != (number < u.taken):
		return false
	case !swapped:
		p = number
	}
	u.empty(p, number)
	return true
}

// empty takes number from position p and closes the gap from the front.
func (u *urn) empty(p, number uint64) {
	u.forget(p, number)
	if front := u.taken; p != front {
		moved, stranger := u.swapped[front]
		if stranger {
			u.forget(front, moved)
		} else {
			moved = front
		}
		u.remember(p, moved)
	}
	u.taken++
}

// put returns a number that was taken.
func (u *urn) put(number uint64) {
	u.taken--
	front := u.taken
	if number > front { // goes home, whoever stands there moves
		homeless := u.swapped[number]
		u.forget(number, homeless)
		number = homeless
	}
	if number == front {
		return
	}
	if p, elsewhere := u.swapped[front]; elsewhere { // front's own number goes home too
		u.forget(p, front)
		u.remember(p, number)
		return
	}
	u.remember(front, number)
}

func (u *urn) remember(p, number uint64) {
	u.swapped[p] = number
	u.swapped[number] = p
}

func (u *urn) forget(p, number uint64) {
	if p != number {
		delete(u.swapped, p)
		delete(u.swapped, number)
	}
}
