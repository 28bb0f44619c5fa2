// Package policy decides which scope a client gets at an audience. Policies are
// written in the Cedar language; what no policy permits is denied.
//
//	permit (
//		principal == Client::"thermostat",
//		action in [Action::"GET", Action::"PUT"],
//		resource in Audience::"boiler"
//	) when { resource.path like "/s/*" };
//
// A request is one client at one audience. A scope of AIF is decided entry by
// entry and method by method: the resource is Path::"/s/temp", the action
// Action::"GET", or Action::"Dynamic-GET" (RFC 9237, Section 2.3). A scope of
// text is decided token by token: the resource is Scope::"read", the action
// Action::"use".
//
// A principal Client::"name" is in each Group::"name" of the client. A resource
// is in Audience::"name" of the request, which context.audience names, too. It
// has the attributes path and query (of a Path: the parts before and behind the
// question mark) and name (of a Scope: the token), each empty if it does not
// apply.
//
// Policies are found by audience, where they name one: as resource in
// Audience::".." in the head or as one of the terms of a when that are joined by
// &&, or there as context.audience == "..". Those for one principal == Client::
// are found by the client, too. All others are looked at for each request.
package policy

import (
	"fmt"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/ostiary/ostiary/ace"
)

// A Request asks what scope a subject gets.
type Request struct {
	Subject  string   // name of the client
	Groups   []string // that it belongs to
	Audience string
	Scope    ace.Scope // asked for
}

// A Decision says what is given. Only Granted is meant for the subject.
type Decision struct {
	Granted  ace.Scope // none if nothing is given
	Reason   Reason
	Policies []string // name:line of the policies that decided, in no order, each once
	Err      error    // of a policy that could not be evaluated; what it was asked about is denied
}

// A Reason is why a Decision is what it is.
type Reason uint8

// The reasons.
const (
	Denied    Reason = iota // policies know something of it, but the client gets none of it
	Granted                 // all that was asked for
	Partial                 // some of it
	Unknown                 // no policy gives any of it to anybody
	Malformed               // neither scope tokens nor AIF, or none at all
)

var reasonNames = [...]string{"denied", "granted", "partial", "unknown", "malformed"}

// String gives the reason in lower case.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// A Set is a set of policies. Its zero value denies everything. It does not
// change and is safe for concurrent use.
type Set struct {
	audiences map[string]*bucket
	any       bucket // policies that name no audience
}

// Parse reads policies. name stands for the text in errors, which give the line,
// and in Decisions. It refuses a policy that names an entity type, action or
// attribute that requests do not have.
func Parse(name string, text []byte) (*Set, error) {
	list, err := cedar.NewPolicyListFromBytes(name, text)
	if err != nil {
		return nil, fmt.Errorf("policy: %s: %w", name, err)
	}
	s := &Set{audiences: map[string]*bucket{}}
	for _, p := range list {
		if err := check((*ast.Policy)(p.AST())); err != nil {
			return nil, fmt.Errorf("policy: %s:%d: %w", name, p.Position().Line, err)
		}
		s.add(p)
	}
	return s, nil
}

// Decide says what scope the subject gets.
func (s *Set) Decide(r Request) Decision {
	e := newEvaluation(s, r)
	if tokens, ok := r.Scope.Tokens(); ok {
		return e.decideTokens(tokens)
	}
	aif, err := r.Scope.AIF()
	if err != nil || len(aif) == 0 {
		return Decision{Reason: Malformed}
	}
	return e.decideAIF(aif)
}
