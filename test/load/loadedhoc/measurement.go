package loadedhoc

import (
	"math"
	"runtime"
	"slices"
	"time"
)

// measurement is what is added up in the rounds.
type measurement struct {
	cfg     Config
	parties *parties
	server  *server
	curves  *operations
	profile *profile

	network, process turns
	responder, curve []time.Duration // of batches
	mallocs, bytes   uint64          // in the turns over the network
	failed           int
	failure          error // the first
}

// turns adds up the turns of one kind.
type turns struct {
	done int
	took time.Duration
	cpu  time.Duration
}

func (s *turns) add(t turns) {
	s.done += t.done
	s.took += t.took
	s.cpu += t.cpu
}

func (s turns) rate() float64 { return float64(s.done) / s.took.Seconds() }

func (s turns) cpuEach() float64 { return float64(s.cpu.Nanoseconds()) / float64(s.done) / 1e3 }

func newMeasurement(cfg Config) (*measurement, error) {
	m := &measurement{cfg: cfg}
	var err error
	if m.parties, err = newParties(cfg); err != nil {
		return nil, err
	}
	if m.curves, err = newOperations(cfg); err != nil {
		return nil, err
	}
	if m.profile, err = newProfile(cfg.Profile); err != nil {
		return nil, err
	}
	m.server, err = newServer(cfg, m.parties)
	return m, err
}

// round is one turn of each kind.
func (m *measurement) round(counts bool) error {
	var before, after runtime.MemStats
	m.profile.start(counts)
	runtime.ReadMemStats(&before)
	network, failed, failure := m.server.turn(m.cfg)
	runtime.ReadMemStats(&after)
	m.profile.stop()
	m.failed += failed
	if m.failure == nil {
		m.failure = failure
	}
	process, err := m.parties.turn(m.cfg.Slice)
	if err != nil || !counts {
		return err
	}
	m.network.add(network)
	m.process.add(process)
	m.mallocs += after.Mallocs - before.Mallocs
	m.bytes += after.TotalAlloc - before.TotalAlloc
	return m.single()
}

// single is the turn of single responders, and of single curve operations.
func (m *measurement) single() error {
	for begin := time.Now(); time.Since(begin) < m.cfg.Slice; {
		d, err := m.parties.responderBatch()
		if err != nil {
			return err
		}
		m.responder = append(m.responder, d)
		if d, err = m.curves.batch(); err != nil {
			return err
		}
		m.curve = append(m.curve, d)
	}
	return nil
}

func (m *measurement) result() *Result {
	cfg := m.cfg
	r := &Result{
		Method: int64(cfg.Method), Suite: int64(cfg.Suite), Combined: cfg.Combined, Message4: cfg.Message4, Clients: cfg.Clients,
		Cores: runtime.GOMAXPROCS(0), Handshakes: m.network.done, Failed: m.failed,
		Challenged: int(m.server.challenged.Load()), IDs: m.server.identifiers(),
	}
	if m.failure != nil {
		r.Failure = m.failure.Error()
	}
	r.CurveSum, r.Responder = quartile(m.curve), quartile(m.responder)
	r.ToCurves = round(r.Responder / r.CurveSum)
	r.PerSecond, r.InProcess = math.Round(m.network.rate()), math.Round(m.process.rate())
	r.Limit = math.Round(float64(r.Cores) * 1e6 / (2 * r.CurveSum))
	r.ToInProcess, r.ToLimit = round(m.network.rate()/m.process.rate()), round(m.network.rate()/r.Limit)
	r.CPU, r.CPUInProcess = round(m.network.cpuEach()), round(m.process.cpuEach())
	r.Overhead = round(r.CPU - r.CPUInProcess)
	if r.CPU > 0 {
		r.CurveShare = round(2 * r.CurveSum / r.CPU)
	}
	n := float64(m.network.done)
	r.Allocs, r.Bytes = math.Round(float64(m.mallocs)/n), math.Round(float64(m.bytes)/n)
	var mem runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&mem)
	r.Heap = mem.HeapAlloc
	return r
}

// quartile is the lower quartile of batches, for each handshake: the machine may have
// other things to do.
func quartile(d []time.Duration) float64 {
	slices.Sort(d)
	return round(float64(d[len(d)/4].Nanoseconds()) / batch / 1e3)
}

func round(v float64) float64 { return math.Round(100*v) / 100 }
