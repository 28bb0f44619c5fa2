package coap

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"
)

// sink is a batchConn that keeps what is sent.
type sink struct {
	mu   sync.Mutex
	keep bool
	sent [][]byte
	n    int
	done chan struct{}
}

func (s *sink) read([]datagram) (int, error) { <-s.done; return 0, net.ErrClosed }
func (s *sink) writeBatch(ds []datagram) error {
	for i := range ds {
		_ = s.write(ds[i])
	}
	return nil
}

func (s *sink) write(d datagram) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n += len(d.buf)
	if s.keep {
		s.sent = append(s.sent, bytes.Clone(d.buf))
	}
	return nil
}

// nobody is a net.PacketConn without a network.
type nobody struct{ net.PacketConn }

func (nobody) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5683} }
func (nobody) Close() error        { return nil }

// bench returns an endpoint whose lane the test drives itself.
func bench(t testing.TB, cfg Config, s *sink) *lane {
	t.Helper()
	cfg, err := cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	e := &Endpoint{
		cfg: cfg, start: time.Now(), wake: make(chan struct{}, 1),
		sent: map[sentKey]*transmission{}, calls: map[callKey]*call{}, flights: map[netip.AddrPort]*flight{},
		observations: map[observationKey]*observation{}, observers: map[netip.AddrPort]int{},
		random: randomBytes{source: cfg.Rand},
	}
	e.ids = messageIDs{life: cfg.exchangeLifetime(), random: &e.random}
	if err := e.echo.init(&cfg); err != nil {
		t.Fatal(err)
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	t.Cleanup(e.cancel)
	l := newLane(e, nobody{}, s)
	e.lanes = []*lane{l}
	return l
}

// echoHandler answers with the payload, without an allocation.
var echoHandler = HandlerFunc(func(w ResponseWriter, r *Request) {
	resp := r.NewResponse(Content)
	resp.Payload = r.Payload
	_ = w.Respond(resp)
})

var peer1 = netip.MustParseAddrPort("198.51.100.1:40001")

// TestPlainPathAllocates: a request and its piggybacked answer cost no
// allocation, through the Mux, Blockwise and the message memory.
func TestPlainPathAllocates(t *testing.T) {
	var mux Mux
	mux.Handle("/echo", echoHandler)
	for name, h := range map[string]Handler{"bare": echoHandler, "mux": &mux, "blockwise": Blockwise(&mux, BlockwiseConfig{})} {
		l := bench(t, Config{Handler: h, DedupBytes: 1 << 20}, new(sink))
		b := []byte("\x48\x02\x00\x00tokentok\xb4echo\xffthirty bytes of payload, or so")
		id := uint16(0)
		now := time.Duration(0)
		request := func() {
			id++
			now += 10 * time.Millisecond
			binary.BigEndian.PutUint16(b[2:], id)
			l.in[0] = datagram{buf: b, peer: peer1}
			l.handleBatch(1, now)
		}
		for range 1 << 16 { // the memory of messages grows
			request()
		}
		if n := testing.AllocsPerRun(20_000, request); n != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, n)
		}
		if s := l.e.Stats(); s.Requests < 80_000 || s.Sent != s.Requests {
			t.Errorf("%s: got %+v", name, s)
		}
	}
}

// TestMulticastServer: a request to a group is answered after a while, and
// only by success; Confirmable messages and format errors are ignored.
func TestMulticastServer(t *testing.T) {
	s := &sink{keep: true}
	var mux Mux
	mux.Handle("/a", echoHandler)
	mux.HandleFunc("/e", func(w ResponseWriter, r *Request) { _ = w.Respond(&Response{Code: InternalServerError}) })
	l := bench(t, Config{Handler: &mux}, s)
	group := netip.MustParseAddr("ff02::fd")
	send := func(b string, local netip.Addr) int {
		before := s.n
		l.in[0] = datagram{buf: []byte(b), peer: peer1, local: local}
		l.handleBatch(1, 0)
		return s.n - before
	}
	//spec:7252-8.1-1
	//spec:7252-8-1
	//spec:7252-8.1-2
	for _, b := range []string{"\x40\x01\x00\x01\xb1a", "\x40\x00\x00\x01", "\x50\x00\x00\x02", "\x50\x01\x00\x03\xb1a\xff", "\x50\x45\x00\x04", "\x50\x01\x00\x05\xb1b", "\x50\x01\x00\x07\xb1e", "\x70\x00\x00\x05"} {
		if n := send(b, group); n != 0 {
			t.Errorf("%x: got %x", b, s.sent[len(s.sent)-1])
		}
	}
	if n := l.e.Stats().Pending; n != 0 {
		t.Errorf("%d requests wait for an answer, want none", n)
	}
	if len(l.e.timers) != 0 {
		t.Fatalf("got %d timers, want none", len(l.e.timers))
	}
	if n := send("\x50\x01\x00\x06\xb1a", group); n != 0 || len(l.e.timers) != 1 {
		t.Fatalf("got %d bytes at once, %d timers", n, len(l.e.timers))
	}
	if at := l.e.timers[0].at; at < 0 || at >= time.Since(l.e.start)+5*time.Second {
		t.Errorf("answer at %v, want within the leisure", at)
	}
	l.e.timers[0].fire(0)
	if len(s.sent) != 1 || s.sent[0][0] != 0x50 || s.sent[0][1] != 0x45 {
		t.Errorf("got %x", s.sent)
	}
}

