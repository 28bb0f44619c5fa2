package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Revision names the state of the registry: it is another text after each
// change of clients, resource servers and contexts, by any process.
func (s *Store) Revision(ctx context.Context) (string, error) {
	var revision string
	err := s.readers.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = $1", metaRegistry).Scan(&revision)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("store: read registry: %w", err)
	}
	return revision, nil
}
