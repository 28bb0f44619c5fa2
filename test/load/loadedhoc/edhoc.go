// Package loadedhoc measures how many EDHOC handshakes one responder completes in a
// second over UDP on loopback: the EDHOC resource of package edhoccoap in a coap.Pool,
// with an OSCORE association installed for each, and initiators beside it in the same
// process, on the same cores.
//
// An initiator costs as much as the responder, and its work on message_2 and message_3
// cannot be done beforehand. So the rate is to be read beside what both roles cost without
// a network, which is measured by turns with it: in_process_per_s. The bound on both is
// limit_per_s, what the cores can do of curve operations alone.
package loadedhoc

import (
	"flag"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/edhoc"
)

// Config says what to measure, and for how long.
type Config struct {
	Method   edhoc.Method
	Suite    edhoc.SuiteID // 0 to 6
	Combined bool          // message_3 in one request with the first of OSCORE
	Message4 bool          // message_4 in the answer to message_3, if not Combined
	Stock    int           // ephemeral keys that the responder makes ahead of time; 0 for none
	Clients  int           // initiators at once, each with a socket
	Contexts int           // associations that the server keeps; the oldest go
	IDBytes  int           // the longest identifiers of the server, 1 to 3 bytes
	Rounds   int           // turns of each kind, interleaved
	Slice    time.Duration // of one turn
	Profile  string        // folder for profiles of the turns over the network, or empty
}

// Result is the figures. Times are microseconds, "cpu" of all cores together.
type Result struct {
	Method       int64   `json:"method"`
	Suite        int64   `json:"suite"`
	Combined     bool    `json:"combined"`
	Message4     bool    `json:"message_4"`
	Clients      int     `json:"clients"`
	Cores        int     `json:"cores"`
	Handshakes   int     `json:"handshakes"`
	PerSecond    float64 `json:"handshakes_per_s"`
	InProcess    float64 `json:"in_process_per_s"` // both roles without CoAP and OSCORE, on all cores
	Limit        float64 `json:"limit_per_s"`      // the curve operations of both roles alone, on all cores
	ToInProcess  float64 `json:"to_in_process"`    // handshakes_per_s / in_process_per_s
	ToLimit      float64 `json:"to_limit"`         // handshakes_per_s / limit_per_s
	CurveSum     float64 `json:"curve_sum_us"`     // the curve operations of one responder
	Responder    float64 `json:"responder_cpu_us"` // one responder, without CoAP and OSCORE
	ToCurves     float64 `json:"responder_to_curves"`
	CPU          float64 `json:"cpu_us"`            // of one handshake over the network, with both sides
	CPUInProcess float64 `json:"cpu_in_process_us"` // of one in the process
	Overhead     float64 `json:"overhead_cpu_us"`   // what the network, CoAP, OSCORE and the tables cost
	CurveShare   float64 `json:"curve_share"`       // of cpu_us: the curve operations of both roles
	Allocs       float64 `json:"allocs"`            // of one handshake over the network
	Bytes        float64 `json:"alloc_bytes"`
	Failed       int     `json:"failed"`
	Failure      string  `json:"failure,omitempty"` // the first one
	Challenged   int     `json:"challenged"`        // message_1 that had to come again with an Echo option
	IDs          IDs     `json:"ids"`
	Heap         uint64  `json:"heap_bytes"` // in the end, with the associations that are kept and the identifiers that rest
}

// IDs is what became of the identifiers of the server.
type IDs struct {
	Live      []uint64 `json:"live"`    // by length, of 1, 2 and 3 bytes
	Resting   []uint64 `json:"resting"` // in quarantine
	Exhausted uint64   `json:"exhausted"`
}

const explanation = `A handshake counts when the initiator has its OSCORE association: message_1 to message_3
over UDP on loopback, the association of the responder installed, and with -combined the
response to the first request. The initiators are in this process and share the cores with
the responder, half of cpu_us is theirs. handshakes_per_s is to be compared with
in_process_per_s, both roles without a network on the same cores by turns with it, and with
limit_per_s, all cores doing nothing but the curve operations of both roles.
`

// Command runs Handshakes as the flags say.
func Command(args []string) (any, error) {
	var cfg Config
	flags := flag.NewFlagSet("edhoc", flag.ExitOnError)
	method := flags.Int("method", 3, "0 to 3")
	suite := flags.Int("suite", 2, "0 to 6")
	flags.BoolVar(&cfg.Combined, "combined", false, "message_3 along with the first OSCORE request, whose response is waited for; else alone, and no request")
	flags.BoolVar(&cfg.Message4, "message4", false, "message_4 in the answer to message_3; not with -combined")
	flags.IntVar(&cfg.Stock, "stock", 0, "ephemeral keys that the responder makes ahead of time; it makes them on the same cores")
	flags.IntVar(&cfg.Clients, "clients", 8, "initiators at once: in this process and on the same cores as the responder")
	flags.IntVar(&cfg.Contexts, "contexts", 10_000, "associations that the server keeps; beyond, the oldest go and their identifiers rest")
	flags.IntVar(&cfg.IDBytes, "id-bytes", 3, "the longest identifiers of the server, 1 to 3 bytes; with 1 or 2, see what happens when all are in use or rest")
	flags.IntVar(&cfg.Rounds, "rounds", 10, "turns of each kind: over the network, in the process, single operations")
	flags.DurationVar(&cfg.Slice, "slice", time.Second, "how long a turn is")
	flags.StringVar(&cfg.Profile, "profile", "", "folder for profiles of CPU, mutexes and allocations in the turns over the network")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), explanation)
		flags.PrintDefaults()
	}
	_ = flags.Parse(args) // exits on errors
	cfg.Method, cfg.Suite = edhoc.Method(*method), edhoc.SuiteID(*suite)
	return Handshakes(cfg)
}

// Handshakes measures.
func Handshakes(cfg Config) (*Result, error) {
	// An association must live until its first request has come.
	if cfg.Contexts < 2*cfg.Clients || cfg.Clients < 1 || cfg.Clients > 64 || cfg.Rounds < 1 || cfg.IDBytes < 1 || cfg.IDBytes > 3 || cfg.Combined && cfg.Message4 {
		return nil, fmt.Errorf("loadedhoc: unusable configuration %+v", cfg)
	}
	m, err := newMeasurement(cfg)
	if err != nil {
		return nil, err
	}
	defer m.server.close()
	for round := range cfg.Rounds + 1 { // the first warms up
		if err := m.round(round > 0); err != nil {
			return nil, err
		}
	}
	if err := m.profile.write(); err != nil {
		return nil, err
	}
	if m.network.done == 0 {
		return nil, fmt.Errorf("loadedhoc: no handshake in the turns that count, identifiers %+v: %w", m.server.identifiers(), m.failure)
	}
	return m.result(), nil
}
