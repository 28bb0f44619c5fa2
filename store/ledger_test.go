package store

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/ace/as/astest"
)

func testLedger(t *testing.T, open opener) {
	astest.TestLedger(t, func(t *testing.T) as.Ledger { return open(t, t.TempDir()) })
}

func testLedgerDurable(t *testing.T, open opener) {
	astest.TestLedgerDurable(t, func(t *testing.T, dir string) as.Ledger { return open(t, dir) })
}

// A revoked token is never live again (T3).
func testRevokeToken(t *testing.T, open opener) {
	dir := t.TempDir()
	s := open(t, dir)
	i := issued(1)
	if err := s.Admin("me").RevokeToken(t.Context(), i.CTI); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown token: %v, want ErrNotFound", err)
	}
	if err := errors.Join(s.Record(t.Context(), i), s.Record(t.Context(), issued(2))); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Admin("me").RevokeToken(t.Context(), i.CTI); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*Store{s, open(t, dir)} {
		if _, err := s.LiveToken(t.Context(), i.Client, "valve", i.KeyID, start); !errors.Is(err, as.ErrNotLive) {
			t.Errorf("revoked token: %v, want ErrNotLive", err)
		}
		update := issued(3)
		update.KeyUse, update.KeyID, update.Client = as.SameKey, i.KeyID, i.Client
		if err := s.Record(t.Context(), update); !errors.Is(err, as.ErrNotLive) {
			t.Errorf("update of a revoked token: %v, want ErrNotLive", err)
		}
		other := issued(2)
		if _, err := s.LiveToken(t.Context(), other.Client, "valve", other.KeyID, start); err != nil {
			t.Errorf("another token: %v", err)
		}
	}
	events, err := s.Events(t.Context(), 1, 10)
	if err != nil || len(events) != 3 || events[2].Kind != "token.revoke" || events[2].Actor != "me" {
		t.Errorf("events %+v, %v", events, err)
	}
}
