package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// A Func runs the cases of a Run. The transcript that it returns has to replay;
// it is nil if the Run is not recorded.
type Func func(ctx context.Context, r *Run) (map[string]string, *Transcript, error)

// A Suite is all that is run against a peer.
type Suite struct {
	Dir    string // of the peer
	Update bool   // record the runs in testdata/
	Peer   *Peer
	Runs   map[string]Func
}

// Do runs everything and prints, last, how it went.
func (s *Suite) Do(ctx context.Context) (failed int, err error) {
	results := Results{}
	for i := range s.Peer.Runs {
		r := &s.Peer.Runs[i]
		fmt.Fprintf(os.Stdout, "%s as %s: %s\n", s.Peer.Peer, r.Role, r.With)
		cases, err := s.run(ctx, r)
		if err != nil {
			fmt.Fprintf(os.Stdout, "  FAILED   %v\n", err)
			cases = r.Fail()
		}
		results[r.Name] = cases
	}
	passed, failed, skipped := results.Count()
	if s.Update && failed == 0 {
		err = results.save(filepath.Join(s.Dir, "testdata", "results.json"))
	}
	fmt.Fprintf(os.Stdout, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return failed, err
}

// run runs one run. Its transcript has to replay, also if nobody keeps it.
func (s *Suite) run(ctx context.Context, r *Run) (map[string]string, error) {
	do := s.Runs[r.Name]
	if do == nil {
		return nil, fmt.Errorf("there is no run %q", r.Name)
	}
	cases, t, err := do(ctx, r)
	if err != nil {
		return nil, err
	}
	if _, failed, _ := (Results{r.Name: cases}).Count(); failed > 0 || t == nil {
		return cases, nil
	}
	if err := t.Read(); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if s.Update {
		err = t.Save(filepath.Join(s.Dir, "testdata", r.Name+".json"))
	}
	return cases, err
}

func (r Results) save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
