// Package store keeps what an Ostiary daemon must not forget, in one file: the
// registry of clients and resource servers, the ledger of issued tokens, sender
// sequence numbers, identifiers in use, and the audit log.
//
//	write ---\
//	write ----+--> one writer: BEGIN  write  write  write  COMMIT (fsync)
//	write ---/                                               |
//	  ^------------------------------------------------------+ results
//
//	read  -------> pool of readers: committed state only
//
// A method that changes something returns nil only after the change is durable.
// Concurrent changes share one transaction and one fsync; if one of them fails
// the others do not. When it is in doubt whether a change is durable the error
// is [ErrUnknownOutcome], and after an I/O error the store takes no further
// change (see [Store.Err]).
//
// A database that was restored from a backup, or copied, opens as a new
// generation: no security context of an older generation gets sender sequence
// numbers, and the ledger's numbers continue above all that were ever given.
//
// The SQL is for SQLite and PostgreSQL alike; the database is SQLite.
package store
