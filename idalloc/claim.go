package idalloc

import (
	"fmt"
	"slices"
)

// Claim takes the identifier id for a context that is provisioned with it, or
// takes over a restored live one for the same Holder. The error is a
// [*ConflictError] if another holder has it or had it too recently.
func (a *Allocator) Claim(id ID, h Holder) (*Live, error) {
	if len(id) > MaxLen {
		return nil, fmt.Errorf("idalloc: claim %q: %w", id.String(), errTooLong)
	}
	a.mu.Lock()
	e := a.lookup(id)
	switch {
	case e == nil:
		e = a.enter(keyOf(id), h)
	case e.state == StateReserved: // drawn, given to nobody
		a.unblock(e)
	case e.orphan && e.holder == h:
		e.remove()
		e.orphan = false
	default:
		a.stats.Conflicts++
		err := &ConflictError{ID: id, State: e.state, Holder: e.holder}
		a.mu.Unlock()
		return nil, err
	}
	e.holder = h
	a.stats.Claimed++
	return a.enliven(e, id)
}

// unblock takes a drawn entry out of its block.
func (a *Allocator) unblock(e *entry) {
	c, _ := a.classOf(e.key)
	if i := slices.Index(c.block, e); i >= 0 {
		c.block = slices.Delete(c.block, i, i+1)
	}
}

// lookup returns the entry of id, nil if it has none.
func (a *Allocator) lookup(id ID) *entry {
	k := keyOf(id)
	if e := a.entries[k]; e != nil {
		a.settle(e, a.tick())
	}
	return a.entries[k]
}

// Lookup tells the state of an identifier and who holds it, or held it last.
func (a *Allocator) Lookup(id ID) (State, Holder) {
	if len(id) > MaxLen {
		return StateReserved, Holder{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.lookup(id); e != nil {
		return e.state, e.holder
	}
	if c, _ := a.classOf(keyOf(id)); c != nil {
		return StateFree, Holder{}
	}
	return StateReserved, Holder{}
}

// Holdings returns everything that is not free, ordered by length and value,
// and can be given to New as Config.Holdings.
func (a *Allocator) Holdings() []Holding {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sweep(a.tick(), -1)
	all := make([]Holding, 0, len(a.entries))
	for _, e := range a.entries {
		all = append(all, a.holding(e))
	}
	slices.SortFunc(all, compareHoldings)
	return all
}
