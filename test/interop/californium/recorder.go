package main

import (
	"crypto/rand"
	"io"
	"sync"
)

// recorder is a source of randomness that tells what it has given.
type recorder struct {
	mu    sync.Mutex // guards given
	given []byte
}

// Read implements io.Reader.
func (r *recorder) Read(b []byte) (int, error) {
	n, err := io.ReadFull(rand.Reader, b)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.given = append(r.given, b[:n]...)
	return n, err
}

func (r *recorder) all() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]byte(nil), r.given...)
}
