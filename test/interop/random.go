package interop

import (
	"crypto/rand"
	"sync"
)

// A Random is crypto/rand.Reader, and remembers what was read. It is safe for
// concurrent use.
type Random struct {
	mu   sync.Mutex // guards what follows
	read []byte
}

// Read implements io.Reader.
func (r *Random) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := rand.Read(b)
	r.read = append(r.read, b[:n]...)
	return n, err
}

// Take returns what was read since it was called last.
func (r *Random) Take() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.read
	r.read = nil
	return taken
}
