package idalloc

// Stats counts for observation.
type Stats struct {
	Lengths []LengthStats // ascending: those that Allocate gives out or that are in use

	Unvalidated int // identifiers occupied by peers with unproved addresses

	// Since New:
	Allocated, Confirmed, Aborted, Expired, Claimed, Released uint64
	Exhausted                                                 uint64 // ErrExhausted
	Refused                                                   uint64 // ErrUnvalidated
	Conflicts                                                 uint64 // ConflictError
	JournalErrors                                             uint64
}

// LengthStats is the number of identifiers of one length in each state.
type LengthStats struct {
	Length                                     int
	Free, Reserved, Pending, Live, Quarantined uint64
}

// Stats counts what is in use now and what has happened since New.
func (a *Allocator) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sweep(a.tick(), -1)
	s := a.stats
	s.Unvalidated = a.unvalidated
	var free, allowed [MaxLen + 1]uint64
	for _, c := range a.classes {
		free[c.length] += c.urn.left()
		allowed[c.length] += c.space.n
	}
	for length, n := range a.states {
		used := n[StatePending] + n[StateLive] + n[StateQuarantined]
		if allowed[length] == 0 && used == 0 {
			continue
		}
		s.Lengths = append(s.Lengths, LengthStats{
			Length: length, Free: free[length], Reserved: size(length) - free[length] - used,
			Pending: n[StatePending], Live: n[StateLive], Quarantined: n[StateQuarantined],
		})
	}
	return s
}
