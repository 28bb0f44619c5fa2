// Command libcoap runs the cases of expect.json against the example programs of
// libcoap, in plain CoAP. run.sh installs them and starts it.
//
//	test/interop/libcoap/run.sh           run the cases
//	test/interop/libcoap/run.sh -update   and keep their results in testdata/
package main

import (
	"context"
	"fmt"
	"os"
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
	interop.Main("libcoap", 5*time.Minute, func(interop.Options) map[string]interop.Func { return runs })
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
