package coap

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// An Endpoint is a CoAP endpoint over UDP (RFC 7252): client and server on
// one socket. It has one goroutine for each socket, one for all timers, and
// none for any peer. It is safe for concurrent use.
type Endpoint struct {
	cfg   Config
	start time.Time
	lanes []*lane
	echo  echoState
	count counters

	ctx      context.Context // ends when the endpoint closes
	cancel   context.CancelFunc
	wait     sync.WaitGroup
	draining atomic.Bool
	wake     chan struct{} // to the timers' goroutine

	mu           sync.Mutex // guards what follows
	closed       bool
	timers       timerHeap
	sent         map[sentKey]*transmission
	outstanding  int // Confirmable ones in sent
	calls        map[callKey]*call
	flights      map[netip.AddrPort]*flight
	observations map[observationKey]*observation
	observers    map[netip.AddrPort]int // observations by peer
	ids          messageIDs
	random       randomBytes
}

// NewEndpoint returns an endpoint on a socket, and takes the socket over. It
// begins to read at once. The caller closes it.
func NewEndpoint(conn net.PacketConn, cfg Config) (*Endpoint, error) {
	return newEndpoint([]net.PacketConn{conn}, cfg)
}

// Listen opens cfg.Sockets UDP sockets on a local address, such as
// "[::]:5683", and returns an endpoint on them. Network is "udp", "udp4" or
// "udp6". The caller closes it.
func Listen(network, address string, cfg Config) (*Endpoint, error) {
	conns, err := listenPackets(network, address, cfg.Sockets)
	if err != nil {
		return nil, err
	}
	return newEndpoint(conns, cfg)
}

func newEndpoint(conns []net.PacketConn, cfg Config) (*Endpoint, error) {
	cfg, err := cfg.withDefaults()
	if _, ok := cfg.Handler.(*blockwise); !ok && cfg.Handler != nil {
		//spec:7959-2.1-1
		if cfg.Blockwise.Now == nil {
			cfg.Blockwise.Now = cfg.Clock.Now
		}
		cfg.Handler = Blockwise(cfg.Handler, cfg.Blockwise)
	}
	e := &Endpoint{
		cfg:          cfg,
		start:        cfg.Clock.Now(),
		wake:         make(chan struct{}, 1),
		sent:         make(map[sentKey]*transmission),
		calls:        make(map[callKey]*call),
		flights:      make(map[netip.AddrPort]*flight),
		observations: make(map[observationKey]*observation),
		observers:    make(map[netip.AddrPort]int),
		random:       randomBytes{source: cfg.Rand},
	}
	e.ids = messageIDs{life: cfg.exchangeLifetime(), random: &e.random}
	for _, conn := range conns {
		c, connErr := newBatchConn(conn)
		err = errors.Join(err, connErr)
		e.lanes = append(e.lanes, newLane(e, conn, c))
	}
	err = errors.Join(err, e.echo.init(&cfg))
	if err != nil {
		for _, conn := range conns {
			_ = conn.Close()
		}
		return nil, err
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	for _, l := range e.lanes {
		e.wait.Go(l.run)
	}
	e.wait.Go(e.runTimers)
	return e, nil
}

// LocalAddr returns the socket's address.
func (e *Endpoint) LocalAddr() netip.AddrPort {
	a, _ := addrPort(e.lanes[0].socket.LocalAddr())
	return a
}

// Close closes the endpoint at once: calls fail with ErrClosed, contexts of
// requests end, and nothing more is sent. It waits for its goroutines, and so
// for a handler that runs in one of them. See Shutdown for the gentle way.
func (e *Endpoint) Close() error {
	err := e.end()
	e.wait.Wait()
	return err
}

// Done is closed when the endpoint has ended: by Close, or because its socket
// was closed under it.
func (e *Endpoint) Done() <-chan struct{} { return e.ctx.Done() }

// end is Close without the wait.
func (e *Endpoint) end() error {
	e.mu.Lock()
	again := e.closed
	e.closed = true
	for _, c := range e.calls {
		c.finish(result{err: ErrClosed})
	}
	clear(e.sent)
	e.outstanding = 0
	e.mu.Unlock()
	if again {
		return nil
	}
	e.cancel()
	var err error
	for _, l := range e.lanes {
		err = errors.Join(err, l.socket.Close())
	}
	return err
}

// Shutdown refuses new requests with 5.03, waits until the requests taken are
// answered and the answers acknowledged, and closes the endpoint. When ctx is
// done first it closes the endpoint at once and returns the context's error.
func (e *Endpoint) Shutdown(ctx context.Context) error {
	e.draining.Store(true)
	var cause error
	t := e.cfg.Clock.NewTimer(drainPoll)
	defer t.Stop()
	for !e.drained() {
		select {
		case <-t.C():
			t.Reset(drainPoll)
			continue
		case <-ctx.Done():
			cause = context.Cause(ctx)
		}
		break
	}
	return errors.Join(cause, e.Close())
}

const drainPoll = 10 * time.Millisecond

func (e *Endpoint) drained() bool {
	if e.count.pending.Load() > 0 {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.outstanding == 0
}

// now is the time since the endpoint was opened.
func (e *Endpoint) now() time.Duration { return e.cfg.Clock.Now().Sub(e.start) }

// randomBytes reads its source in blocks. It is guarded by Endpoint.mu.
type randomBytes struct {
	source io.Reader
	buf    [256]byte
	n      int // unread, at the end of buf
}

// take fills b. If the source fails it gives zeros: the caller then finds a
// token that is taken and gives up.
func (r *randomBytes) take(b []byte) {
	for len(b) > 0 {
		if r.n == 0 {
			if _, err := io.ReadFull(r.source, r.buf[:]); err != nil {
				clear(b)
				return
			}
			r.n = len(r.buf)
		}
		n := copy(b, r.buf[len(r.buf)-r.n:])
		clear(r.buf[len(r.buf)-r.n:][:n])
		r.n -= n
		b = b[n:]
	}
}

// below returns a random duration in [0, d).
func (r *randomBytes) below(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	var b [8]byte
	r.take(b[:])
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(d))
}
