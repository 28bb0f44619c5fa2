// Package loadflood measures what a well-behaved peer feels of others: of a
// flood from very many addresses, and of one peer with many slow requests.
//
// Server, flood and peer are three processes, so that none runs in the garbage
// collector or the scheduler of another. They talk over UDP on loopback. The
// flood has real source tuples: every address of 127.0.0.0/8 is the machine's
// own, and a socket that is bound to all of them sends from whichever the
// control message of a datagram names. What the server answers comes back to
// those sockets, which nobody reads.
//
// What else the machine does is in the figures. On Linux, chrt -r 5 before the
// built program keeps that out.
package loadflood

import (
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"time"
)

// Config says what to measure, and for how long.
type Config struct {
	Peers    int           // source tuples of the flood
	Rate     int           // datagrams in a second; 0 is Share of what the server takes
	Share    float64       // of the server's capacity, which is measured first
	Rounds   int           // turns of each kind, interleaved
	Slice    time.Duration // of one turn
	Interval time.Duration // between two requests of the well-behaved peer
	Slow     int           // slow requests that one peer has under way
}

// Result is what the well-behaved peer has felt, in microseconds from a request
// to its answer, as the median of the turns, and what the server has become.
type Result struct {
	Peers       int     `json:"peers"`
	Capacity    int     `json:"capacity"`   // datagrams the server takes in a second, when it is sent all it can
	FloodRate   int     `json:"flood_rate"` // datagrams the server got in a second
	IdleP50     float64 `json:"idle_p50_us"`
	IdleP99     float64 `json:"idle_p99_us"`
	FloodP50    float64 `json:"flood_p50_us"`
	FloodP99    float64 `json:"flood_p99_us"`
	SinkP99     float64 `json:"sink_p99_us"` // while the flood goes to a socket that nobody reads: what the machine costs
	P99Ratio    float64 `json:"p99_ratio"`   // of the flood to idle
	SinkRatio   float64 `json:"sink_ratio"`  // of the flood to the one elsewhere: what is the server's part
	Noise       float64 `json:"noise"`       // between the quartiles of the idle turns' p99, as a share of their median
	SlowP50     float64 `json:"slow_p50_us"`
	SlowP99     float64 `json:"slow_p99_us"`
	SlowRatio   float64 `json:"slow_ratio"`
	Late        int     `json:"late"` // requests of the well-behaved peer without an answer within a second
	HeapBefore  uint64  `json:"heap_before"`
	HeapAfter   uint64  `json:"heap_after"`
	Goroutines  int     `json:"goroutines"` // more than before the first turn
	Evicted     uint64  `json:"evicted"`    // messages the server forgot early
	SlowRefused uint64  `json:"slow_refused"`
}

