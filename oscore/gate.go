package oscore

// A Gate stands between the requests of one source and the AEAD, so that who has
// seen a 'kid' cannot use up Limits.Failures at once. Contexts.VerifyRequestFrom asks
// it, for several associations in turn where the 'kid' is that of several.
type Gate interface {
	// Admit reports whether a request may be decrypted under a key of a. It is asked
	// after the replay check, which costs a key nothing. What is not admitted is no
	// failed decryption.
	Admit(a *Association) bool
	// Failed is told that an admitted request did not verify, unless it turned out
	// to be that of another association.
	Failed(a *Association)
}

// VerifyRequestFrom is VerifyRequest for a request from behind gate. The answer to
// one that is not admitted is that to a failed decryption, and its error is also
// ErrThrottled.
func (t *Contexts) VerifyRequestFrom(gate Gate, p Protected) (*Association, Message, *ServerExchange, error) {
	p.gate = gate
	return t.verify(&p)
}

// admits reports whether p may be decrypted under a key of a.
func (p *Protected) admits(a *Association) bool { return p.gate == nil || p.gate.Admit(a) }

// failed says that p did not verify under a key of a.
func (p *Protected) failed(a *Association) {
	if p.gate != nil {
		p.gate.Failed(a)
	}
}

// Attached returns what Attach has attached, and nil before.
func (a *Association) Attached() any {
	if v := a.attached.Load(); v != nil {
		return *v
	}
	return nil
}

// Attach keeps v, for the layer that carries OSCORE, as long as the association is
// there. It returns what is kept: what was attached first, by any caller.
func (a *Association) Attach(v any) any {
	if a.attached.CompareAndSwap(nil, &v) {
		return v
	}
	return *a.attached.Load()
}
