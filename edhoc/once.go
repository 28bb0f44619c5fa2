package edhoc

import "sync/atomic"

// once holds a state of a handshake until a step takes it out. Go cannot forbid
// the second use of a value; this does. It is safe for concurrent use: of several
// calls one gets the state.
type once[T any] struct{ v atomic.Pointer[T] }

func (o *once[T]) put(v *T) { o.v.Store(v) }

// take empties o.
//
//spec:9528-5.1-1
//spec:9528-5.1-4
//spec:9528-5.1-5
//spec:9528-7-1
//spec:9528-7-2
//spec:9528-7-3
func (o *once[T]) take() (*T, error) {
	if v := o.v.Swap(nil); v != nil {
		return v, nil
	}
	return nil, ErrSpent
}

// eraser is a state that holds secrets.
type eraser interface{ erase() }

// discard takes the state out of o, if there is one, and erases it.
func discard[T any, P interface {
	*T
	eraser
}](o *once[T]) {
	if v, err := o.take(); err == nil {
		P(v).erase()
	}
}

// abort is discard with an error for the peer.
func abort[T any, P interface {
	*T
	eraser
}](o *once[T], section, reason string) error {
	v, err := o.take()
	if err != nil {
		return err
	}
	P(v).erase()
	return refuse(section, reason, nil)
}
