package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// A Peer is the expect.json of a peer's folder: what is run against it, and what
// is not and why.
type Peer struct {
	Peer    string `json:"peer"`
	Version string `json:"version"`
	Runs    []Run  `json:"runs"`

	// Notes are what users of the peer should know, in Markdown.
	Notes []string `json:"notes"`
}

// A Run is a list of cases, in their order, with one security context.
type Run struct {
	Name  string `json:"name"`
	Role  string `json:"role"` // of the peer
	With  string `json:"with"` // what of ours
	Cases []Case `json:"cases"`

	// Columns are the heads of what the cases say in columns of their own.
	Columns []string `json:"columns,omitempty"`
}

// A Case is one line of the matrix.
type Case struct {
	Name  string `json:"name"`
	About string `json:"about"`
	Skip  string `json:"skip,omitempty"` // the reason

	Columns map[string]string `json:"columns,omitempty"` // by the heads of the Run
}

// Column returns what a case says in a column.
func (r *Run) Column(name, head string) string {
	for i := range r.Cases {
		if r.Cases[i].Name == name {
			return r.Cases[i].Columns[head]
		}
	}
	return ""
}

// Results are the results of the cases, by the names of run and case.
type Results map[string]map[string]string

// Results of a case.
const (
	Passed  = "passed"
	Failed  = "failed"
	Skipped = "skipped"
)

// LoadJSON decodes a file into a T.
func LoadJSON[T any](path string) (T, error) {
	var v T
	text, err := os.ReadFile(path)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// Do runs the cases of a run, and writes a line about each. A case that is
// not done after a minute has failed. The relay may be nil.
func (r *Run) Do(ctx context.Context, out io.Writer, relay *Relay, do func(ctx context.Context, name string) error) map[string]string {
	results := map[string]string{}
	for _, c := range r.Cases {
		if c.Skip != "" {
			results[c.Name] = Skipped
			fmt.Fprintf(out, "  skipped  %-20s %s\n", c.Name, c.Skip)
			continue
		}
		if relay != nil {
			relay.Mark(c.Name)
		}
		began := time.Now()
		caseCtx, cancel := context.WithTimeout(ctx, time.Minute)
		err := do(caseCtx, c.Name)
		cancel()
		took := time.Since(began).Round(time.Millisecond)
		if err != nil {
			results[c.Name] = Failed
			fmt.Fprintf(out, "  FAILED   %-20s %v (%v)\n", c.Name, err, took)
			continue
		}
		results[c.Name] = Passed
		fmt.Fprintf(out, "  passed   %-20s %s (%v)\n", c.Name, c.About, took)
	}
	return results
}

// Fail is the result of a run that could not begin.
func (r *Run) Fail() map[string]string {
	results := map[string]string{}
	for _, c := range r.Cases {
		results[c.Name] = Failed
	}
	return results
}

// Count counts the results.
func (r Results) Count() (passed, failed, skipped int) {
	for _, cases := range r {
		for _, result := range cases {
			switch result {
			case Passed:
				passed++
			case Skipped:
				skipped++
			default:
				failed++
			}
		}
	}
	return passed, failed, skipped
}
