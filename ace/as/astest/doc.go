// Package astest holds what tests of an authorization server need: a Ledger and
// registries in memory, and the suite that every Ledger must pass.
package astest
