package idalloc

// Stats counts for observation.
type Stats struct {
	Lengths []LengthStats // one for each allowed length

	Unvalidated int // identifiers occupied by peers with unproved addresses

	// Since New:
	Allocated, Confirmed, Aborted, Expired, Claimed, Released uint64
	Exhausted, Refused, Conflicts, JournalErrors              uint64
}

// LengthStats is the number of identifiers of one length in each state.
type LengthStats struct {
	Length                                     int
	Free, Reserved, Pending, Live, Quarantined uint64
}

// Stats counts what is in use now and what has happened since New.
func (a *Allocator) Stats() Stats { return Stats{} }
