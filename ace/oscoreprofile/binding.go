package oscoreprofile

import (
	"sync"

	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// binding ties a token to its association and Recipient ID.
type binding struct {
	cfg         *AuthzInfoConfig
	association *oscore.Association

	mu      sync.Mutex // guards all below
	pending *idalloc.Pending
	live    *idalloc.Live // after Confirm
	removed bool
}

// Confirm makes the Recipient ID live: the client holds the keys of the context.
func (b *binding) Confirm() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.removed {
		return ErrSpent
	}
	live, err := b.pending.Confirm()
	b.live = live
	return err
}

// Remove discards the context (RFC 9203, Section 6).
//
//spec:9203-6-5
//spec:9203-6-6
//spec:9203-6-7
func (b *binding) Remove(x rs.Removed) {
	if b.cfg.OnDiscard != nil {
		b.cfg.OnDiscard(b.association, x.Reason)
	}
	b.cfg.Contexts.Remove(b.association)
	b.association.Discard()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.removed = true
	if b.live == nil {
		_ = b.pending.Abort() // It rests also after an error of the journal.
		return
	}
	// The client has a newer context, or knows that its token is over, or else may
	// go on until then.
	if exp := x.Token.Claims().Expiration; !exp.IsZero() && x.Reason != rs.Replaced && x.Reason != rs.Expired {
		_ = b.live.RestUntil(exp.Time())
	}
	_ = b.live.Release()
}
