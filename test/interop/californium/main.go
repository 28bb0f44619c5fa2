// Command californium runs the cases of expect.json against Eclipse
// Californium. run.sh builds what it needs and starts it.
//
//	test/interop/californium/run.sh           run the cases
//	test/interop/californium/run.sh -update   and record them in testdata/
package main

import (
	"maps"

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
	interop.Main("californium", 0, func(o interop.Options) map[string]interop.Func {
		return (&suite{dir: o.Dir, bin: o.Bin, version: o.Version}).runs()
	})
}
