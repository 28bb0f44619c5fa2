// Command aiocoap runs the cases of expect.json against aiocoap, which has EDHOC
// of lakers. run.sh installs it and starts this.
//
//	test/interop/aiocoap/run.sh           run the cases
//	test/interop/aiocoap/run.sh -update   and record them in testdata/
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
	bin     string // the folder of our binaries
	version string // of the peer
	update  bool
}

// runs are the runs of expect.json.
func (s *suite) runs() map[string]interop.Func {
	runs := map[string]interop.Func{
		"ace":              s.clientOfBoth,
		"edhoc-agent":      s.clientOfAgent,
		"edhoc-as":         s.clientOfAS,
		"edhoc-client":     s.edhocClient,
		"edhoc-command":    s.edhocCommand,
		"edhoc-server":     s.edhocServer,
		"client":           s.client,
		"client-restarted": s.clientRestarted,
		"server":           s.server,
		"server-restarted": s.serverRestarted,
	}
	maps.Copy(runs, s.plainRuns())
	return runs
}

func main() {
	dir := flag.String("dir", ".", "folder of expect.json and of the peer")
	bin := flag.String("bin", "../../../bin", "folder of our binaries")
	update := flag.Bool("update", false, "record the runs in testdata/")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, &suite{dir: *dir, bin: *bin, update: *update}, *update)
	if err != nil {
		fmt.Fprintln(os.Stderr, "aiocoap:", err)
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
