package store

import (
	"testing"

	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/ace/as/astest"
)

func TestLedger(t *testing.T) {
	astest.TestLedger(t, func(t *testing.T) as.Ledger { return openAt(t, t.TempDir()) })
}

func TestLedgerDurable(t *testing.T) {
	astest.TestLedgerDurable(t, func(t *testing.T, dir string) as.Ledger { return openAt(t, dir) })
}