// TestMessageIDs: no ID is used twice with one peer within EXCHANGE_LIFETIME.
func TestMessageIDs(t *testing.T) {
	cfg, _ := Config{}.withDefaults()
	random := &randomBytes{source: cfg.Rand}
	ids := messageIDs{life: 247 * time.Second, random: random}
	last := map[uint16]time.Duration{}
	refused := 0
	//spec:7252-4.4-2
	for i := range 400_000 {
		now := time.Duration(i) * time.Millisecond
		id, ok := ids.take(peer1, now, false)
		if !ok {
			refused++
			continue
		}
		if at, used := last[id]; used && now-at < 247*time.Second {
			t.Fatalf("ID %d at %v and %v", id, at, now)
		}
		last[id] = now
	}
	if refused == 0 || refused > 400_000-2*57344 {
		t.Errorf("got %d refusals", refused)
	}
	if _, ok := ids.take(peer1, 0, true); ok {
		t.Error("forced ID said to be fresh")
	}
}

// TestMemory: an idle peer costs at most 400 bytes, and neither a goroutine
// nor a timer.
func TestMemory(t *testing.T) {
	const peers = 100_000
	l := bench(t, Config{Handler: echoHandler}, new(sink))
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	b := []byte("\x48\x01\x00\x01tokentok\xb4echo\xffthirty bytes of payload, or so")
	before, goroutines := heap(), runtime.NumGoroutine()
	for i := range peers {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		l.in[0] = datagram{buf: b, peer: netip.AddrPortFrom(a, 5683)}
		l.handleBatch(1, 0)
	}
	each := float64(heap()-before) / peers
	t.Logf("%.0f bytes for each of %d peers", each, peers)
	if each > 400 {
		t.Errorf("got %.0f bytes for each peer, want at most 400", each)
	}
	if n := runtime.NumGoroutine(); n > goroutines || len(l.e.timers) > 0 {
		t.Errorf("got %d goroutines, %d timers", n-goroutines, len(l.e.timers))
	}
	if s := l.e.Stats(); s.Requests != peers || s.DedupEvicted != 0 {
		t.Errorf("got %+v", s)
	}
	runtime.KeepAlive(l)
}

// TestFlood: a million source addresses, most with nonsense, leave heap and
// goroutines flat once the memory of messages is full.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("a million datagrams")
	}
	const bound = 8 << 20
	l := bench(t, Config{Handler: echoHandler, DedupBytes: bound}, new(sink))
	datagrams := [][]byte{
		[]byte("\x48\x01\x00\x01tokentok\xb4echo\xffpayload"), []byte("\x58\x01\x00\x02tokentok\xb4echo"),
		[]byte("\x40\x00\x00\x03"), []byte("\x4f\x01\x00\x04"), []byte("\x48\x45\x00\x05tokentok"), []byte("\x60\x00\x00\x06"), []byte("\x70\x00\x00\x07"),
		[]byte("\x48\x01\x00\x08tokentok\x90"), []byte("\x48\x01\x00\x09tokentok\x60\x54echo"),
	}
	var m runtime.MemStats
	goroutines := runtime.NumGoroutine()
	runtime.GC()
	runtime.ReadMemStats(&m)
	before := m.HeapAlloc
	for i := range 1_000_000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		l.in[0] = datagram{buf: datagrams[i%len(datagrams)], peer: netip.AddrPortFrom(a, uint16(i))}
		l.handleBatch(1, time.Duration(i)*time.Microsecond)
	}
	runtime.GC()
	runtime.ReadMemStats(&m)
	if grown := int64(m.HeapAlloc) - int64(before); grown > 2*bound {
		t.Errorf("heap grew by %d bytes, want at most %d", grown, 2*bound)
	}
	if n := runtime.NumGoroutine(); n > goroutines || len(l.e.timers) > 0 || len(l.e.flights) > 0 || len(l.e.sent) > 0 {
		t.Errorf("got %d goroutines, %d timers, %d flights", n-goroutines, len(l.e.timers), len(l.e.flights))
	}
	runtime.KeepAlive(l)
}

func BenchmarkPlainPath(b *testing.B) {
	l := bench(b, Config{Handler: echoHandler, DedupBytes: 16 << 20}, new(sink))
	req := []byte("\x48\x02\x00\x00tokentok\xb4echo\xffthirty bytes of payload, or so")
	id := uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		id++
		binary.BigEndian.PutUint16(req[2:], uint16(id))
		l.in[0] = datagram{buf: req, peer: netip.AddrPortFrom(peer1.Addr(), uint16(id>>16))}
		l.handleBatch(1, time.Duration(id)*10*time.Microsecond)
	}
}
