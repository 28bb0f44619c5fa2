// Command californium runs the cases of expect.json against Eclipse
// Californium. run.sh builds what it needs and starts it.
//
//	test/interop/californium/run.sh           run the cases
//	test/interop/californium/run.sh -update   and record them in testdata/
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/ostiary/ostiary/test/interop"
)

// suite is what all runs share.
type suite struct {
	dir     string // the folder of this program
	bin     string // with the binaries of this module
	version string // of the peer
}

// runs are the runs of expect.json. Each returns the results of its cases and a
// transcript.
var runs = map[string]func(*suite, context.Context, *interop.Run) (map[string]string, *interop.Transcript, error){
	"client-of-agent":   (*suite).clientOfAgent,
	"client-of-library": (*suite).clientOfLibrary,
	"server":            (*suite).server,
}

func main() {
	dir := flag.String("dir", ".", "folder of expect.json and of the peer's classes")
	bin := flag.String("bin", "../../../bin", "folder of ostiary-as and ostiary-rs-agent")
	update := flag.Bool("update", false, "record the runs in testdata/")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := runAll(ctx, &suite{dir: *dir, bin: *bin}, *update)
	if err != nil {
		fmt.Fprintln(os.Stderr, "californium:", err)
	}
	if failed > 0 || err != nil {
		os.Exit(1)
	}
}

// runAll runs everything and prints, last, how it went.
func runAll(ctx context.Context, s *suite, update bool) (failed int, err error) {
	peer, err := interop.LoadJSON[interop.Peer](filepath.Join(s.dir, "expect.json"))
	if err != nil {
		return 0, err
	}
	s.version = peer.Peer + " " + peer.Version
	results := interop.Results{}
	for i := range peer.Runs {
		r := &peer.Runs[i]
		fmt.Printf("%s as %s: %s\n", peer.Peer, r.Role, r.With)
		cases, err := s.run(ctx, r, update)
		if err != nil {
			fmt.Printf("  FAILED   %v\n", err)
			cases = r.Fail()
		}
		results[r.Name] = cases
	}
	passed, failed, skipped := results.Count()
	if update && failed == 0 {
		err = saveResults(filepath.Join(s.dir, "testdata", "results.json"), results)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return failed, err
}

// run runs one run. Its transcript has to replay, also if nobody keeps it.
func (s *suite) run(ctx context.Context, r *interop.Run, update bool) (map[string]string, error) {
	do := runs[r.Name]
	if do == nil {
		return nil, fmt.Errorf("there is no run %q", r.Name)
	}
	cases, t, err := do(s, ctx, r)
	if err != nil {
		return nil, err
	}
	if passed := (interop.Results{r.Name: cases}); hasFailed(passed) {
		return cases, nil
	}
	if err := t.Read(); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if update {
		err = t.Save(filepath.Join(s.dir, "testdata", r.Name+".json"))
	}
	return cases, err
}

func hasFailed(r interop.Results) bool {
	_, failed, _ := r.Count()
	return failed > 0
}

func saveResults(path string, results interop.Results) error {
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
