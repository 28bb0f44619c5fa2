package rs

import (
	"slices"

	"github.com/ostiary/ostiary/ace"
)

// A Standing is a right that the owner of the RS has given by itself, without a
// token: to a peer that proves possession of its key otherwise, as by EDHOC with a
// credential that the owner trusts. It has no expiry and needs no room of the
// tokens.
//
// It and the tokens do not know each other: no claim, confirmation key or update
// of a token finds, replaces or extends it, whatever names are in it, and it
// replaces no token. What they share are the subjects, and each of those is one
// association.
type Standing struct {
	// Subject names the association, as requests over it do; it is new to the
	// table, and not "".
	Subject string

	// Source names where the owner has said so, and Peer the peer in it. They are for
	// handlers and logs.
	Source, Peer string

	// Permissions are what the peer may do. With none, it gets 4.03 for everything.
	Permissions ace.AIF

	// Ended is called once, when the right has left the table: the association must
	// no longer be used. The Removed has no Token. It may be called by any caller of
	// the table, whose lock is not held.
	Ended func(Removed)
}

// standing is a Standing in the table.
type standing struct {
	Standing
	created map[string]string // as in row; guarded by the lock of the table
}

// AddStanding gives a right to the peer of an association. It fails with
// [ErrSubject] if the subject is empty or in use, also by a token, or Ended is nil.
func (t *Tokens) AddStanding(s Standing) error {
	s.Permissions = slices.Clone(s.Permissions)
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.Subject == "" || s.Ended == nil || t.has(s.Subject) {
		return ErrSubject
	}
	t.standing[s.Subject] = &standing{Standing: s}
	return nil
}

// has reports whether a subject is in use; the lock is held.
func (t *Tokens) has(subject string) bool {
	return t.rows[subject] != nil || t.standing[subject] != nil
}

// stands gives the standing right of a subject, or nil.
func (t *Tokens) stands(subject string) *standing {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.standing[subject]
}

func (t *Tokens) grantStanding(s *standing, method uint8, path string) (Grant, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.standing[s.Subject] != s {
		return Grant{}, errRemoved
	}
	if err := decide(s.Permissions, s.created, method, path); err != nil {
		return Grant{}, err
	}
	return Grant{subject: s.Subject, method: method, path: path, standing: s}, nil
}

// removeStanding takes out the standing right of a subject, if it has one.
func (t *Tokens) removeStanding(subject string) bool {
	t.mu.Lock()
	s := t.standing[subject]
	delete(t.standing, subject)
	t.mu.Unlock()
	if s == nil {
		return false
	}
	gone := Removed{Subject: subject, Reason: Discarded}
	if t.cfg.OnRemove != nil {
		t.cfg.OnRemove(gone)
	}
	s.Ended(gone)
	return true
}
