// Command aiocoap runs the cases of expect.json against aiocoap, which has EDHOC
// of lakers. run.sh installs it and starts this.
//
//	test/interop/aiocoap/run.sh           run the cases
//	test/interop/aiocoap/run.sh -update   and record them in testdata/
package main

import (
	"maps"

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
	interop.Main("aiocoap", 0, func(o interop.Options) map[string]interop.Func {
		return (&suite{dir: o.Dir, bin: o.Bin, version: o.Version, update: o.Update}).runs()
	})
}
