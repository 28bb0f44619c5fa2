package oscore

// An Association is one peer: its input parameters, who it is, and the security
// context in use. The protocol of Appendix B.2 replaces the context and keeps the
// Association, whose pointer is therefore the identity of the peer: observations,
// caches and access rights hang on it. It is safe for concurrent use.
type Association struct {
}

// NewAssociation derives the first context of cfg, of which it keeps no slice.
func NewAssociation(cfg Config) (*Association, error) { return nil, errToBeWritten }

// Subject returns Config.Subject.
func (a *Association) Subject() string { return "" }

// RecipientID returns the Recipient ID, which is the same in all contexts of the
// association. The caller must not change it.
func (a *Association) RecipientID() []byte { return nil }

// Current returns the security context in use; nil after Discard, and before the
// first run of Appendix B.2 with B2Required.
func (a *Association) Current() *Context { return nil }

// ProtectRequest protects m with the context in use, or as request #1 or #2 of
// Appendix B.2. The same message is protected again when the exchange says
// [*Retry].
func (a *Association) ProtectRequest(m Message) (Protected, *ClientExchange, error) {
	return Protected{}, nil, errToBeWritten
}

// VerifyRequest verifies p as a request of this peer; see Contexts.VerifyRequest.
func (a *Association) VerifyRequest(p Protected) (Message, *ServerExchange, error) {
	return Message{}, nil, errToBeWritten
}

// Rederive asks for a new context (Appendix B.2): the next request to the peer
// begins a run, or the next request of the peer is answered with response #1,
// whatever comes first. It returns ErrDiscarded, or an error with B2Off.
func (a *Association) Rederive() error { return errToBeWritten }

// Suspend takes the association out of use and returns its mutable state, for
// Config.Resume, so that a clean restart shows nowhere (Section 12.8). It holds no
// secret, but it must be used once at most: whoever reads it from storage deletes it
// durably before the new Association protects a message.
func (a *Association) Suspend() ([]byte, error) { return nil, errToBeWritten }

// Discard ends the association: from now on everything returns ErrDiscarded, also
// in the exchanges that are open. It may be called more than once.
func (a *Association) Discard() {}
