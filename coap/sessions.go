package coap

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// sessions makes one socket of many secured sessions, so that an endpoint
// serves them. With a security protocol the endpoint is the session, not the
// address (RFC 7252, Section 4.1): each has an address of its own here, which
// is never used again and leads nowhere else.
type sessions struct {
	in     chan sessionDatagram
	local  net.Addr
	idle   time.Duration
	single bool // a client's: the end of its session is that of the socket
	done   chan struct{}
	stop   func() // ends the listener
	gone   func(peer netip.AddrPort)
	wait   sync.WaitGroup
	closed sync.Once

	mu   sync.RWMutex // guards what follows
	next uint64
	live map[netip.AddrPort]*session
}

const (
	// maxSessions bounds the sessions of an endpoint, and sessionIdle is how
	// long one may be silent: longer than an observer is between two signs of
	// life (RFC 7641, Section 4.5).
	maxSessions      = 65536
	sessionIdle      = conInterval + time.Hour
	handshakeTimeout = 30 * time.Second
)

// listenSessions returns an endpoint that serves the sessions of a listener.
func listenSessions(l net.Listener, handshake func(context.Context, net.Conn) (Identity, error), cfg Config) (*Endpoint, error) {
	s := newSessions(l.Addr(), sessionIdle)
	s.stop = func() { _ = l.Close() }
	e, err := s.endpoint(cfg)
	if err != nil {
		return nil, err
	}
	s.wait.Go(func() { s.accept(l, maxSessions, handshake) })
	return e, nil
}

// dialSession returns a client over one session.
func dialSession(conn net.Conn, identity Identity, cfg Config) (*Client, error) {
	s := newSessions(conn.LocalAddr(), sessionIdle)
	s.single = true
	e, err := s.endpoint(cfg)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	c := e.Client(s.add(conn, identity))
	c.owned = true
	return c, nil
}

type session struct {
	conn     net.Conn
	identity Identity
	remote   netip.AddrPort
}

type sessionDatagram struct {
	peer netip.AddrPort
	data []byte
}

func newSessions(local net.Addr, idle time.Duration) *sessions {
	return &sessions{
		in: make(chan sessionDatagram, 256), local: local, idle: idle, done: make(chan struct{}),
		live: make(map[netip.AddrPort]*session), stop: func() {}, gone: func(netip.AddrPort) {},
	}
}

// sessionPrefix is the discard prefix (RFC 6666): no peer has such an address.
const sessionPrefix = 0x0100

// add takes a session in and reads it until it ends.
func (s *sessions) add(conn net.Conn, identity Identity) netip.AddrPort {
	var a [16]byte
	binary.BigEndian.PutUint16(a[:], sessionPrefix)
	s.mu.Lock()
	s.next++
	binary.BigEndian.PutUint64(a[8:], s.next)
	peer := netip.AddrPortFrom(netip.AddrFrom16(a), 1)
	remote, _ := addrPort(conn.RemoteAddr())
	//spec:7252-9.1.1-2
	//spec:7252-9.1.2-1
	//spec:7252-9.1.2-2
	s.live[peer] = &session{conn: conn, identity: identity, remote: remote}
	s.mu.Unlock()
	s.wait.Go(func() { s.read(peer, conn) })
	return peer
}

func (s *sessions) count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.live)
}

func (s *sessions) read(peer netip.AddrPort, conn net.Conn) {
	defer s.remove(peer)
	b := make([]byte, 65536)
	for {
		if conn.SetReadDeadline(time.Now().Add(s.idle)) != nil {
			return
		}
		n, err := conn.Read(b)
		if err != nil {
			return
		}
		select {
		case s.in <- sessionDatagram{peer, append([]byte(nil), b[:n]...)}:
		case <-s.done:
			return
		}
	}
}

func (s *sessions) remove(peer netip.AddrPort) {
	s.mu.Lock()
	x := s.live[peer]
	delete(s.live, peer)
	gone := s.gone
	s.mu.Unlock()
	if x != nil {
		_ = x.conn.Close()
		gone(peer)
	}
	if s.single {
		s.end()
	}
}

// identify returns who a session is with, and from where.
func (s *sessions) identify(peer netip.AddrPort) (Identity, netip.AddrPort) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if x := s.live[peer]; x != nil {
		return x.identity, x.remote
	}
	return nil, peer
}

// ReadFrom is for the endpoint.
func (s *sessions) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-s.in:
		return copy(b, d.data), net.UDPAddrFromAddrPort(d.peer), nil
	case <-s.done:
		return 0, nil, net.ErrClosed
	}
}

var errNoSession = errors.New("coap: the session has ended")

// WriteTo is for the endpoint.
func (s *sessions) WriteTo(b []byte, addr net.Addr) (int, error) {
	peer, err := addrPort(addr)
	if err != nil {
		return 0, err
	}
	s.mu.RLock()
	x := s.live[peer]
	s.mu.RUnlock()
	if x == nil {
		return 0, errNoSession
	}
	//spec:7252-9.1.1-1
	return x.conn.Write(b)
}

// Close ends all sessions.
func (s *sessions) Close() error {
	s.end()
	s.wait.Wait()
	return nil
}

func (s *sessions) end() {
	s.closed.Do(func() {
		close(s.done)
		s.stop()
		s.mu.Lock()
		for _, x := range s.live {
			_ = x.conn.Close()
		}
		s.mu.Unlock()
	})
}

func (s *sessions) LocalAddr() net.Addr              { return s.local }
func (s *sessions) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (s *sessions) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (s *sessions) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// endpoint returns an endpoint on the sessions. Their handshake has shown the
// addresses.
func (s *sessions) endpoint(cfg Config) (*Endpoint, error) {
	cfg.DangerUnlimited = true
	e, err := NewEndpoint(s, cfg)
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	s.mu.Lock()
	s.gone = e.forget
	s.mu.Unlock()
	return e, nil
}

// forget ends the observations of a peer that is gone.
func (e *Endpoint) forget(peer netip.AddrPort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.observers[peer] == 0 {
		return
	}
	for key, o := range e.observations {
		if key.peer == peer {
			o.remove()
		}
	}
}

// accept takes sessions from a listener until it closes.
func (s *sessions) accept(l net.Listener, limit int, handshake func(context.Context, net.Conn) (Identity, error)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// Handshakes wait for the other side: not one after the other, and not
	// without bound.
	slots := make(chan struct{}, 64)
	for {
		conn, err := l.Accept()
		if err != nil {
			select {
			case <-s.done:
				return
			default:
			}
			if errors.Is(err, net.ErrClosed) {
				s.end() // under it, and the sessions' socket with it
				return
			}
			pause(ctx, 10*time.Millisecond)
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-s.done:
			_ = conn.Close()
			return
		}
		s.wait.Go(func() {
			defer func() { <-slots }()
			short, cancel := context.WithTimeout(ctx, handshakeTimeout)
			defer cancel()
			stop := context.AfterFunc(short, func() { _ = conn.Close() })
			identity, err := handshake(short, conn)
			if !stop() || err != nil || s.count() >= limit {
				_ = conn.Close()
				return
			}
			s.add(conn, identity)
		})
	}
}
