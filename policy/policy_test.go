package policy

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/ace"
)

// rules are line by line what the tests below count on.
const rules = `permit (principal == Client::"alice", action in [Action::"GET", Action::"PUT"], resource == Path::"/a/led") when { resource in Audience::"rs1" };
permit (principal in Group::"readers", action == Action::"GET", resource in Audience::"rs1") when { resource.path like "/s/*" };
forbid (principal, action, resource == Path::"/s/secret") when { context.audience == "rs1" };
permit (principal == Client::"bob", action, resource is Scope in Audience::"rs1") when { resource.name like "read*" };
permit (principal == Client::"alice", action == Action::"use", resource == Scope::"admin") unless { resource in Audience::"rs1" };
permit (principal == Client::"root", action, resource);
permit (principal == Client::"alice", action in [Action::"POST", Action::"Dynamic-GET"], resource == Path::"/make") when { true && (context.audience == "rs2" && principal in Group::"makers") };
permit (principal == Group::"alice", action, resource in Audience::"rs3");
permit (principal == Client::"quoted\"\nname", action, resource == Scope::"x");
permit (principal == Client::"carol", action, resource == Scope::"y") when { resource in Audience::"rs4" };
forbid (principal == Client::"carol", action, resource) when { resource in Audience::"rs4" && 1 + 9223372036854775807 > 0 };
`

