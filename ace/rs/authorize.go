package rs

import (
	"time"

	"github.com/ostiary/ostiary/ace"
)

const authorizing = "RFC 9200, Section 5.10.2"

// Authorize says whether the token of subject allows a method on a resource. It is
// called for a request that has verified over the association of that name: it
// confirms the token, see Confirm. subject is "" for a request that came over no
// association.
//
// path is the URI-local-part: "/" and the Uri-Path segments, percent-encoded where
// they hold "/", and for a resource that has its query in the token also that. It
// must be equal to the path of an entry of the scope.
//
// A right of [Tokens.AddStanding] counts as a token that does not expire.
//
// It fails with an [*Error]: 4.01 with hints if the subject has no valid token,
// 4.03 if the token does not cover the resource, 4.05 if it covers the resource but
// not the method. If Discarded is set the association has ended, and the answer
// is not protected.
//
//spec:9200-5.10.2-2
//spec:9203-4.4-1
func (t *Tokens) Authorize(subject string, method uint8, path string, now time.Time) (Grant, error) {
	if s := t.stands(subject); s != nil {
		return t.grantStanding(s, method, path)
	}
	r, err := t.confirm(subject, now)
	if err != nil {
		//spec:9200-5.10.2-3
		return Grant{}, t.withHints(err, method, path, now)
	}
	return t.grant(r, method, path)
}

// errRemoved ends a request whose right was taken away while it was looked at.
var errRemoved = &Error{Code: Unauthorized, Section: authorizing, Reason: "token was removed", Discarded: true}

func (t *Tokens) grant(r *row, method uint8, path string) (Grant, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows[r.subject] != r {
		return Grant{}, errRemoved
	}
	if err := decide(r.token.permissions, r.created, method, path); err != nil {
		return Grant{}, err
	}
	return Grant{subject: r.subject, method: method, path: path, token: r.token}, nil
}

// decide says whether permissions, and created, allow the method.
func decide(permissions ace.AIF, created map[string]string, method uint8, path string) error {
	covered, allowed := permits(permissions, created, path)
	switch {
	case !covered:
		//spec:9200-5.10.2-4
		return &Error{Code: Forbidden, Section: authorizing, Reason: "scope does not cover the resource"}
	case allowed&ace.MethodOf(method) == 0:
		//spec:9200-5.10.2-5
		return &Error{Code: MethodNotAllowed, Section: authorizing, Reason: "scope does not cover the method"}
	}
	return nil
}

// permits gives the methods on a resource, and whether the scope covers it at all:
// an entry names it, or the client created it by one that has dynamic permissions
// (RFC 9237, Section 2.3).
func permits(permissions ace.AIF, created map[string]string, path string) (covered bool, allowed ace.Methods) {
	by, mine := created[path]
	for _, p := range permissions {
		if p.Path == path {
			covered, allowed = true, allowed|p.Methods
		}
		if mine && p.Path == by && p.Methods.OnCreated() != 0 {
			covered, allowed = true, allowed|p.Methods.OnCreated()
		}
	}
	return covered, allowed
}

// Recheck says whether the token of the subject still allows what g was given for.
// A long-running request calls it before each notification: the token may have
// expired, or an update of access rights may have taken the right away. The errors
// are those of Authorize, and [ErrGrant] for a zero Grant.
func (t *Tokens) Recheck(g Grant, now time.Time) error {
	if !g.given() {
		return ErrGrant
	}
	_, err := t.Authorize(g.subject, g.method, g.path, now)
	return err
}

// Created notes that the request of g, for which the answer is a 2.01, has created
// a resource: the client may use it as the Dynamic permissions of the resource that
// it used say (RFC 9237, Section 2.3). Without any, nothing is noted. location is
// a path as in Authorize. Errors: [ErrGrant], [ErrTooManyCreated].
func (t *Tokens) Created(g Grant, location string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	permissions, created := t.rights(g)
	if created == nil {
		return ErrGrant
	}
	dynamic := false
	for _, p := range permissions {
		dynamic = dynamic || p.Path == g.path && p.Methods.OnCreated() != 0
	}
	if !dynamic {
		return nil
	}
	if _, known := (*created)[location]; !known && len(*created) >= t.cfg.MaxCreated {
		return ErrTooManyCreated
	}
	if *created == nil {
		*created = map[string]string{}
	}
	(*created)[location] = g.path
	return nil
}

// rights are what the subject of g has now, and where to note what it created; nil
// if it has nothing. The lock is held.
func (t *Tokens) rights(g Grant) (ace.AIF, *map[string]string) {
	r, s := t.rows[g.subject], t.standing[g.subject]
	switch {
	case g.token != nil && r != nil:
		return r.token.permissions, &r.created
	case g.standing != nil && s != nil:
		return s.Permissions, &s.created
	}
	return nil, nil
}

// Deleted notes that a resource is no more: what Created noted of it is forgotten
// for every client.
func (t *Tokens) Deleted(location string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rows {
		delete(r.created, location)
	}
	for _, s := range t.standing {
		delete(s.created, location)
	}
}
