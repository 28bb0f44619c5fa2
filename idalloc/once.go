package idalloc

import "sync/atomic"

// A once holds a value that can be taken once. The zero value is empty.
type once[T any] struct{ v atomic.Pointer[T] }

// take empties o. Go cannot forbid the second use of a handle; this does.
func (o *once[T]) take() (*T, error) {
	if v := o.v.Swap(nil); v != nil {
		return v, nil
	}
	return nil, ErrSpent
}
