package rs

import (
	"bytes"
	"errors"
	"time"
)

// Update replaces the token of an association by v, which came over it, and keeps
// the association (RFC 9203, Section 4.2). It confirms the association first. It
// fails with an [*Error] of code 4.01, and then nothing changes.
func (t *Tokens) Update(subject string, v *Token, now time.Time) error {
	if v == nil {
		return ErrSubject
	}
	r, err := t.confirm(subject, now)
	if err != nil {
		return err
	}
	replaced, err := t.update(r, v, now)
	t.dispose(replaced)
	return err
}

func (t *Tokens) update(r *row, v *Token, now time.Time) (replaced []removal, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows[r.subject] != r {
		return nil, &Error{Code: Unauthorized, Section: "RFC 9200, Section 5.10.2", Reason: "no token"}
	}
	//spec:9203-4.2-7
	if r.keyID == nil || v.issuer != r.token.issuer || !bytes.Equal(v.claims.Cnf.KID, r.keyID) {
		return nil, &Error{Code: Unauthorized, Section: "RFC 9203, Section 4.2", Reason: "kid is not that of the association"}
	}
	if err := t.admit(v, r.client, r.profile, now); err != nil {
		return nil, unauthorized(err)
	}
	if err := t.claim(v, now); err != nil {
		return nil, unauthorized(err)
	}
	//spec:9203-4.2-8
	t.unrelate(r)
	r.token = v
	t.numbers++
	r.number = t.numbers
	t.relate(r)
	return t.supersede(r), nil
}

// unauthorized makes 4.01 of an Error that would have another code at an
// unprotected authz-info.
//
//spec:9203-4.2-10
func unauthorized(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return &Error{Code: Unauthorized, Section: "RFC 9203, Section 4.2", Reason: "update of access rights is refused", Err: e}
}
