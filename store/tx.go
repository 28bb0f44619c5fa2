package store

import (
	"context"
	"database/sql"
	"errors"
)

// A tx is one change within the transaction of its group.
type tx struct{ w *writer }

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	r, err := t.w.exec(query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row runs a query for one row at most and reports whether there was one.
func (t *tx) row(query string, args []any, dest ...any) (bool, error) {
	st, err := t.w.stmt(query)
	if err != nil {
		return false, err
	}
	err = st.QueryRowContext(context.Background(), args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// each runs a query and calls f for each row.
func (t *tx) each(query string, args []any, f func(scan func(...any) error) error) error {
	st, err := t.w.stmt(query)
	if err != nil {
		return err
	}
	return scanRows(st.QueryContext(context.Background(), args...))(f)
}

// scanRows calls f for each of rows and closes them.
func scanRows(rows *sql.Rows, err error) func(func(scan func(...any) error) error) error {
	return func(f func(scan func(...any) error) error) error {
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			if err := f(rows.Scan); err != nil {
				return err
			}
		}
		return errors.Join(rows.Err(), rows.Close())
	}
}
