package spec

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/reference/conformance.md anew")

const (
	root   = "../.."
	report = root + "/docs/reference/conformance.md"
)

func load(t *testing.T) ([]Requirement, map[string]*Places) {
	t.Helper()
	all, err := Load()
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	found, err := Find(root)
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	return all, found
}

// TestEveryRequirementHasItsLines fails on a MUST or MUST NOT that no code or
// no test claims, and on a directive that names no requirement.
func TestEveryRequirementHasItsLines(t *testing.T) {
	all, found := load(t)
	known := map[string]bool{}
	for _, r := range all {
		known[r.ID] = true
		if r.Exception != "" || !strings.HasPrefix(r.Level, "MUST") {
			continue
		}
		p := found[r.ID]
		if p == nil || len(p.Code) == 0 {
			t.Errorf("%s (%s): no line of code has its directive", r.ID, r.Text)
		}
		if p == nil || len(p.Tests) == 0 {
			t.Errorf("%s (%s): no test has its directive", r.ID, r.Text)
		}
	}
	for id, p := range found {
		if !known[id] {
			t.Errorf("//spec:%s in %v: no such requirement in internal/spec", id, append(p.Code, p.Tests...))
		}
	}
}

func TestReportIsCurrent(t *testing.T) {
	want := Report(load(t))
	if *update {
		if err := os.WriteFile(report, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code says; run `make generate`", report)
	}
}

func TestSectionsInOrder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		sign int
	}{
		{"4.2", "4.10", -1},
		{"8", "8.1", -1},
		{"9", "B.1", -1},
		{"B.1.2", "B.2", -1},
		{"4.1", "4.1", 0},
	} {
		got := compareSections(c.a, c.b)
		if (got < 0) != (c.sign < 0) || (got == 0) != (c.sign == 0) {
			t.Errorf("compareSections(%q, %q) = %d, want the sign of %d", c.a, c.b, got, c.sign)
		}
	}
}
