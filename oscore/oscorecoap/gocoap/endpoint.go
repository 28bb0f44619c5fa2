package gocoap

import (
	"context"
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/pool"
	gonet "github.com/plgd-dev/go-coap/v3/net"
	"github.com/plgd-dev/go-coap/v3/net/blockwise"
	"github.com/plgd-dev/go-coap/v3/options"
	"github.com/plgd-dev/go-coap/v3/udp/client"
	"github.com/plgd-dev/go-coap/v3/udp/server"

	"github.com/ostiary/ostiary/coap"
)

// An endpoint is the message layer of RFC 7252, Section 4, over the socket and
// codec of a go-coap server. One endpoint is server and client on its socket.
type endpoint struct {
	cfg  Config
	seed maphash.Seed
	mids [256]atomic.Uint32 // next Message ID, by hash of the address
	seq  atomic.Uint32      // Observe option values

	// ctx ends when the endpoint is closed, serving when it takes no new
	// request; started is closed when the socket can be used.
	ctx, serving      context.Context //nolint:containedctx // the endpoint's own life, not a caller's
	cancel, drain     context.CancelFunc
	started           chan struct{}
	handlers, workers sync.WaitGroup

	mu            sync.Mutex // guards what follows
	socket        *gonet.UDPConn
	local         netip.AddrPort
	closed        bool // no new request is taken
	stopped       bool // no new worker is started
	exchanges     cache
	running       map[netip.AddrPort]int
	total         int
	transmissions map[messageKey]chan outcome
	waiters       map[tokenKey]*waiter
	gates         map[netip.AddrPort]*gate
	observations  map[tokenKey]*observation
	notified      map[messageKey]*observation
	observers     map[netip.AddrPort]int
}

// messageKey finds a message by its Message ID, tokenKey a request by its
// token; both hold for one remote address only.
type (
	messageKey struct {
		remote netip.AddrPort
		mid    uint16
	}
	tokenKey struct {
		remote netip.AddrPort
		token  string
	}
)

func newEndpoint(cfg Config) *endpoint {
	e := &endpoint{
		cfg:           cfg.withDefaults(),
		seed:          maphash.MakeSeed(),
		started:       make(chan struct{}),
		running:       make(map[netip.AddrPort]int),
		transmissions: make(map[messageKey]chan outcome),
		waiters:       make(map[tokenKey]*waiter),
		gates:         make(map[netip.AddrPort]*gate),
		observations:  make(map[tokenKey]*observation),
		notified:      make(map[messageKey]*observation),
		observers:     make(map[netip.AddrPort]int),
	}
	e.exchanges.limit = e.cfg.CacheBytes
	e.exchanges.entries = make(map[messageKey]*exchange)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.serving, e.drain = context.WithCancel(e.ctx)
	for i := range e.mids {
		e.mids[i].Store(random())
	}
	e.seq.Store(random() & 0xffff)
	return e
}

