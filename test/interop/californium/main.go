// Command californium runs the cases of expect.json against Eclipse
// Californium. run.sh builds what it needs and starts it.
//
//	test/interop/californium/run.sh           run the cases
//	test/interop/californium/run.sh -update   and record them in testdata/
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
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

// runs are the runs of expect.json.
func (s *suite) runs() map[string]interop.Func {
	runs := s.recorded()
	maps.Copy(runs, s.plain())
	return runs
}

// recorded are the runs with OSCORE, which have transcripts.
func (s *suite) recorded() map[string]interop.Func {
	return map[string]interop.Func{
		"client-of-agent":   s.clientOfAgent,
		"client-of-library": s.clientOfLibrary,
		"server":            s.server,
	}
}

// plain are the runs in plain CoAP.
func (s *suite) plain() map[string]interop.Func {
	return map[string]interop.Func{
		"plain-client":     s.plainClient,
		"plain-client-tcp": nothing,
		"plain-server":     s.plainServer,
		"plain-server-tcp": nothing,
	}
}

func main() {
	dir := flag.String("dir", ".", "folder of expect.json and of the peer's classes")
	bin := flag.String("bin", "../../../bin", "folder of ostiary-as and ostiary-rs-agent")
	update := flag.Bool("update", false, "record the runs in testdata/")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, &suite{dir: *dir, bin: *bin}, *update)
	if err != nil {
		fmt.Fprintln(os.Stderr, "californium:", err)
	}
	if failed > 0 || err != nil {
		os.Exit(1)
	}
}

func run(ctx context.Context, s *suite, update bool) (failed int, err error) {
	peer, err := interop.LoadJSON[interop.Peer](filepath.Join(s.dir, "expect.json"))
	if err != nil {
		return 0, err
	}
	s.version = peer.Peer + " " + peer.Version
	return (&interop.Suite{Dir: s.dir, Update: update, Peer: &peer, Runs: s.runs()}).Do(ctx)
}
