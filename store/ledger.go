package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/internal/cborseq"
)

var _ as.Ledger = (*Store)(nil)

// maxBlock bounds what one call takes of a sequence.
const maxBlock = 1 << 32

// NextSequence implements [as.Ledger]. It takes at most 2^32 numbers.
func (s *Store) NextSequence(ctx context.Context, rs string, n uint64) (first uint64, err error) {
	if n == 0 || n > maxBlock {
		return 0, fmt.Errorf("store: take %d numbers: not 1 to 2^32", n)
	}
	var last int64
	err = s.write(ctx, func(t *tx) error {
		_, err := t.row(`INSERT INTO sequences (name, last) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET last = sequences.last + $3 RETURNING last`,
			[]any{rs, s.gen.floor + int64(n), int64(n)}, &last)
		if err == nil && last > math.MaxInt64-2*maxBlock {
			err = errors.New("sequence is exhausted")
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("store: take numbers: %w", err)
	}
	return uint64(last) - n + 1, nil
}

// Record implements [as.Ledger]. The token and its audit event, token.issue or
// token.update, are one change.
func (s *Store) Record(ctx context.Context, token as.Issued) error {
	row, err := tokenRow(token)
	if err != nil {
		return fmt.Errorf("store: record token: %w", err)
	}
	if err := s.write(ctx, func(t *tx) error { return record(t, token, row) }); err != nil {
		return fmt.Errorf("store: record token: %w", err)
	}
	return nil
}

func record(t *tx, token as.Issued, row []any) error {
	if token.KeyUse == as.NewKey {
		var one int
		if used, err := t.row("SELECT 1 FROM tokens WHERE key_id = $1 LIMIT 1", []any{token.KeyID}, &one); used || err != nil {
			return errors.Join(err, as.ErrDuplicate)
		}
	}
	seq, err := t.audit(tokenEvent(token))
	if err != nil {
		return err
	}
	n, err := t.exec(`INSERT INTO tokens (number, cti, hash, client, audience, servers, key_id, key_use, scope,
			profile, issued, expires, expires_in, ended)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0)
		ON CONFLICT DO NOTHING`, append([]any{seq}, row...)...)
	if err != nil {
		return err
	}
	if n == 0 {
		return as.ErrDuplicate
	}
	if token.KeyUse == as.SameKey {
		return supersede(t, token, seq)
	}
	return nil
}

// supersede ends the live tokens that token, number seq, takes the place of.
func supersede(t *tx, token as.Issued, seq int64) error {
	var old []int64
	err := t.each(selectLive, []any{token.KeyID, token.Client, token.IssuedAt.Unix()}, func(scan func(...any) error) error {
		number, i, err := scanToken(scan)
		if err == nil && number != seq && slices.Contains(i.Servers, token.Servers[0]) {
			old = append(old, number)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(old) == 0 {
		return as.ErrNotLive
	}
	for _, number := range old {
		if _, err := t.exec("UPDATE tokens SET ended = $1 WHERE number = $2", seq, number); err != nil {
			return err
		}
	}
	return nil
}

func tokenEvent(token as.Issued) Event {
	kind := "token.issue"
	if token.KeyUse == as.SameKey {
		kind = "token.update"
	}
	return Event{Kind: kind, Actor: token.Client, Subject: token.Audience, Detail: map[string]string{
		"cti": hexString(token.CTI), "hash": hexString(token.Hash), "scope": token.Scope.String(),
		"expires": strconv.FormatInt(token.Expires.Unix(), 10),
	}}
}

// tokenRow is a row of tokens from cti to expires_in.
func tokenRow(i as.Issued) ([]any, error) {
	servers, err := cborseq.Marshal(i.Servers)
	if err != nil {
		return nil, err
	}
	scope := i.Scope.Append(nil)
	if back, err := parseScope(scope); err != nil || back != i.Scope {
		return nil, errors.New("scope cannot be stored")
	}
	if len(i.CTI) == 0 || len(i.Hash) == 0 || len(i.KeyID) == 0 || len(i.Servers) == 0 {
		return nil, errors.New("token without cti, hash, key or server")
	}
	return []any{
		i.CTI, i.Hash, i.Client, i.Audience, servers, i.KeyID, int64(i.KeyUse), notNil(scope),
		int64(i.Profile), i.IssuedAt.Unix(), i.Expires.Unix(), int64(i.ExpiresIn),
	}, nil
}

// parseScope is ace.ParseScope, for which no bytes are no scope.
func parseScope(b []byte) (ace.Scope, error) {
	if len(b) == 0 {
		return ace.Scope{}, nil
	}
	return ace.ParseScope(b)
}

// notNil makes an empty byte string of nil, which the database takes for NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

const (
	selectTokens = `SELECT number, cti, hash, client, audience, servers, key_id, key_use, scope, profile,
		issued, expires, expires_in FROM tokens`
	selectLive = selectTokens + ` WHERE key_id = $1 AND client = $2 AND ended = 0 AND expires > $3 ORDER BY number DESC`
)

func scanToken(scan func(...any) error) (number int64, i as.Issued, err error) {
	var (
		servers, scope          []byte
		use, profile, expiresIn int64
		issued, expires         int64
	)
	err = scan(&number, &i.CTI, &i.Hash, &i.Client, &i.Audience, &servers, &i.KeyID, &use, &scope, &profile,
		&issued, &expires, &expiresIn)
	if err != nil {
		return 0, i, err
	}
	if err := cborseq.Unmarshal(servers, &i.Servers); err != nil {
		return 0, i, err
	}
	if i.Scope, err = parseScope(scope); err != nil {
		return 0, i, err
	}
	i.KeyUse, i.Profile, i.ExpiresIn = as.KeyUse(use), ace.Profile(profile), uint32(expiresIn)
	i.IssuedAt, i.Expires = time.Unix(issued, 0).UTC(), time.Unix(expires, 0).UTC()
	return number, i, nil
}

// errFound ends a scan.
var errFound = errors.New("found")

// LiveToken implements [as.Ledger].
func (s *Store) LiveToken(ctx context.Context, client, rs string, keyID []byte, now time.Time) (as.Issued, error) {
	var found as.Issued
	err := scanRows(s.readers.QueryContext(ctx, selectLive, keyID, client, now.Unix()))(func(scan func(...any) error) error {
		_, i, err := scanToken(scan)
		if err == nil && slices.Contains(i.Servers, rs) {
			found = i
			return errFound
		}
		return err
	})
	switch {
	case errors.Is(err, errFound):
		return found, nil
	case err != nil:
		return as.Issued{}, fmt.Errorf("store: look for token: %w", err)
	}
	return as.Issued{}, as.ErrNotLive
}

// LiveTokenByHash implements [as.Ledger].
func (s *Store) LiveTokenByHash(ctx context.Context, hash []byte, now time.Time) (as.Issued, error) {
	_, i, err := scanToken(s.readers.QueryRowContext(ctx, selectTokens+" WHERE hash = $1 AND ended = 0 AND expires > $2", notNil(hash), now.Unix()).Scan)
	switch {
	case err == nil:
		return i, nil
	case errors.Is(err, sql.ErrNoRows):
		return as.Issued{}, as.ErrNotLive
	}
	return as.Issued{}, fmt.Errorf("store: look for token: %w", err)
}

// LastIssued implements [as.Ledger].
func (s *Store) LastIssued(ctx context.Context) (time.Time, error) {
	var last sql.NullInt64
	if err := s.readers.QueryRowContext(ctx, "SELECT MAX(issued) FROM tokens").Scan(&last); err != nil {
		return time.Time{}, fmt.Errorf("store: look for last token: %w", err)
	}
	if !last.Valid {
		return time.Time{}, nil
	}
	return time.Unix(last.Int64, 0).UTC(), nil
}