func parse(t testing.TB, text string) *Set {
	t.Helper()
	s, err := Parse("rules", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func aif(entries ...ace.Permission) ace.Scope { return ace.AIFScope(entries) }

func TestDecide(t *testing.T) {
	s := parse(t, rules)
	led := func(m ace.Methods) ace.Permission { return ace.Permission{Path: "/a/led", Methods: m} }
	temp := func(m ace.Methods) ace.Permission { return ace.Permission{Path: "/s/temp", Methods: m} }
	secret := ace.Permission{Path: "/s/secret", Methods: ace.GET}
	for _, c := range []struct {
		name     string
		subject  string
		groups   []string
		audience string
		scope    ace.Scope
		want     ace.Scope
		reason   Reason
		policies []string
	}{
		{"all methods", "alice", nil, "rs1", aif(led(ace.GET | ace.PUT)), aif(led(ace.GET | ace.PUT)), Granted, []string{"rules:1"}},
		{"some methods", "alice", nil, "rs1", aif(led(ace.GET | ace.PUT | ace.DELETE)), aif(led(ace.GET | ace.PUT)), Partial, []string{"rules:1"}},
		{"no method", "alice", nil, "rs1", aif(led(ace.DELETE)), ace.Scope{}, Denied, nil},
		{"dynamic is another method", "alice", nil, "rs1", aif(led(ace.GET.Dynamic())), ace.Scope{}, Denied, nil},
		{"some entries", "alice", nil, "rs1", aif(led(ace.GET), temp(ace.GET)), aif(led(ace.GET)), Partial, []string{"rules:1"}},
		{"group", "dave", []string{"x", "readers"}, "rs1", aif(temp(ace.GET)), aif(temp(ace.GET)), Granted, []string{"rules:2"}},
		{"both", "alice", []string{"readers"}, "rs1", aif(led(ace.PUT), temp(ace.GET)), aif(led(ace.PUT), temp(ace.GET)), Granted, []string{"rules:1", "rules:2"}},
		{"no group", "dave", nil, "rs1", aif(temp(ace.GET)), ace.Scope{}, Denied, nil},
		{"forbidden", "dave", []string{"readers"}, "rs1", aif(secret, temp(ace.GET)), aif(temp(ace.GET)), Partial, []string{"rules:3", "rules:2"}},
		{"forbidden to root", "root", nil, "rs1", aif(secret), ace.Scope{}, Denied, []string{"rules:3"}},
		{"forbidden elsewhere only", "root", nil, "rs2", aif(secret), aif(secret), Granted, []string{"rules:6"}},
		{"other audience", "alice", nil, "rs2", aif(led(ace.GET)), ace.Scope{}, Denied, nil}, // root's policy knows everything
		{"case matters", "Alice", nil, "rs1", aif(led(ace.GET)), ace.Scope{}, Denied, nil},
		{"query belongs to the resource", "alice", nil, "rs1", aif(ace.Permission{Path: "/a/led?x=1", Methods: ace.GET}), ace.Scope{}, Denied, nil},
		{"query is not in path", "dave", []string{"readers"}, "rs1", aif(ace.Permission{Path: "/t?/s/", Methods: ace.GET}), ace.Scope{}, Denied, nil},
		{"condition", "alice", []string{"makers"}, "rs2", aif(ace.Permission{Path: "/make", Methods: ace.POST | (ace.GET | ace.PUT).Dynamic()}), aif(ace.Permission{Path: "/make", Methods: ace.POST | ace.GET.Dynamic()}), Partial, []string{"rules:7"}},
		{"condition fails", "alice", nil, "rs2", aif(ace.Permission{Path: "/make", Methods: ace.POST}), ace.Scope{}, Denied, nil},
		{"tokens", "bob", nil, "rs1", ace.TextScope("read", "readall"), ace.TextScope("read", "readall"), Granted, []string{"rules:4"}},
		{"some tokens", "bob", nil, "rs1", ace.TextScope("write", "read", "x"), ace.TextScope("read"), Partial, []string{"rules:4"}},
		{"no tokens", "bob", nil, "rs1", ace.TextScope("write"), ace.Scope{}, Denied, nil},
		{"tokens are no paths", "alice", nil, "rs1", ace.TextScope("/a/led"), ace.Scope{}, Denied, nil},
		{"unless", "alice", nil, "rs9", ace.TextScope("admin"), ace.TextScope("admin"), Granted, []string{"rules:5"}},
		{"unless fails", "alice", nil, "rs1", ace.TextScope("admin"), ace.Scope{}, Denied, nil},
		{"a group is no client", "alice", []string{"alice"}, "rs3", ace.TextScope("x"), ace.Scope{}, Denied, nil},
		{"a name is a name", "quoted\"\nname", nil, "rs1", ace.TextScope("x"), ace.TextScope("x"), Granted, []string{"rules:9"}},
		{"no subject", "", nil, "rs1", ace.TextScope("read"), ace.Scope{}, Denied, nil},
		{"no scope", "root", nil, "rs1", ace.Scope{}, ace.Scope{}, Malformed, nil},
		{"byte string", "root", nil, "rs1", ace.ByteScope([]byte{1}), ace.Scope{}, Malformed, nil},
		{"AIF without entries", "root", nil, "rs1", ace.ByteScope([]byte{0x80}), ace.Scope{}, Malformed, nil},
		{"AIF of another model", "root", nil, "rs1", ace.ByteScope([]byte{0x81, 0x82, 1, 1}), ace.Scope{}, Malformed, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := s.Decide(Request{Subject: c.subject, Groups: c.groups, Audience: c.audience, Scope: c.scope})
			if got.Granted != c.want || got.Reason != c.reason || got.Err != nil {
				t.Errorf("Decide = %v, %v, %v, want %v, %v", got.Granted, got.Reason, got.Err, c.want, c.reason)
			}
			slices.Sort(got.Policies)
			slices.Sort(c.policies)
			if !slices.Equal(got.Policies, c.policies) {
				t.Errorf("decided by %v, want %v", got.Policies, c.policies)
			}
		})
	}
}

// TestUnknown tells what nobody gets from what this client does not get.
func TestUnknown(t *testing.T) {
	s := parse(t, `
permit (principal == Client::"a", action, resource == Scope::"read") when { resource in Audience::"rs1" };
permit (principal == Client::"a", action, resource is Path) when { resource in Audience::"rs2" };
forbid (principal, action, resource == Scope::"never");
permit (principal == Client::"a", action, resource is Scope in Audience::"rs3");
permit (principal == Client::"a", action, resource == Path::"/x") when { resource in Audience::"rs1" };`)
	for _, c := range []struct {
		audience string
		scope    ace.Scope
		want     Reason
	}{
		{"rs1", ace.TextScope("read"), Denied},
		{"rs1", ace.TextScope("paint"), Unknown},
		{"rs1", ace.TextScope("never"), Unknown},
		{"rs1", ace.TextScope("paint", "read"), Denied},
		{"rs2", ace.TextScope("read"), Unknown},
		{"rs2", aif(ace.Permission{Path: "/y", Methods: ace.GET}), Denied},
		{"rs1", aif(ace.Permission{Path: "/x", Methods: ace.GET}), Denied},
		{"rs1", aif(ace.Permission{Path: "/y", Methods: ace.GET}), Unknown},
		{"rs3", ace.TextScope("anything"), Denied},
		{"rs4", ace.TextScope("read"), Unknown},
	} {
		if got := s.Decide(Request{Subject: "b", Audience: c.audience, Scope: c.scope}); got.Reason != c.want || !got.Granted.IsZero() {
			t.Errorf("%s %v: %v, %v, want %v", c.audience, c.scope, got.Granted, got.Reason, c.want)
		}
	}
	if got := new(Set).Decide(Request{Subject: "b", Audience: "rs1", Scope: ace.TextScope("read")}); got.Reason != Unknown || !got.Granted.IsZero() {
		t.Errorf("an empty set: %v, %v", got.Granted, got.Reason)
	}
}

// TestInItself: a resource is in itself, which is no audience.
func TestInItself(t *testing.T) {
	s := parse(t, `permit (principal, action, resource in Path::"rs9") when { resource in Path::"/x" };
permit (principal, action, resource in Path::"/x");
permit (principal, action, resource) when { resource in Scope::"read" };`)
	for _, scope := range []ace.Scope{aif(ace.Permission{Path: "/x", Methods: ace.GET}), ace.TextScope("read")} {
		if got := s.Decide(Request{Subject: "a", Audience: "rs1", Scope: scope}); got.Granted != scope {
			t.Errorf("Decide = %v, %v, want %v", got.Granted, got.Reason, scope)
		}
	}
}

// TestFailureDenies: a forbid that cannot be evaluated does not permit.
func TestFailureDenies(t *testing.T) {
	got := parse(t, rules).Decide(Request{Subject: "carol", Audience: "rs4", Scope: ace.TextScope("y")})
	if !got.Granted.IsZero() || got.Reason != Denied || got.Err == nil || !strings.Contains(got.Err.Error(), "rules:11") {
		t.Errorf("Decide = %v, %v, %v, want denied by the failure of rules:11", got.Granted, got.Reason, got.Err)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "permit (principal, action, resource);\n"
	for text, want := range map[string]string{
		`permit (principal, action, resource)`:                                                  ":2",
		`permit (principal == Client::"a" action, resource);`:                                   ":2:",
		"\n\nallow (principal, action, resource);":                                              ":4:",
		`permit (principal == User::"a", action, resource);`:                                    "rules:2: principal: type User",
		`permit (principal is Audience, action, resource);`:                                     "rules:2: principal: type Audience",
		`permit (principal is Client in Team::"a", action, resource);`:                          "rules:2: principal: type Team",
		"\n" + `permit (principal, action == Action::"get", resource);`:                         `rules:3: action: there is no Action::"get"`,
		`permit (principal, action in [Action::"GET", Action::"READ"], resource);`:              `rules:2: action: there is no Action::"READ"`,
		`permit (principal, action == Method::"GET", resource);`:                                "rules:2: action: type Method",
		`permit (principal, action, resource in Audiance::"a");`:                                "rules:2: resource: type Audiance",
		`permit (principal, action, resource == Client::"a");`:                                  "rules:2: resource: type Client",
		`permit (principal, action, resource) when { resource in Audiance::"a" };`:              "rules:2: type Audiance",
		`permit (principal, action, resource) when { resource.pth == "a" };`:                    "rules:2: resource has no attribute pth",
		`forbid (principal, action, resource) unless { context.audiance == "a" };`:              "rules:2: context has no attribute audiance",
		`permit (principal, action, resource) when { principal.name == "a" };`:                  "rules:2: principal has no attribute name",
		`permit (principal, action, resource) when { context has time };`:                       "rules:2: context has no attribute time",
		`permit (principal, action, resource) when { resource is Resource };`:                   "rules:2: type Resource",
		`permit (principal, action, resource) when { action == Action::"put" };`:                `there is no Action::"put"`,
		`permit (principal, action, resource) when { principal in [Group::"a", Grp::"b"] };`:    "rules:2: type Grp",
		`permit (principal, action, resource) when { resource is Path in Audience::"a" || 1 };`: "",
	} {
		_, err := Parse("rules", []byte(good+text))
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "rules") {
			t.Errorf("%s: %v, want %q in it", text, err, want)
		}
	}
}

// TestIndex: policies for other audiences and clients are not looked at.
func TestIndex(t *testing.T) {
	s := parse(t, rules)
	for _, c := range []struct {
		client, audience string
		want             []string
	}{
		{"alice", "rs1", []string{"rules:5", "rules:1", "rules:2", "rules:3"}},
		{"alice", "rs2", []string{"rules:5", "rules:7"}},
		{"dave", "rs1", []string{"rules:2", "rules:3"}},
		{"dave", "rs2", nil},
		{"root", "rs9", []string{"rules:6"}},
	} {
		e := newEvaluation(s, Request{Subject: c.client, Audience: c.audience})
		var got []string
		for id := range e.candidates.All() {
			got = append(got, string(id))
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("candidates for %s at %s: %v, want %v", c.client, c.audience, got, c.want)
		}
	}
}

func TestDecideConcurrently(t *testing.T) {
	s := parse(t, rules)
	r := Request{Subject: "alice", Audience: "rs1", Scope: aif(ace.Permission{Path: "/a/led", Methods: ace.GET})}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := s.Decide(r); got.Granted != r.Scope {
				t.Errorf("Decide = %v", got.Granted)
			}
		})
	}
	wg.Wait()
}

