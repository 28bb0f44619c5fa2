package main

import (
	"crypto/rand"
	"io"
	"sync"

	"github.com/ostiary/ostiary/oscore"
)

// newParams returns fresh input parameters, as the client has them.
func newParams() *oscore.Params {
	random := make([]byte, 24)
	_, _ = rand.Read(random) // never fails
	return &oscore.Params{
		MasterSecret: random[:16], MasterSalt: random[16:],
		SenderID: []byte{0x01}, RecipientID: []byte{0x02},
	}
}

// other returns p as the other endpoint has them.
func other(p *oscore.Params) *oscore.Params {
	q := *p
	q.SenderID, q.RecipientID = p.RecipientID, p.SenderID
	return &q
}

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
