package interop

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteMatrix writes a table of the cases of a peer and their results. It fails if
// a case has no result, a result no case, a skipped case no reason, or a case other
// columns than its run.
func WriteMatrix(out io.Writer, p *Peer, results Results) error {
	fmt.Fprintf(out, "## %s\n\n%s.\n\n", p.Peer, p.Version)
	for i := range p.Runs {
		r := &p.Runs[i]
		cases := results[r.Name]
		if len(cases) != len(r.Cases) {
			return fmt.Errorf("%s, %s: %d results of %d cases", p.Peer, r.Name, len(cases), len(r.Cases))
		}
		fmt.Fprintf(out, "### %s as %s\n\nAgainst %s.\n\n", p.Peer, r.Role, r.With)
		heads := slices.Concat([]string{"case"}, r.Columns, []string{"what", "result", "reason"})
		fmt.Fprintf(out, "| %s |\n|%s\n", strings.Join(heads, " | "), strings.Repeat(" --- |", len(heads)))
		for _, c := range r.Cases {
			result := cases[c.Name]
			if result == "" || (result == Skipped) != (c.Skip != "") {
				return fmt.Errorf("%s, %s, %s: result %q, reason %q", p.Peer, r.Name, c.Name, result, c.Skip)
			}
			row := []string{c.Name}
			for _, head := range r.Columns {
				row = append(row, c.Columns[head])
			}
			if len(c.Columns) != len(r.Columns) || slices.Contains(row, "") {
				return fmt.Errorf("%s, %s, %s: columns %v, want %q", p.Peer, r.Name, c.Name, c.Columns, r.Columns)
			}
			fmt.Fprintf(out, "| %s |\n", strings.Join(append(row, c.About, result, c.Skip), " | "))
		}
		fmt.Fprintln(out)
	}
	for i, text := range p.Notes {
		if i == 0 {
			fmt.Fprintf(out, "### What to know of %s\n\n", p.Peer)
		}
		fmt.Fprintf(out, "- %s\n", strings.TrimSpace(text))
	}
	return nil
}
