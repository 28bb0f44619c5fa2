package store

import (
	"path/filepath"
	"testing"
)

// An opener opens the database that belongs to a folder, as Open does, and
// closes it at the end of the test. The same folder twice is the same database.
type opener func(t testing.TB, dir string, change ...func(*Config)) *Store

// engines are what the suite runs on.
var engines = map[string]opener{"sqlite": openAt}

// suite is what every engine must pass.
var suite = map[string]func(*testing.T, opener){
	"AllocatorOnStore":        testAllocatorOnStore,
	"Audit":                   testAudit,
	"AuditChainSurvives":      testAuditChainSurvives,
	"ClientRoundTrip":         testClientRoundTrip,
	"Closed":                  testClosed,
	"ConcurrentChanges":       testConcurrentChanges,
	"Contexts":                testContexts,
	"Journal":                 testJournal,
	"KeyReuse":                testKeyReuse,
	"Ledger":                  testLedger,
	"LedgerDurable":           testLedgerDurable,
	"Migrate":                 testMigrate,
	"MigrateKinds":            testMigrateKinds,
	"NoSecretIsShown":         testNoSecretIsShown,
	"ReadersSeeCommittedOnly": testReadersSeeCommittedOnly,
	"RegistryChanges":         testRegistryChanges,
	"RegistryRace":            testRegistryRace,
	"RegistryStaleness":       testRegistryStaleness,
	"Reserve":                 testReserve,
	"ReserveConcurrently":     testReserveConcurrently,
	"ReserveRefuses":          testReserveRefuses,
	"ResourceServerRoundTrip": testResourceServerRoundTrip,
	"RevokeToken":             testRevokeToken,
	"SigningKeyRoundTrip":     testSigningKeyRoundTrip,
	"TwoStores":               testTwoStores,
	"VerifyAuditFinds":        testVerifyAuditFinds,
}

func TestSuite(t *testing.T) {
	for engine, open := range engines {
		for name, test := range suite {
			t.Run(engine+"/"+name, func(t *testing.T) { test(t, open) })
		}
	}
}

// openAt opens an SQLite database.
func openAt(t testing.TB, dir string, change ...func(*Config)) *Store {
	t.Helper()
	cfg := Config{Path: filepath.Join(dir, "state", "ostiary.db")}
	for _, c := range change {
		c(&cfg)
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}
