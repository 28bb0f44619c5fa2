package coaptest

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A Stream is one end of a connection in memory, which takes any amount without
// blocking the writer. It needs no system call, so that a test with
// testing/synctest can run both ends. It is safe for concurrent use by one
// reader and any number of writers.
type Stream struct {
	in, out *pipe
	local   net.Addr
	remote  net.Addr
}

// Pipe returns the two ends of a connection. What one Write takes one Read
// returns, unless its buffer is shorter: a session of datagrams can be played
// with it too.
func Pipe() (a, b *Stream) {
	x, y := newPipe(), newPipe()
	near := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40001}
	far := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 5683}
	return &Stream{x, y, near, far}, &Stream{y, x, far, near}
}

// A pipe is one direction of a connection.
type pipe struct {
	wake chan struct{} // something has changed

	mu       sync.Mutex // guards what follows
	queue    [][]byte
	closed   bool // by the writer: an end of file follows
	gone     bool // by the reader
	deadline time.Time
}

func newPipe() *pipe { return &pipe{wake: make(chan struct{}, 1)} }

func (p *pipe) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// read returns what is there; wait is how long to wait for more, 0 for ever.
func (p *pipe) read(b []byte) (n int, wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.gone:
		return 0, 0, net.ErrClosed
	case !p.deadline.IsZero():
		if wait = time.Until(p.deadline); wait <= 0 {
			return 0, 0, os.ErrDeadlineExceeded
		}
	}
	if len(p.queue) == 0 {
		if p.closed {
			return 0, 0, io.EOF
		}
		return 0, wait, nil
	}
	n = copy(b, p.queue[0])
	if p.queue[0] = p.queue[0][n:]; len(p.queue[0]) == 0 {
		p.queue = p.queue[1:]
	}
	return n, 0, nil
}

// Read is of net.Conn.
func (s *Stream) Read(b []byte) (int, error) {
	for len(b) > 0 {
		n, wait, err := s.in.read(b)
		if n > 0 || err != nil {
			return n, err
		}
		if wait == 0 {
			<-s.in.wake
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-s.in.wake:
		case <-t.C:
		}
		t.Stop()
	}
	return 0, nil
}

// Write is of net.Conn.
func (s *Stream) Write(b []byte) (n int, err error) {
	s.out.change(func() {
		switch {
		case s.out.closed:
			err = net.ErrClosed
		case s.out.gone:
			err = io.ErrClosedPipe
		case len(b) > 0:
			n = len(b)
			s.out.queue = append(s.out.queue, append([]byte(nil), b...))
		}
	})
	return n, err
}

// Close closes both directions.
func (s *Stream) Close() error {
	s.in.change(func() { s.in.gone = true })
	s.out.change(func() { s.out.closed = true })
	return nil
}

// LocalAddr is of net.Conn.
func (s *Stream) LocalAddr() net.Addr { return s.local }

// RemoteAddr is of net.Conn.
func (s *Stream) RemoteAddr() net.Addr { return s.remote }

// SetDeadline is of net.Conn.
func (s *Stream) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }

// SetReadDeadline is of net.Conn.
func (s *Stream) SetReadDeadline(t time.Time) error {
	s.in.change(func() { s.in.deadline = t })
	return nil
}

// SetWriteDeadline is of net.Conn; no Write waits.
func (s *Stream) SetWriteDeadline(time.Time) error { return nil }

// A Listener accepts connections in memory. Its zero value is not usable.
type Listener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// NewListener returns a listener that nobody has connected to.
func NewListener() *Listener {
	return &Listener{conns: make(chan net.Conn, 64), done: make(chan struct{})}
}

// Dial connects to the listener; network and address mean nothing.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept is of net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close is of net.Listener. Connections that nobody has accepted stay.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr is of net.Listener.
func (l *Listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 5683} }
