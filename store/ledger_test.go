package store

import (
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
