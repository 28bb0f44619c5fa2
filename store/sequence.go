package store

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary/oscore"
)

// maxSequence is 2^40: Sender Sequence Numbers are below it with the nonces of
// all algorithms used here (RFC 8613, Section 7.2.1).
const maxSequence = 1 << 40

// A Sequence is the Sender Sequence Numbers of one security context. It is safe
// for concurrent use.
type Sequence struct {
	s       *Store
	context string
}

var _ oscore.SequenceStore = (*Sequence)(nil)

// NewSequence begins the numbers of a context with fresh key material, at 0. It
// fails with [ErrExists] if the name was ever used.
func (s *Store) NewSequence(ctx context.Context, name string) (*Sequence, error) {
	err := s.write(ctx, func(t *tx) error { return newSequence(t, name, s.gen.Number) })
	if err != nil {
		return nil, fmt.Errorf("store: begin sequence of %q: %w", name, err)
	}
	return s.Sequence(name), nil
}

func newSequence(t *tx, name string, generation int64) error {
	n, err := t.exec(`INSERT INTO sender_sequences (context, generation, next) VALUES ($1, $2, 0)
		ON CONFLICT DO NOTHING`, name, generation)
	if err == nil && n == 0 {
		err = ErrExists
	}
	return err
}

// Sequence returns the numbers of the context name, which Reserve looks for.
func (s *Store) Sequence(name string) *Sequence { return &Sequence{s, name} }

// Reserve implements [oscore.SequenceStore]: the block is durable before it
// returns. It fails with [ErrNotFound], [ErrOldGeneration] or [ErrSequence]; and
// with [ErrUnknownOutcome] or [ErrFailed] when the database is in doubt, and then
// no number is to be used. A block may reach beyond the last number.
//
//spec:8613-B.1.1-1
//spec:8613-B.1.1-2
func (q *Sequence) Reserve(n uint64) (first uint64, err error) {
	if n == 0 || n > maxBlock {
		return 0, fmt.Errorf("store: reserve %d sequence numbers: not 1 to 2^32", n)
	}
	err = q.s.write(context.Background(), func(t *tx) error {
		var next int64
		found, err := t.row(`UPDATE sender_sequences SET next = next + $1
			WHERE context = $2 AND generation = $3 AND next < $4 RETURNING next`,
			[]any{int64(n), q.context, q.s.gen.Number, int64(maxSequence)}, &next)
		if err == nil && !found {
			err = q.refusal(t)
		}
		first = uint64(next) - n
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("store: reserve sequence numbers of %q: %w", q.context, err)
	}
	return first, nil
}

// refusal says why there is no number.
func (q *Sequence) refusal(t *tx) error {
	var generation int64
	found, err := t.row("SELECT generation FROM sender_sequences WHERE context = $1", []any{q.context}, &generation)
	switch {
	case err != nil:
		return err
	case !found:
		return ErrNotFound
	case generation != q.s.gen.Number:
		return ErrOldGeneration
	}
	return ErrSequence
}
