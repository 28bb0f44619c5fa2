package policy

import (
	"fmt"
	"iter"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// The entity types that policies speak of.
const (
	typeClient   types.EntityType = "Client"
	typeGroup    types.EntityType = "Group"
	typeAction   types.EntityType = "Action"
	typeAudience types.EntityType = "Audience"
	typePath     types.EntityType = "Path"
	typeScope    types.EntityType = "Scope"
)

// A bucket holds the policies for one audience, or for any.
type bucket struct {
	all         []entry                     // for more than one client
	byPrincipal map[types.EntityUID][]entry // for one; those of other types than Client are found by nobody
	known       known
}

type entry struct {
	id     cedar.PolicyID
	policy *cedar.Policy
}

// add files a policy.
func (s *Set) add(p *cedar.Policy) {
	tree := (*ast.Policy)(p.AST())
	b := &s.any
	if audience, ok := audienceOf(tree); ok {
		if b = s.audiences[audience]; b == nil {
			b = new(bucket)
			s.audiences[audience] = b
		}
	}
	at := p.Position()
	e := entry{cedar.PolicyID(fmt.Sprintf("%s:%d", at.Filename, at.Line)), p}
	if only, ok := tree.Principal.(ast.ScopeTypeEq); ok {
		if b.byPrincipal == nil {
			b.byPrincipal = map[types.EntityUID][]entry{}
		}
		b.byPrincipal[only.Entity] = append(b.byPrincipal[only.Entity], e)
	} else {
		b.all = append(b.all, e)
	}
	if tree.Effect == ast.EffectPermit {
		b.known.add(tree.Resource)
	}
}

// candidates are the policies that may apply to a client at an audience.
type candidates [4][]entry

func (s *Set) candidates(client types.EntityUID, audience string) (c candidates) {
	c[0], c[1] = s.any.all, s.any.byPrincipal[client]
	if b := s.audiences[audience]; b != nil {
		c[2], c[3] = b.all, b.byPrincipal[client]
	}
	return c
}

// All implements cedar.PolicyIterator.
func (c *candidates) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, list := range c {
			for _, e := range list {
				if !yield(e.id, e.policy) {
					return
				}
			}
		}
	}
}

// known says what resources the heads of permits name, to tell an unknown scope
// from a refused one.
type known struct {
	types    map[types.EntityType]bool // all of a type; "" is any type
	entities map[types.EntityUID]bool
}

func (k *known) add(head ast.IsResourceScopeNode) {
	if k.types == nil {
		k.types, k.entities = map[types.EntityType]bool{}, map[types.EntityUID]bool{}
	}
	switch h := head.(type) {
	case ast.ScopeTypeEq:
		k.entities[h.Entity] = true
	case ast.ScopeTypeIs:
		k.types[h.Type] = true
	case ast.ScopeTypeIsIn:
		k.types[h.Type] = true
	case ast.ScopeTypeAll, ast.ScopeTypeIn:
		k.types[""] = true
	}
}

func (k *known) has(resource types.EntityUID) bool {
	return k.types[""] || k.types[resource.Type] || k.entities[resource]
}

// knows reports whether any policy could give the resource to anybody.
func (s *Set) knows(resource types.EntityUID, audience string) bool {
	b := s.audiences[audience]
	return s.any.known.has(resource) || b != nil && b.known.has(resource)
}

// audienceOf gives the audience outside of which the policy cannot apply.
func audienceOf(p *ast.Policy) (string, bool) {
	switch h := p.Resource.(type) {
	case ast.ScopeTypeIn:
		if h.Entity.Type == typeAudience {
			return string(h.Entity.ID), true
		}
	case ast.ScopeTypeIsIn:
		if h.Entity.Type == typeAudience {
			return string(h.Entity.ID), true
		}
	}
	for _, c := range p.Conditions {
		if c.Condition == ast.ConditionWhen {
			if audience, ok := audienceIn(c.Body); ok {
				return audience, true
			}
		}
	}
	return "", false
}

// audienceIn looks for resource in Audience::"x" and context.audience == "x" in
// a conjunction. Terms before it may fail instead of being false: then the policy
// is missed at another audience, where it could not have been satisfied either,
// and its failure changes nothing there.
func audienceIn(n ast.IsNode) (string, bool) {
	switch n := n.(type) {
	case ast.NodeTypeAnd:
		if audience, ok := audienceIn(n.Left); ok {
			return audience, true
		}
		return audienceIn(n.Right)
	case ast.NodeTypeIn:
		if isVariable(n.Left, "resource") {
			if uid, ok := value(n.Right).(types.EntityUID); ok && uid.Type == typeAudience {
				return string(uid.ID), true
			}
		}
	case ast.NodeTypeEquals:
		if text, ok := value(n.Right).(types.String); ok && isAudience(n.Left) {
			return string(text), true
		}
	}
	return "", false
}

func isVariable(n ast.IsNode, name types.String) bool {
	v, ok := n.(ast.NodeTypeVariable)
	return ok && v.Name == name
}

func isAudience(n ast.IsNode) bool {
	access, ok := n.(ast.NodeTypeAccess)
	return ok && access.Value == "audience" && isVariable(access.Arg, "context")
}

func value(n ast.IsNode) types.Value {
	if v, ok := n.(ast.NodeValue); ok {
		return v.Value
	}
	return nil
}
