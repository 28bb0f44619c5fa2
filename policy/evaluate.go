package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/ostiary/ostiary/ace"
)

// use is the action on a scope token.
var use = cedar.NewEntityUID(typeAction, "use")

// An evaluation is the work on one Request.
type evaluation struct {
	set        *Set
	candidates candidates
	client     types.Entity
	resource   types.Entity // of the question that is asked
	audience   string
	parents    types.EntityUIDSet // of every resource
	context    types.Record
	out        Decision
	known      bool // a policy knows something of the scope
}

func newEvaluation(s *Set, r Request) *evaluation {
	groups := make([]types.EntityUID, len(r.Groups))
	for i, g := range r.Groups {
		groups[i] = cedar.NewEntityUID(typeGroup, types.String(g))
	}
	client := cedar.NewEntityUID(typeClient, types.String(r.Subject))
	return &evaluation{
		set:        s,
		candidates: s.candidates(client, r.Audience),
		client:     types.Entity{UID: client, Parents: types.NewEntityUIDSet(groups...)},
		audience:   r.Audience,
		parents:    types.NewEntityUIDSet(cedar.NewEntityUID(typeAudience, types.String(r.Audience))),
		context:    types.NewRecord(types.RecordMap{"audience": types.String(r.Audience)}),
	}
}

// Get implements types.EntityGetter: nothing but the client and the resource has
// parents or attributes.
func (e *evaluation) Get(uid types.EntityUID) (types.Entity, bool) {
	switch uid {
	case e.client.UID:
		return e.client, true
	case e.resource.UID:
		return e.resource, true
	}
	return types.Entity{}, false
}

// about sets the resource of the next questions.
func (e *evaluation) about(uid types.EntityUID, path, query, name string) {
	e.resource = types.Entity{UID: uid, Parents: e.parents, Attributes: types.NewRecord(types.RecordMap{
		"path": types.String(path), "query": types.String(query), "name": types.String(name),
	})}
	e.known = e.known || e.set.knows(uid, e.audience)
}

// permits asks one question.
func (e *evaluation) permits(action types.EntityUID) bool {
	decision, diagnostic := cedar.Authorize(&e.candidates, e, cedar.Request{
		Principal: e.client.UID, Action: action, Resource: e.resource.UID, Context: e.context,
	})
	for _, r := range diagnostic.Reasons {
		if id := string(r.PolicyID); !slices.Contains(e.out.Policies, id) {
			e.out.Policies = append(e.out.Policies, id)
		}
	}
	// Cedar leaves out a policy that fails. If that is a forbid, to leave it out
	// is to permit.
	for _, err := range diagnostic.Errors {
		e.out.Err = fmt.Errorf("policy: %s: %s", err.PolicyID, err.Message)
		return false
	}
	return decision == cedar.Allow
}

func (e *evaluation) decideTokens(tokens []string) Decision {
	var granted []string
	for _, token := range tokens {
		e.about(cedar.NewEntityUID(typeScope, types.String(token)), "", "", token)
		if e.permits(use) {
			granted = append(granted, token)
		}
	}
	return e.decision(ace.TextScope(granted...), len(granted) == len(tokens))
}

func (e *evaluation) decideAIF(asked ace.AIF) Decision {
	var granted ace.AIF
	all := true
	for _, p := range asked {
		path, query, _ := strings.Cut(p.Path, "?")
		e.about(cedar.NewEntityUID(typePath, types.String(p.Path)), path, query, "")
		var methods ace.Methods
		for method, name := range p.Methods.Each {
			if e.permits(cedar.NewEntityUID(typeAction, types.String(name))) {
				methods |= method
			}
		}
		if methods != 0 {
			granted = append(granted, ace.Permission{Path: p.Path, Methods: methods})
		}
		all = all && methods == p.Methods
	}
	return e.decision(ace.AIFScope(granted), all)
}

func (e *evaluation) decision(granted ace.Scope, all bool) Decision {
	e.out.Granted = granted
	switch {
	case granted.IsZero() && e.known:
		e.out.Reason = Denied
	case granted.IsZero():
		e.out.Reason = Unknown
	case all:
		e.out.Reason = Granted
	default:
		e.out.Reason = Partial
	}
	return e.out
}
