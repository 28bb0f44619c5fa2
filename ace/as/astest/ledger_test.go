package astest_test

import (
	"testing"

	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/ace/as/astest"
)

func TestLedger(t *testing.T) {
	astest.TestLedger(t, func(*testing.T) as.Ledger { return new(astest.Ledger) })
}