// serve runs the endpoint on conn until ctx is done.
func (e *endpoint) serve(ctx context.Context, conn *net.UDPConn) error {
	s := server.New(e.options()...)
	socket := gonet.NewUDPConn("udp", conn, gonet.WithErrors(func(err error) { e.cfg.Observer.failed(netip.AddrPort{}, err) }))
	e.mu.Lock()
	if e.socket != nil {
		e.mu.Unlock()
		return fmt.Errorf("serve: %w", coap.ErrClosed)
	}
	e.socket, e.local = socket, addrPort(conn.LocalAddr())
	e.mu.Unlock()

	stop := context.AfterFunc(ctx, func() { e.shutdown(s) })
	close(e.started)
	err := s.Serve(socket)
	if stop() { // the socket failed, nobody told us to stop
		e.shutdown(s)
	}
	<-e.ctx.Done()
	e.mu.Lock()
	e.stopped = true
	e.mu.Unlock()
	e.workers.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// options are go-coap's server options: everything but socket and codec off.
func (e *endpoint) options() []server.Option {
	return append(slices.Clone(e.cfg.GoCoAP),
		options.WithBlockwise(false, blockwise.SZX1024, time.Minute),
		options.WithRequestMonitor(e.receive),
		options.WithErrors(func(err error) { e.cfg.Observer.failed(netip.AddrPort{}, err) }),
		options.WithContext(e.ctx),
		periodic(e.every),
	)
}

// periodic replaces go-coap's periodic runner, whose goroutine outlives its
// server by seconds.
type periodic func(func(now time.Time) bool)

// UDPServerApply sets the runner in go-coap's configuration.
func (p periodic) UDPServerApply(cfg *server.Config) { cfg.PeriodicRunner = p }

func (e *endpoint) every(f func(now time.Time) bool) {
	e.workers.Go(func() {
		t := time.NewTicker(4 * time.Second)
		defer t.Stop()
		for {
			select {
			case now := <-t.C:
				f(now)
			case <-e.ctx.Done():
				return
			}
		}
	})
}

// shutdown stops the endpoint: no new request, observations end, handlers
// finish, and then the socket closes.
func (e *endpoint) shutdown(s *server.Server) {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.drain()
	drained := make(chan struct{})
	go func() {
		e.handlers.Wait()
		close(drained)
	}()
	deadline := time.NewTimer(e.cfg.DrainTimeout)
	defer deadline.Stop()
	select {
	case <-drained:
	case <-deadline.C:
	}
	s.Stop()
	e.cancel()
}

func (e *endpoint) localAddr() netip.AddrPort {
	<-e.started
	return e.local
}

// receive is go-coap's request monitor: it sees every message before go-coap
// has done anything with it, and keeps all of them. It runs in the goroutine
// that reads the socket and does not block.
func (e *endpoint) receive(cc *client.Conn, m *pool.Message) (drop bool, err error) {
	d := received(cc, m)
	switch {
	case d.typ == message.Acknowledgement || d.typ == message.Reset:
		e.settle(d)
	case d.code == coap.Empty: // a ping, if Confirmable (RFC 7252, Section 4.3)
		e.reject(d)
	case d.code.IsRequest():
		e.receiveRequest(d)
	case d.code.IsResponse():
		e.receiveResponse(d)
	default: // a reserved class (RFC 7252, Section 4.2)
		e.reject(d)
	}
	return true, nil
}

// settle takes an acknowledgement or Reset message, and the response that may
// be in it.
func (e *endpoint) settle(d *datagram) {
	key := messageKey{d.path.remote, d.mid}
	e.mu.Lock()
	settled := e.transmissions[key]
	delete(e.transmissions, key)
	observation := e.notified[key]
	e.mu.Unlock()
	if settled != nil {
		settled <- outcome{reset: d.typ == message.Reset}
	}
	if observation != nil && d.typ == message.Reset {
		observation.end() // the client has forgotten it (RFC 7641, Section 3.6)
	}
	if d.typ == message.Acknowledgement && d.code.IsResponse() && settled != nil {
		e.deliver(d)
	}
}

// reject answers a Confirmable message with a Reset message (RFC 7252,
// Section 4.2); any other is ignored.
func (e *endpoint) reject(d *datagram) {
	if d.typ == message.Confirmable && !d.multicast {
		e.write(d.path, empty(message.Reset, d.mid))
	}
}

// write sends a message. An error is reported and is otherwise a lost datagram.
func (e *endpoint) write(p path, b []byte) {
	to := gonet.WithRemoteAddr(net.UDPAddrFromAddrPort(p.remote))
	err := e.socket.WriteWithOptions(b, gonet.WithContext(e.ctx), to, gonet.WithControlMessage(p.control))
	if err != nil && !gonet.IsCancelOrCloseError(err) {
		e.cfg.Observer.failed(p.remote, fmt.Errorf("send: %w", err))
	}
}

// nextMID returns a Message ID for a message to an address. Addresses share a
// counter by hash, so that one is not reused soon for any of them.
func (e *endpoint) nextMID(remote netip.AddrPort) uint16 {
	return uint16(e.mids[uint8(maphash.Comparable(e.seed, remote))].Add(1)) // the low bits
}