func TestReasonString(t *testing.T) {
	for r, want := range map[Reason]string{Denied: "denied", Granted: "granted", Partial: "partial", Unknown: "unknown", Malformed: "malformed", 9: "reason 9"} {
		if got := r.String(); got != want {
			t.Errorf("Reason %d = %s, want %s", r, got, want)
		}
	}
}

// FuzzDecide gives nothing that was not asked for.
func FuzzDecide(f *testing.F) {
	s := parse(f, rules)
	f.Add("alice", "rs1", []byte("\x81\x82\x66/a/led\x05"), "read admin")
	f.Add("root", "rs2", []byte("\x82\x82\x62/a\x1b\x00\x00\x00\x7f\x00\x00\x00\x7f\x82\x62/b\x00"), "a b")
	f.Fuzz(func(t *testing.T, subject, audience string, b []byte, text string) {
		for _, scope := range []ace.Scope{ace.ByteScope(b), ace.TextScope(strings.Split(text, " ")...)} {
			got := s.Decide(Request{Subject: subject, Audience: audience, Scope: scope})
			if tokens, ok := got.Granted.Tokens(); ok {
				asked, _ := scope.Tokens()
				for _, token := range tokens {
					if !slices.Contains(asked, token) {
						t.Errorf("%q given, %q asked for", tokens, asked)
					}
				}
				continue
			}
			given, _ := got.Granted.AIF()
			asked, _ := scope.AIF()
			for _, p := range given {
				if p.Methods == 0 || p.Methods&^asked.Of(p.Path) != 0 {
					t.Errorf("%v given, %v asked for", given, asked)
				}
			}
		}
	})
}
