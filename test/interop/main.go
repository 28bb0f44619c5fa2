package interop

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// Options are what a peer's program was told.
type Options struct {
	Dir     string // the folder of the program, with expect.json
	Bin     string // the folder of our binaries
	Update  bool   // whether the runs are recorded in testdata/
	Version string // the name of the peer and its version
}

// Main is the main function of the program of a peer. It does the runs of expect.json, for
// at most limit if that is not zero, and ends the process: with status 1 if a case
// failed or a run could not be done.
func Main(name string, limit time.Duration, runs func(Options) map[string]Func) {
	var o Options
	flag.StringVar(&o.Dir, "dir", ".", "folder of expect.json and of the peer")
	flag.StringVar(&o.Bin, "bin", "../../../bin", "folder of ostiary-as and ostiary-rs-agent")
	flag.BoolVar(&o.Update, "update", false, "record the runs in testdata/")
	flag.Parse()
	failed, err := o.do(limit, runs)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	}
	if failed > 0 || err != nil {
		os.Exit(1)
	}
}

func (o Options) do(limit time.Duration, runs func(Options) map[string]Func) (failed int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	peer, err := LoadJSON[Peer](filepath.Join(o.Dir, "expect.json"))
	if err != nil {
		return 0, err
	}
	o.Version = peer.Peer + " " + peer.Version
	return (&Suite{Dir: o.Dir, Update: o.Update, Peer: &peer, Runs: runs(o)}).Do(ctx)
}
