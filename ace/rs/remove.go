package rs

import "time"

// removal is a row that has left the table; dispose has to follow.
type removal struct {
	row    *row
	token  *Token
	reason Reason
}

// remove takes r out of the table, whose lock is held.
func (t *Tokens) remove(r *row, why Reason) removal {
	delete(t.rows, r.subject)
	t.unrelate(r)
	if r.waiting != nil {
		t.unconfirmed.Remove(r.waiting)
		r.waiting = nil
	}
	return removal{r, r.token, why}
}

// dispose ends what hangs on rows that have left the table: observations first,
// while the association can still carry their 4.01.
//
//spec:9200-5.10.3-5
func (t *Tokens) dispose(list []removal) {
	for _, x := range list {
		gone := Removed{Subject: x.row.subject, Token: x.token, Reason: x.reason}
		if t.cfg.OnRemove != nil {
			t.cfg.OnRemove(gone)
		}
		x.row.binding.Remove(gone)
	}
}

// end removes r, if it is still there, and returns the 4.01 for its request, which
// is not protected.
//
//spec:9203-4.3-18
//spec:9203-4.3-19
func (t *Tokens) end(r *row, why Reason, reason string, cause error) error {
	t.mu.Lock()
	var list []removal
	if t.rows[r.subject] == r {
		list = append(list, t.remove(r, why))
	}
	t.mu.Unlock()
	t.dispose(list)
	return &Error{Code: Unauthorized, Section: "RFC 9203, Section 4.3", Reason: reason, Err: cause, Discarded: true}
}

// removeIf removes the rows for which the condition holds.
func (t *Tokens) removeIf(why Reason, condition func(*row) bool) (n int) {
	t.mu.Lock()
	var list []removal
	for _, r := range t.rows {
		if condition(r) {
			list = append(list, t.remove(r, why))
		}
	}
	t.mu.Unlock()
	t.dispose(list)
	return len(list)
}

// Remove takes out the token or the standing right of a subject, because its
// association has ended (for OSCORE, when sequence numbers run out) or should end.
// It reports whether there was one.
func (t *Tokens) Remove(subject string) bool {
	if t.removeStanding(subject) {
		return true
	}
	t.mu.Lock()
	var list []removal
	if r := t.rows[subject]; r != nil {
		list = append(list, t.remove(r, Discarded))
	}
	t.mu.Unlock()
	t.dispose(list)
	return len(list) > 0
}

// Revoke takes out the tokens with one of these token hashes (RFC 9770, Section
// 11.1), and returns how many there were. Config.Revoked keeps them out.
func (t *Tokens) Revoke(hashes ...[]byte) int {
	revoked := map[string]bool{}
	for _, h := range hashes {
		revoked[string(h)] = true
	}
	return t.removeIf(Revoked, func(r *row) bool { return revoked[r.token.hash] })
}

// Expire takes out the tokens that have expired and the unconfirmed ones that
// nobody has used in time, and returns how many there were. It writes the exi
// counters when a step has passed; the error is that of the store. Call it every
// few seconds: its cost grows with the table. A request with an expired token is
// refused also before.
func (t *Tokens) Expire(now time.Time) (int, error) {
	err := t.counters.run(now)
	n := t.removeIf(Expired, func(r *row) bool { return t.expired(r, now) })
	return n, err
}

// expired reports whether the row has reached the end of its time.
func (t *Tokens) expired(r *row, now time.Time) bool {
	if !r.confirmed && now.Sub(r.added) >= t.cfg.UnconfirmedLifetime {
		return true
	}
	return r.token.hasExpired(now) || r.token.exi != nil && t.counters.check(*r.token.exi, now) != nil
}
