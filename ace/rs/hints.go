package rs

import (
	"errors"
	"time"
)

// Hints are the AS Request Creation Hints for a request, encoded: the payload of a
// 4.01 (RFC 9200, Section 5.3). They hold what Config says and a fresh cnonce, and
// nothing that depends on the sender.
func (t *Tokens) Hints(method uint8, path string, now time.Time) ([]byte, error) {
	h := t.cfg.Hints
	if t.cfg.SuggestScope != nil {
		h.Scope = t.cfg.SuggestScope(method, path)
	}
	if n := t.cfg.ClientNonces; n != nil {
		nonce, err := n.Issue(now)
		if err != nil {
			return nil, err
		}
		h.CNonce = nonce
	}
	return h.Append(nil), nil
}

// withHints adds the hints to a 4.01; without randomness it has none.
func (t *Tokens) withHints(err error, method uint8, path string, now time.Time) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	hinted := *e
	hints, failed := t.Hints(method, path, now)
	if failed != nil {
		hinted.Err = errors.Join(e.Err, failed)
	}
	hinted.Hints = hints
	return &hinted
}
