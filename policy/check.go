package policy

import (
	"fmt"
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/ostiary/ostiary/ace"
)

// actions are all that a request may ask for.
var actions = func() map[types.String]bool {
	all := map[types.String]bool{use.ID: true}
	for code := range uint8(8) {
		m := ace.MethodOf(code)
		for _, name := range (m | m.Dynamic()).Each {
			all[types.String(name)] = true
		}
	}
	return all
}()

// attributes are those that the variables have.
var attributes = map[types.String][]types.String{
	"principal": nil,
	"action":    nil,
	"resource":  {"path", "query", "name"},
	"context":   {"audience"},
}

// check finds what is well-formed Cedar, but can apply to no request: a type,
// action or attribute that there is not. A permit with a slip of the pen would
// be void; a forbid would be void, too.
func check(p *ast.Policy) error {
	if err := checkHead(p.Principal, typeClient, typeGroup); err != nil {
		return fmt.Errorf("principal: %w", err)
	}
	if err := checkHead(p.Action, typeAction); err != nil {
		return fmt.Errorf("action: %w", err)
	}
	if err := checkHead(p.Resource, typePath, typeScope, typeAudience); err != nil {
		return fmt.Errorf("resource: %w", err)
	}
	var err error
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			if err == nil {
				err = checkNode(n)
			}
			return err == nil
		})
	}
	return err
}

func checkHead(head ast.IsScopeNode, allowed ...types.EntityType) error {
	switch h := head.(type) {
	case ast.ScopeTypeEq:
		return checkEntity(h.Entity, allowed...)
	case ast.ScopeTypeIn:
		return checkEntity(h.Entity, allowed...)
	case ast.ScopeTypeIs:
		return checkType(h.Type, allowed...)
	case ast.ScopeTypeIsIn:
		if err := checkType(h.Type, allowed...); err != nil {
			return err
		}
		return checkEntity(h.Entity, allowed...)
	case ast.ScopeTypeInSet:
		for _, uid := range h.Entities {
			if err := checkEntity(uid, allowed...); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkNode(n ast.IsNode) error {
	switch n := n.(type) {
	case ast.NodeValue:
		return checkValue(n.Value)
	case ast.NodeTypeIs:
		return checkType(n.EntityType, typeClient, typePath, typeScope)
	case ast.NodeTypeIsIn:
		return checkType(n.EntityType, typeClient, typePath, typeScope)
	case ast.NodeTypeAccess:
		return checkAttribute(n.Arg, n.Value)
	case ast.NodeTypeHas:
		return checkAttribute(n.Arg, n.Value)
	}
	return nil
}

// checkValue looks for entities, also in sets.
func checkValue(v types.Value) error {
	switch v := v.(type) {
	case types.EntityUID:
		return checkEntity(v, typeClient, typeGroup, typeAction, typePath, typeScope, typeAudience)
	case types.Set:
		for e := range v.All() {
			if err := checkValue(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkEntity(uid types.EntityUID, allowed ...types.EntityType) error {
	if uid.Type == typeAction && !actions[uid.ID] {
		return fmt.Errorf("there is no %v", uid)
	}
	return checkType(uid.Type, allowed...)
}

func checkType(t types.EntityType, allowed ...types.EntityType) error {
	if !slices.Contains(allowed, t) {
		return fmt.Errorf("type %s is none of %v", t, allowed)
	}
	return nil
}

func checkAttribute(of ast.IsNode, name types.String) error {
	v, ok := of.(ast.NodeTypeVariable)
	if ok && !slices.Contains(attributes[v.Name], name) {
		return fmt.Errorf("%s has no attribute %s", v.Name, name)
	}
	return nil
}
