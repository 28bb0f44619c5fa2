// Package policy decides which scope a client gets at an audience, by policies in
// the Cedar language.
package policy

import (
	"errors"

	"github.com/ostiary/ostiary/ace"
)

// A Request asks what scope a subject gets.
type Request struct {
	Subject  string   // name of the client
	Groups   []string // that it belongs to
	Audience string
	Scope    ace.Scope // asked for
}

// A Decision says what is given. Only Granted may become visible to the subject.
type Decision struct {
	Granted  ace.Scope // none if nothing is given
	Reason   Reason
	Policies []string // file and line of the policies that decided
}

// A Reason is why a Decision is what it is.
type Reason uint8

// The reasons.
const (
	Denied    Reason = iota // known, but nothing of it is given
	Granted                 // all that was asked for
	Partial                 // some of it
	Unknown                 // no policy for this audience gives any of it to anybody
	Malformed               // neither scope tokens nor AIF
	Failed                  // a policy could not be evaluated
)

// A Set is a set of policies. It does not change and is safe for concurrent use.
type Set struct{}

// Parse reads policies; name stands for the text in errors.
func Parse(name string, text []byte) (*Set, error) { return nil, errors.New("policy: to be written") }

// Decide says what scope the subject gets.
func (s *Set) Decide(r Request) Decision { return Decision{} }
