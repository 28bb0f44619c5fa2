package rs

import (
	"container/list"
	"sync"
	"time"

	"github.com/ostiary/ostiary/ace"
)

// An Entry is a token with the security association that was made from it.
type Entry struct {
	Token *Token

	// Subject names the association, as requests over it do; it is new to the
	// table, and not "".
	Subject string

	// Profile is that of the association.
	Profile ace.Profile

	// KeyID is what the kid of an update of access rights must be: for OSCORE, the
	// id of the input material (RFC 9203, Section 4.2). nil: no updates.
	KeyID []byte

	// Client names the proof-of-possession key among all of them, where package
	// ace does not know the confirmation method; "" takes it from the token.
	Client string

	// Binding is the association.
	Binding Binding
}

// A Binding is the security association that a token belongs to, as the table
// sees it. Both methods may be called concurrently and by any caller of the
// table, whose lock is not held.
type Binding interface {
	// Confirm is called once, when the first request over the association has
	// verified. On an error the token is removed.
	Confirm() error
	// Remove is called once, when the token, which may have come by an update, has
	// left the table: the association must no longer be used.
	Remove(Removed)
}

// row is an Entry in the table. The first fields do not change; the others are
// guarded by the lock of the table.
type row struct {
	subject string
	client  string
	profile ace.Profile
	keyID   []byte
	binding Binding
	added   time.Time
	number  uint64 // by age

	confirming sync.Mutex // held while binding.Confirm is called

	token     *Token
	confirmed bool
	waiting   *list.Element     // in Tokens.unconfirmed; nil if confirmed
	created   map[string]string // resources that the client created, by the path it used
}
