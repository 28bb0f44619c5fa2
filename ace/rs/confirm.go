package rs

import (
	"time"
)

// Confirm tells that a request over the association has verified. The first time,
// the token becomes the client's only one: the others with the same key, the same
// iss and cti, or the same iss and sub are removed. It fails with an [*Error] of
// code 4.01 if the subject has no token that is valid. Authorize does it too.
func (t *Tokens) Confirm(subject string, now time.Time) error {
	_, err := t.confirm(subject, now)
	return err
}

// confirm returns the row of a subject whose request has verified.
func (t *Tokens) confirm(subject string, now time.Time) (*row, error) {
	t.mu.Lock()
	r := t.rows[subject]
	if r == nil {
		t.mu.Unlock()
		return nil, &Error{Code: Unauthorized, Section: "RFC 9200, Section 5.10.2", Reason: "no token"}
	}
	expired, confirmed := t.expired(r, now), r.confirmed
	t.mu.Unlock()
	switch {
	case expired:
		return nil, t.end(r, Expired, "token has expired", nil)
	case confirmed:
		return r, nil
	}

	r.confirming.Lock()
	defer r.confirming.Unlock()
	t.mu.Lock()
	confirmed, gone := r.confirmed, t.rows[subject] != r
	t.mu.Unlock()
	switch {
	case gone:
		return nil, t.end(r, Discarded, "token was removed", nil)
	case confirmed:
		return r, nil
	}
	if err := r.binding.Confirm(); err != nil {
		return nil, t.end(r, Unconfirmed, "security association is gone", err)
	}
	return r, t.settle(r, now)
}

// settle makes r the only token of its client.
//
//spec:9200-5.10.1-7
func (t *Tokens) settle(r *row, now time.Time) error {
	t.mu.Lock()
	if t.rows[r.subject] != r {
		t.mu.Unlock()
		return t.end(r, Discarded, "token was removed", nil)
	}
	if err := t.admit(r.token, r.client, r.profile, now); err != nil {
		t.mu.Unlock()
		return t.end(r, Unconfirmed, "token is no longer acceptable", err)
	}
	if !t.room(r) {
		t.mu.Unlock()
		return t.end(r, Evicted, "no room for a token", nil)
	}
	r.confirmed = true
	t.unconfirmed.Remove(r.waiting)
	r.waiting = nil
	replaced := t.supersede(r)
	t.mu.Unlock()
	t.dispose(replaced)
	return nil
}

// supersede removes the tokens that r replaces: all confirmed relatives, and the
// unconfirmed ones of the same client that are older. What the client created
// stays its own.
func (t *Tokens) supersede(r *row) (replaced []removal) {
	for other := range t.relatives(r) {
		if other == r || !other.confirmed && (other.client != r.client || other.number > r.number) {
			continue
		}
		if other.confirmed && r.created == nil {
			r.created = other.created
		}
		replaced = append(replaced, t.remove(other, Replaced))
	}
	return replaced
}
