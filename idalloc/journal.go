package idalloc

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A Holding is one identifier that is not free.
type Holding struct {
	ID        ID
	State     State // StateFree in a Journal.Write forgets the ID
	Holder    Holder
	NotBefore time.Time // must rest until then; zero: no such time
}

// A Journal keeps holdings across crashes. Write replaces the holdings of the
// same IDs, all of them or, on error, possibly none; when it returns nil they
// are durable. Calls do not overlap. It must not call the Allocator.
//
// Identifiers are drawn in blocks that are written as reserved before the first
// of them is given out. So a crash forgets no identifier that a peer may have
// seen, an Allocate seldom waits for the disk, and what a crash costs is that
// the unused rest of a block must rest.
type Journal interface {
	Write([]Holding) error
}

// blockSize is how many identifiers of a class are drawn with one write; fewer
// where not many are left.
const blockSize = 64

// A batch is the changes that one Write makes durable. Concurrent callers share
// it. Its fields are guarded by the writing lock of the Allocator.
type batch struct {
	done bool
	err  error
}

// mark says that the journal must learn the state of the entry with this key,
// and returns the batch that will. The caller holds mu.
func (a *Allocator) mark(k key) *batch {
	if a.journal != nil {
		a.dirty[k] = struct{}{}
	}
	return a.batch
}

// commit makes the batch durable. The caller does not hold mu. On error the
// changes stay marked: the journal may hold the old or the new state of each.
func (a *Allocator) commit(b *batch) error {
	if a.journal == nil {
		return nil
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	if b.done { // by another caller
		return b.err
	}
	b.done = true
	changes := a.seal()
	if len(changes) == 0 {
		return nil
	}
	if err := a.journal.Write(changes); err != nil {
		b.err = fmt.Errorf("idalloc: write journal: %w", err)
		a.mu.Lock()
		a.stats.JournalErrors++
		for _, h := range changes {
			a.dirty[keyOf(h.ID)] = struct{}{}
		}
		a.mu.Unlock()
	}
	return b.err
}

// seal closes the current batch and returns the state of all that is marked.
func (a *Allocator) seal() []Holding {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.batch = new(batch)
	changes := make([]Holding, 0, len(a.dirty))
	for k := range a.dirty {
		changes = append(changes, a.image(k))
	}
	clear(a.dirty)
	slices.SortFunc(changes, compareHoldings)
	return changes
}

// image is what a journal holds of an identifier. What is reserved there may be
// pending by now: either way it rests after a crash.
func (a *Allocator) image(k key) Holding {
	if e := a.entries[k]; e != nil {
		return a.holding(e)
	}
	return Holding{ID: k.id(), State: StateFree}
}

func (a *Allocator) holding(e *entry) Holding {
	h := Holding{ID: e.key.id(), State: e.state, Holder: e.holder}
	if e.notBefore > 0 {
		h.NotBefore = a.base.Add(e.notBefore).Round(0)
	}
	return h
}

func compareHoldings(a, b Holding) int { return cmp.Compare(keyOf(a.ID), keyOf(b.ID)) }

// Flush writes to the Journal what could wait: releases and ends of quarantine.
func (a *Allocator) Flush() error {
	a.mu.Lock()
	a.sweep(a.tick(), -1)
	b := a.batch
	a.mu.Unlock()
	return a.commit(b)
}
