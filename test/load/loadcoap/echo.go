// Package loadcoap compares echo servers over UDP: the bare socket, go-coap,
// package coap, and package coap with OSCORE.
package loadcoap

import (
	"flag"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// EchoConfig says how long to measure.
type EchoConfig struct {
	Rounds  int           // turns of each server, interleaved
	Slice   time.Duration // of one turn
	Payload int           // bytes echoed
	Peers   int           // among which the requests are divided
}

// EchoResult are requests answered in a second, and their ratios.
type EchoResult struct {
	RawUDP         float64 `json:"raw_udp"`
	RawUDPBatched  float64 `json:"raw_udp_batched"`
	GoCoAP         float64 `json:"go_coap"`
	CoAP           float64 `json:"coap"`
	CoAPOSCORE     float64 `json:"coap_oscore"`
	CoAPToRaw      float64 `json:"coap_to_raw"`
	OSCOREToRaw    float64 `json:"oscore_to_raw"`
	OSCOREToGoCoAP float64 `json:"oscore_to_go_coap"`
}

// A server under test and the requests it is sent.
type server struct {
	name string
	// start returns the address and what stops the server.
	start func() (netip.AddrPort, func(), error)
	// requests prepares at least n requests. They are not used again.
	requests func(n int) ([][]byte, error)

	answered int
	took     time.Duration
}

// EchoCommand runs Echo as the flags say.
func EchoCommand(args []string) (any, error) {
	var cfg EchoConfig
	flags := flag.NewFlagSet("echo", flag.ExitOnError)
	flags.IntVar(&cfg.Rounds, "rounds", 10, "how often each server has its turn")
	flags.DurationVar(&cfg.Slice, "slice", 300*time.Millisecond, "how long a turn is")
	flags.IntVar(&cfg.Payload, "payload", 30, "bytes of payload")
	flags.IntVar(&cfg.Peers, "peers", 1, "sockets among which the requests are divided, at most 96")
	_ = flags.Parse(args) // exits on errors
	return Echo(cfg)
}

// Echo runs the comparison.
func Echo(cfg EchoConfig) (*EchoResult, error) {
	cfg.Peers = min(max(1, cfg.Peers), window)
	plain := func(n int) ([][]byte, error) { return plainRequests(n, cfg.Payload), nil }
	protected := newProtector(cfg.Payload, cfg.Peers)
	servers := []*server{
		{name: "raw_udp", start: startRaw, requests: plain},
		{name: "raw_udp_batched", start: startRawBatched, requests: plain},
		{name: "go_coap", start: startGoCoAP, requests: plain},
		{name: "coap", start: startCoAP, requests: plain},
		{name: "coap_oscore", start: protected.start, requests: protected.requests},
	}
	for round := range cfg.Rounds + 1 { // the first warms up
		for i := range servers {
			s := servers[(i+round)%len(servers)]
			if err := s.turn(cfg, round > 0); err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	rate := func(i int) float64 { return math.Round(float64(servers[i].answered) / servers[i].took.Seconds()) }
	r := &EchoResult{RawUDP: rate(0), RawUDPBatched: rate(1), GoCoAP: rate(2), CoAP: rate(3), CoAPOSCORE: rate(4)}
	ratio := func(a, b float64) float64 { return math.Round(100*a/b) / 100 }
	r.CoAPToRaw = ratio(r.CoAP, r.RawUDP)
	r.OSCOREToRaw = ratio(r.CoAPOSCORE, r.RawUDP)
	r.OSCOREToGoCoAP = ratio(r.CoAPOSCORE, r.GoCoAP)
	return r, nil
}

// turn starts the server, asks it for the time of a slice, and stops it.
func (s *server) turn(cfg EchoConfig, counts bool) error {
	addr, stop, err := s.start()
	if err != nil {
		return err
	}
	defer stop()
	// More than any of them answers, so that none runs dry.
	requests, err := s.requests(int(cfg.Slice.Seconds()*800_000) + 1000)
	if err != nil {
		return err
	}
	answered, took, err := drive(addr, requests, cfg.Slice, cfg.Peers)
	if err != nil {
		return err
	}
	if answered == 0 {
		return fmt.Errorf("no answer")
	}
	if counts {
		s.answered += answered
		s.took += took
	}
	return nil
}
