package idalloc

import "time"

// A Holding is one identifier that is not free.
type Holding struct {
	ID        ID
	State     State // StateFree in a Journal.Write forgets the ID
	Holder    Holder
	NotBefore time.Time // must rest until then; zero: no such time
}

// A Journal keeps holdings across crashes. Write replaces the holdings of the
// same IDs, all of them or, on error, possibly none; when it returns nil they
// are durable. Calls do not overlap.
type Journal interface {
	Write([]Holding) error
}
