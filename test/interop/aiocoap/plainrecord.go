package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"sync"

	"github.com/ostiary/ostiary/internal/vector"
	"github.com/ostiary/ostiary/test/interop"
)

// A segment is what went over a connection in one direction, before something
// went in the other or another case began.
type segment struct {
	Case  string     `json:"case"`
	From  string     `json:"from"`
	Bytes vector.Hex `json:"bytes"`
}

// A recorder is a listener that records the only connection it accepts, as the
// server sees it.
type recorder struct {
	net.Listener

	mu       sync.Mutex // guards what follows
	name     string
	segments []segment
}

// Accept implements net.Listener.
func (r *recorder) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &recordedConn{Conn: c, r: r}, nil
}

// mark names the case of what is recorded from now on.
func (r *recorder) mark(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.name = name
}

func (r *recorder) add(from string, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.segments); n > 0 && r.segments[n-1].From == from && r.segments[n-1].Case == r.name {
		r.segments[n-1].Bytes = append(r.segments[n-1].Bytes, b...)
		return
	}
	r.segments = append(r.segments, segment{r.name, from, append(vector.Hex(nil), b...)})
}

func (r *recorder) save(path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r.mu.Lock()
	defer r.mu.Unlock()
	e := json.NewEncoder(f)
	for _, s := range r.segments {
		if err := e.Encode(s); err != nil {
			return err
		}
	}
	return nil
}

func loadSegments(path string) (segments []segment, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for d := json.NewDecoder(bufio.NewReader(f)); ; {
		var s segment
		err := d.Decode(&s)
		if errors.Is(err, io.EOF) {
			return segments, nil
		}
		if err != nil {
			return nil, err
		}
		segments = append(segments, s)
	}
}

// recordedConn is a connection that a recorder has accepted.
type recordedConn struct {
	net.Conn
	r *recorder
}

// Read implements net.Conn.
func (c *recordedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.r.add(interop.FromClient, b[:n])
	}
	return n, err
}

// Write implements net.Conn.
func (c *recordedConn) Write(b []byte) (int, error) {
	c.r.add(interop.FromServer, b)
	return c.Conn.Write(b)
}
