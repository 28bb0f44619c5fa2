package oscore

// Contexts is an endpoint's table of associations by Recipient ID. The zero value
// is an empty table. It is safe for concurrent use, but for its fields, which are set
// before; it must not be copied.
type Contexts struct {
	// Tries bounds the verifications of one request, whose 'kid' may belong to
	// several contexts (Section 3.3). 0 means 8.
	Tries int
	// Uniform makes every *Error of VerifyRequest look the same to the peer: 4.01
	// without diagnostic payload (Appendix D.5.3).
	Uniform bool
}

// Add puts a into the table. It returns ErrRecipientIDInUse or ErrKeyInUse if
// Section 3.3 forbids that, and ErrDiscarded.
func (t *Contexts) Add(a *Association) error { return errToBeWritten }

// Remove takes a out of the table, and does not discard it. It reports whether a
// was there.
func (t *Contexts) Remove(a *Association) bool { return false }

// Len returns the number of associations.
func (t *Contexts) Len() int { return 0 }

// VerifyRequest finds the association that p belongs to, by its 'kid' and 'kid
// context', and verifies p (Section 8.2). When the error is not nil, the request must
// not be processed, and ErrorMessage(err) is the answer.
func (t *Contexts) VerifyRequest(p Protected) (*Association, Message, *ServerExchange, error) {
	return nil, Message{}, nil, errToBeWritten
}

// Compact drops the expanded keys of the associations that were not used since the
// last call; they come back with the next use. Call it now and then where there are
// many idle peers.
func (t *Contexts) Compact() {}
