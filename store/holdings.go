package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/idalloc"
)

// A Journal keeps the identifiers of one endpoint's allocator.
type Journal struct {
	s        *Store
	endpoint string
}

var _ idalloc.Journal = (*Journal)(nil)

// Journal returns the journal for the allocator of an endpoint, which has a name
// of its own within the database.
func (s *Store) Journal(endpoint string) *Journal { return &Journal{s, endpoint} }

// Write implements [idalloc.Journal].
func (j *Journal) Write(changes []idalloc.Holding) error {
	err := j.s.write(context.Background(), func(t *tx) error {
		for _, h := range changes {
			if err := j.put(t, h); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: write identifiers: %w", err)
	}
	return nil
}

func (j *Journal) put(t *tx, h idalloc.Holding) error {
	if h.State == idalloc.StateFree {
		_, err := t.exec("DELETE FROM id_holdings WHERE endpoint = $1 AND id = $2", j.endpoint, []byte(h.ID))
		return err
	}
	var notBefore int64
	if !h.NotBefore.IsZero() {
		notBefore = h.NotBefore.Unix() + 1 // not earlier
	}
	_, err := t.exec(`INSERT INTO id_holdings (endpoint, id, state, source, ref, not_before) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (endpoint, id) DO UPDATE SET state = excluded.state, source = excluded.source,
			ref = excluded.ref, not_before = excluded.not_before`,
		j.endpoint, []byte(h.ID), int64(h.State), int64(h.Holder.Source), h.Holder.Ref, notBefore)
	return err
}

// Holdings returns what the journal holds, for idalloc.Config.
func (j *Journal) Holdings(ctx context.Context) ([]idalloc.Holding, error) {
	var all []idalloc.Holding
	err := scanRows(j.s.readers.QueryContext(ctx,
		"SELECT id, state, source, ref, not_before FROM id_holdings WHERE endpoint = $1 ORDER BY id", j.endpoint))(
		func(scan func(...any) error) error {
			var (
				id                       []byte
				state, source, notBefore int64
				h                        idalloc.Holding
			)
			if err := scan(&id, &state, &source, &h.Holder.Ref, &notBefore); err != nil {
				return err
			}
			h.ID, h.State, h.Holder.Source = idalloc.ID(id), idalloc.State(state), idalloc.Source(source)
			if notBefore != 0 {
				h.NotBefore = time.Unix(notBefore, 0).UTC()
			}
			all = append(all, h)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("store: read identifiers: %w", err)
	}
	return all, nil
}
