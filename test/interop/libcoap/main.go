// Command libcoap runs the cases of expect.json against the example programs of
// libcoap, in plain CoAP. run.sh installs them and starts it.
//
//	test/interop/libcoap/run.sh           run the cases
//	test/interop/libcoap/run.sh -update   and keep their results in testdata/
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/ostiary/ostiary/test/interop"
)

// maxMessage is the longest message over TCP, on both sides: a body of 4 KiB
// takes blocks.
const maxMessage = 1152

var stdout = os.Stdout

// runs are the runs of expect.json.
var runs = map[string]interop.Func{
	"client-udp": clientUDP,
	"client-tcp": clientTCP,
	"client-ws":  nothing,
	"server-udp": serverUDP,
	"server-tcp": serverTCP,
	"server-ws":  nothing,
}

func main() {
	dir := flag.String("dir", ".", "folder of expect.json")
	update := flag.Bool("update", false, "keep the results in testdata/")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	failed, err := run(ctx, *dir, *update)
	if err != nil {
		fmt.Fprintln(os.Stderr, "libcoap:", err)
	}
	if failed > 0 || err != nil {
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, update bool) (failed int, err error) {
	peer, err := interop.LoadJSON[interop.Peer](filepath.Join(dir, "expect.json"))
	if err != nil {
		return 0, err
	}
	return (&interop.Suite{Dir: dir, Update: update, Peer: &peer, Runs: runs}).Do(ctx)
}

// nothing runs cases that are skipped.
func nothing(ctx context.Context, r *interop.Run) (map[string]string, *interop.Transcript, error) {
	return r.Do(ctx, stdout, nil, func(context.Context, string) error {
		return fmt.Errorf("libcoap cannot do %s", r.Name)
	}), nil, nil
}

// inBlocks returns an error if fewer datagrams than the blocks of a body of 4 KiB
// have passed in a case.
func inBlocks(relay *interop.Relay, name string) error {
	n := 0
	for _, d := range relay.Datagrams() {
		if d.Case == name {
			n++
		}
	}
	if want := 2 * len(interop.Body()) / 1024; n < want {
		return fmt.Errorf("%d datagrams, want at least %d", n, want)
	}
	return nil
}
