package edhoccoap

import (
	"crypto/rand"
	"sync/atomic"
)

// counting is a source of randomness that counts: keys that are asked for, and reads,
// one or more for each key that is made.
type counting struct{ keys, reads atomic.Int64 }

func (c *counting) Read(b []byte) (int, error) {
	c.reads.Add(1)
	return rand.Read(b)
}