// Command runs Flood as the flags say.
func Command(args []string) (any, error) {
	cfg := Config{}
	flags := flag.NewFlagSet("flood", flag.ExitOnError)
	role := flags.String("role", "", "what this process is; of the tool's own use")
	target := flags.String("target", "", "the server's address; of the tool's own use")
	flags.IntVar(&cfg.Peers, "peers", 1_000_000, "source tuples of the flood")
	flags.IntVar(&cfg.Rate, "rate", 0, "datagrams in a second; 0 is a share of the server's capacity")
	flags.Float64Var(&cfg.Share, "share", 0.2, "the flood's share of the server's capacity")
	flags.IntVar(&cfg.Rounds, "rounds", 15, "turns of each kind, interleaved")
	flags.DurationVar(&cfg.Slice, "slice", time.Second, "how long a turn is")
	flags.DurationVar(&cfg.Interval, "interval", time.Millisecond, "between two requests of the well-behaved peer")
	flags.IntVar(&cfg.Slow, "slow", 40, "slow requests that one peer has under way")
	_ = flags.Parse(args) // exits on errors
	switch *role {
	case "server":
		return nil, serve(os.Stdin, os.Stdout)
	case "source":
		return nil, source(*target, cfg.Peers, os.Stdin, os.Stdout)
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return Flood(cfg, executable)
}

// A measurement is a run of Flood.
type measurement struct {
	cfg    Config
	server *child
	source *child
	peer   *peer
	slow   *slowPeer
	idle   turns
	flood  turns
	sink   turns // while the flood goes elsewhere
	loaded turns // by the slow peer
	result Result
}

// Flood runs the measurement, with the processes of an executable that hands
// its arguments after "flood" to Command.
func Flood(cfg Config, executable string) (result *Result, err error) {
	m := &measurement{cfg: cfg}
	m.result.Peers = cfg.Peers
	if m.server, err = start(executable, "flood", "-role", "server"); err != nil {
		return nil, err
	}
	defer m.server.stop()
	var address string
	if err := m.server.ask("address", &address); err != nil {
		return nil, err
	}
	if m.source, err = start(executable, "flood", "-role", "source", "-target", address, "-peers", fmt.Sprint(cfg.Peers)); err != nil {
		return nil, err
	}
	defer m.source.stop()
	m.peer = &peer{address: address, interval: cfg.Interval}
	defer m.peer.close()
	if m.slow, err = newSlowPeer(address, cfg.Slow); err != nil {
		return nil, err
	}
	defer m.slow.close()
	if err := m.run(); err != nil {
		return nil, err
	}
	return &m.result, nil
}

func (m *measurement) run() error {
	r := &m.result
	var before, after status
	if err := m.server.ask("status", &before); err != nil {
		return err
	}
	rate, err := m.capacity()
	if err != nil {
		return err
	}
	var warm turns
	if err := m.peer.turn(m.cfg.Slice, &warm); err != nil {
		return err
	}
	for range m.cfg.Rounds {
		for _, turn := range []func(int) error{m.idleTurn, m.floodTurn, m.sinkTurn, m.slowTurn} {
			if err := turn(rate); err != nil {
				return err
			}
		}
	}
	if err := m.server.ask("status", &after); err != nil {
		return err
	}
	r.HeapBefore, r.HeapAfter, r.Goroutines = before.Heap, after.Heap, after.Goroutines-before.Goroutines
	r.Evicted, r.SlowRefused, r.Late = after.Evicted, m.slow.refused.Load(), m.peer.late
	r.FloodRate /= m.cfg.Rounds
	r.IdleP50, r.IdleP99 = m.idle.at(0.5), m.idle.at(0.99)
	r.FloodP50, r.FloodP99 = m.flood.at(0.5), m.flood.at(0.99)
	r.SinkP99 = m.sink.at(0.99)
	r.SinkRatio = round(r.FloodP99 / r.SinkP99)
	r.SlowP50, r.SlowP99 = m.loaded.at(0.5), m.loaded.at(0.99)
	r.P99Ratio, r.SlowRatio = round(r.FloodP99/r.IdleP99), round(r.SlowP99/r.IdleP99)
	r.Noise = round(m.idle.noise())
	return nil
}

// capacity measures what the server takes, and returns the rate of the flood.
func (m *measurement) capacity() (int, error) {
	got, err := m.during(math.MaxInt32, func() error { time.Sleep(m.cfg.Slice); return nil })
	m.result.Capacity = got
	if m.cfg.Rate > 0 {
		return m.cfg.Rate, err
	}
	return int(float64(got) * m.cfg.Share), err
}

// during floods while f runs, and returns what the server got of it in a
// second.
func (m *measurement) during(rate int, f func() error) (int, error) {
	var before, after status
	var done string
	if err := m.server.ask("count", &before); err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := m.source.ask(fmt.Sprint(rate), &done); err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	if err := m.source.ask("0", &done); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	if err := m.server.ask("count", &after); err != nil {
		return 0, err
	}
	return int(float64(after.Received-before.Received) / took.Seconds()), nil
}

func (m *measurement) idleTurn(int) error { return m.peer.turn(m.cfg.Slice, &m.idle) }

func (m *measurement) floodTurn(rate int) error {
	got, err := m.during(rate, func() error { return m.peer.turn(m.cfg.Slice, &m.flood) })
	m.result.FloodRate += got
	return err
}

func (m *measurement) sinkTurn(rate int) error {
	_, err := m.during(-rate, func() error { return m.peer.turn(m.cfg.Slice, &m.sink) })
	return err
}

func (m *measurement) slowTurn(int) error {
	stop := m.slow.begin()
	err := m.peer.turn(m.cfg.Slice, &m.loaded)
	stop()
	return err
}

// turns are the times measured in the turns of one kind.
type turns [][]time.Duration

// at returns the median of the turns' quantiles, in microseconds: what else the
// machine does in some of them has no part in it.
func (t turns) at(q float64) float64 { return quantile(t.each(q), 0.5) }

// each returns a quantile of each turn.
func (t turns) each(q float64) []time.Duration {
	var each []time.Duration
	for _, turn := range t {
		each = append(each, time.Duration(quantile(turn, q)*float64(time.Microsecond)))
	}
	return each
}

// noise is how far the quartiles of the turns' p99 are apart, as a share of
// their median.
func (t turns) noise() float64 {
	each := t.each(0.99)
	return (quantile(each, 0.75) - quantile(each, 0.25)) / quantile(each, 0.5)
}

func quantile(d []time.Duration, q float64) float64 {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return round(float64(d[int(q*float64(len(d)-1))]) / float64(time.Microsecond))
}

func round(v float64) float64 { return math.Round(100*v) / 100 }
