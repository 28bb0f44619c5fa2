package astest

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ostiary/ostiary/ace/as"
)

// A Ledger is an as.Ledger in memory. Its zero value is empty. Copies of Tokens
// are what a test looks at.
type Ledger struct {
	// Fail, if not nil, is asked before each call by the name of its method.
	// What it returns fails the call, which then has no effect.
	Fail func(method string) error
	// FailAfter is asked after Record has kept the token: an unknown outcome.
	FailAfter func() error

	mu        sync.Mutex // guards all below
	sequences map[string]uint64
	tokens    []entry
}

type entry struct {
	as.Issued
	superseded bool
}

var _ as.Ledger = (*Ledger)(nil)

func (l *Ledger) fail(ctx context.Context, method string) error {
	if l.Fail != nil {
		if err := l.Fail(method); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// NextSequence implements as.Ledger.
func (l *Ledger) NextSequence(ctx context.Context, rs string, n uint64) (uint64, error) {
	if err := l.fail(ctx, "NextSequence"); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sequences == nil {
		l.sequences = map[string]uint64{}
	}
	first := l.sequences[rs] + 1
	l.sequences[rs] += n
	return first, nil
}

// Record implements as.Ledger.
func (l *Ledger) Record(ctx context.Context, token as.Issued) error {
	if err := l.fail(ctx, "Record"); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.ContainsFunc(l.tokens, func(e entry) bool {
		return bytes.Equal(e.CTI, token.CTI) || bytes.Equal(e.Hash, token.Hash) ||
			token.KeyUse == as.NewKey && bytes.Equal(e.KeyID, token.KeyID)
	}) {
		return as.ErrDuplicate
	}
	if token.KeyUse == as.SameKey {
		found := false
		for i := range l.tokens {
			if e := &l.tokens[i]; e.live(token.Client, token.Servers[0], token.KeyID, token.IssuedAt) {
				e.superseded, found = true, true
			}
		}
		if !found {
			return as.ErrNotLive
		}
	}
	l.tokens = append(l.tokens, entry{Issued: token})
	if l.FailAfter != nil {
		return l.FailAfter()
	}
	return nil
}

func (e *entry) live(client, rs string, keyID []byte, now time.Time) bool {
	return !e.superseded && e.Client == client && slices.Contains(e.Servers, rs) &&
		bytes.Equal(e.KeyID, keyID) && e.Expires.After(now)
}

// LiveToken implements as.Ledger.
func (l *Ledger) LiveToken(ctx context.Context, client, rs string, keyID []byte, now time.Time) (as.Issued, error) {
	if err := l.fail(ctx, "LiveToken"); err != nil {
		return as.Issued{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range slices.Backward(l.tokens) {
		if e.live(client, rs, keyID, now) {
			return e.Issued, nil
		}
	}
	return as.Issued{}, as.ErrNotLive
}

// LiveTokenByHash implements as.Ledger.
func (l *Ledger) LiveTokenByHash(ctx context.Context, hash []byte, now time.Time) (as.Issued, error) {
	if err := l.fail(ctx, "LiveTokenByHash"); err != nil {
		return as.Issued{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.tokens {
		if bytes.Equal(e.Hash, hash) && !e.superseded && e.Expires.After(now) {
			return e.Issued, nil
		}
	}
	return as.Issued{}, as.ErrNotLive
}

// LastIssued implements as.Ledger.
func (l *Ledger) LastIssued(ctx context.Context) (time.Time, error) {
	if err := l.fail(ctx, "LastIssued"); err != nil {
		return time.Time{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var last time.Time
	for _, e := range l.tokens {
		if e.IssuedAt.After(last) {
			last = e.IssuedAt
		}
	}
	return last, nil
}

// Tokens gives all tokens in the order in which they were recorded.
func (l *Ledger) Tokens() []as.Issued {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]as.Issued, len(l.tokens))
	for i, e := range l.tokens {
		all[i] = e.Issued
	}
	return all
}

// Revoke takes the token with the CTI out of the live ones.
func (l *Ledger) Revoke(cti []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.tokens {
		if bytes.Equal(l.tokens[i].CTI, cti) {
			l.tokens[i].superseded = true
		}
	}
}
