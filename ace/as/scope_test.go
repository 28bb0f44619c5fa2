package as_test

import (
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
)

// TestScopes: what is given of what is asked for.
func TestScopes(t *testing.T) {
	led := func(m ace.Methods) ace.Scope { return ace.AIFScope(ace.AIF{{Path: "/led", Methods: m}}) }
	const rules = `
permit (principal == Client::"alice", action, resource == Scope::"read") when { resource in Audience::"rs1" };
permit (principal in Group::"admins", action, resource is Scope in Audience::"rs1");
permit (principal == Client::"alice", action == Action::"GET", resource == Path::"/led") when { resource in Audience::"rs1" };
permit (principal == Client::"alice", action, resource in Audience::"rs2") when { 1 + 9223372036854775807 > 0 };`
	for _, c := range []struct {
		name     string
		audience string
		form     as.ScopeForm
		most     int
		scope    ace.Scope
		want     ace.Scope
		code     ace.ErrorCode
	}{
		{"all", "rs1", as.AnyScope, 0, ace.TextScope("read"), ace.TextScope("read"), 0},
		{"some", "rs1", as.AnyScope, 0, ace.TextScope("write", "read"), ace.TextScope("read"), 0},
		{"refused", "rs1", as.AnyScope, 0, ace.TextScope("write"), ace.Scope{}, ace.InvalidScope},
		{"unknown", "rs1", as.AnyScope, 0, ace.TextScope("paint"), ace.Scope{}, ace.InvalidScope},
		{"AIF", "rs1", as.AIFScope, 0, led(ace.GET), led(ace.GET), 0},
		{"some of AIF", "rs1", as.AIFScope, 0, led(ace.GET | ace.PUT), led(ace.GET), 0},
		{"none of AIF", "rs1", as.AIFScope, 0, led(ace.PUT), ace.Scope{}, ace.InvalidScope},
		{"bytes that are no AIF", "rs1", as.AnyScope, 0, ace.ByteScope([]byte{1}), ace.Scope{}, ace.InvalidScope},
		{"RS wants text", "rs1", as.TextScope, 0, led(ace.GET), ace.Scope{}, ace.InvalidScope},
		{"RS wants text and gets it", "rs1", as.TextScope, 0, ace.TextScope("read"), ace.TextScope("read"), 0},
		{"RS wants AIF", "rs1", as.AIFScope, 0, ace.TextScope("read"), ace.Scope{}, ace.InvalidScope},
		{"too long for the RS", "rs1", as.AnyScope, 9, ace.TextScope("readwrite", "read"), ace.Scope{}, ace.InvalidScope},
		{"just not too long", "rs1", as.AnyScope, 9, ace.TextScope("read", "also"), ace.TextScope("read"), 0},
		{"other audience", "rs3", as.AnyScope, 0, ace.TextScope("read"), ace.Scope{}, ace.InvalidScope},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.policy = policies(t, rules)
			w.servers["rs3"] = w.servers["rs2"]
			w.restart()
			w.set(c.audience, func(rs *as.ResourceServer) { rs.Scopes, rs.MaxScope = c.form, c.most })
			r := &ace.TokenRequest{Audience: c.audience, Scope: c.scope}
			if c.code != 0 {
				w.refused("alice", r.Append(nil), c.code)
				return
			}
			answer, claims := w.granted("alice", r)
			if claims.Scope != c.want || w.ledger.Tokens()[0].Scope != c.want {
				t.Errorf("scope of the token %v, recorded %v, want %v", claims.Scope, w.ledger.Tokens()[0].Scope, c.want)
			}
			if partial := c.want != c.scope; partial != !answer.Scope.IsZero() || partial && answer.Scope != c.want {
				t.Errorf("scope of the answer %v, want it to be %v if that is not all", answer.Scope, c.want)
			}
		})
	}

	w := newWorld(t)
	w.policy = policies(t, rules)
	w.restart()
	// Refused and unknown differ in the log only.
	refused := w.refused("bob", read().Append(nil), ace.InvalidScope)
	r := read()
	r.Scope = ace.AIFScope(ace.AIF{{Path: "/nowhere", Methods: ace.GET}})
	unknown := w.refused("bob", r.Append(nil), ace.InvalidScope)
	if refused.Reason == unknown.Reason {
		t.Errorf("unknown and refused scope have the same reason %q", refused.Reason)
	}
	// A policy that cannot be evaluated is our fault.
	r = read()
	r.Audience = "rs2"
	w.refused("alice", r.Append(nil), 0)
	// A member of a group.
	w.setAlice(func(c *as.Client) { c.Groups = []string{"admins"} })
	r = read()
	r.Scope = ace.TextScope("anything")
	w.granted("alice", r)
}
