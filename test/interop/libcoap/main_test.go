package main

import (
	"testing"

	"github.com/ostiary/ostiary/test/interop"
)

// TestRuns: expect.json has the runs that there are.
func TestRuns(t *testing.T) {
	p, err := interop.LoadJSON[interop.Peer]("expect.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Runs {
		if runs[r.Name] == nil {
			t.Errorf("there is no run %q", r.Name)
		}
	}
	if len(p.Runs) != len(runs) {
		t.Errorf("got %d runs, want %d", len(p.Runs), len(runs))
	}
}
