// Command lakers runs the cases of expect.json against lakers, message by message.
// run.sh installs it and starts this.
//
//	test/interop/lakers/run.sh           run the cases
//	test/interop/lakers/run.sh -update   and record them in testdata/
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ostiary/ostiary/test/interop"
)

// suite is what all runs share.
type suite struct {
	dir    string // the folder of this program
	update bool
}

// runs are the runs of expect.json.
func (s *suite) runs() map[string]interop.Func {
	return map[string]interop.Func{
		"initiator": s.live,
		"responder": s.live,
	}
}

func main() {
	interop.Main("lakers", 0, func(o interop.Options) map[string]interop.Func {
		return (&suite{dir: o.Dir, update: o.Update}).runs()
	})
}

// newRole returns the role that lakers has in a run.
func (s *suite) newRole(r *interop.Run) (*role, error) {
	parties, err := interop.LoadJSON[interop.Parties](filepath.Join(s.dir, "..", "credentials.json"))
	return &role{run: r, parties: parties, weInitiate: r.Name == "responder"}, err
}

// live runs the cases of a run with lakers, and again without it.
func (s *suite) live(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	lakers, err := s.newRole(r)
	if err != nil {
		return nil, nil, err
	}
	p, _, err := interop.StartPython(ctx, s.dir)
	if err != nil {
		return nil, nil, err
	}
	defer p.Stop()
	var recordings []*recording
	results := r.Do(ctx, os.Stdout, nil, func(ctx context.Context, name string) error {
		rec := &recording{Case: name}
		if err := lakers.do(ctx, record(p, rec), name); err != nil {
			return err
		}
		rec.Random = rec.random.Take()
		recordings = append(recordings, rec)
		return lakers.replay(ctx, rec)
	})
	if _, failed, _ := (interop.Results{r.Name: results}).Count(); failed == 0 && s.update {
		err = save(filepath.Join(s.dir, "testdata", r.Name+".jsonl"), recordings)
	}
	return results, nil, err
}

// replay runs a case with its recording in the place of lakers.
func (r *role) replay(ctx context.Context, rec *recording) error {
	c, left := rec.replay()
	if err := r.do(ctx, c, rec.Case); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return left()
}
