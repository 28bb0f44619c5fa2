package as

import (
	"context"
	"encoding/binary"
	"io"
	"sync"
	"time"
)

// blockSize is how many numbers are taken at a time: a crash loses them.
const blockSize = 64

// numbers gives each token a number that no other ever has.
type numbers struct {
	ledger Ledger

	mu   sync.Mutex // guards all below
	next uint64
	end  uint64 // of the block
}

// take gives a number out of a block that the ledger has given away durably.
func (n *numbers) take(ctx context.Context) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next == n.end {
		first, err := n.ledger.NextSequence(ctx, "", blockSize)
		if err != nil {
			return 0, failed("take numbers", err)
		}
		n.next, n.end = first, first+blockSize
	}
	n.next++
	return n.next - 1, nil
}

// randomPart is how many random bytes follow a number in an identifier: should a
// ledger be restored without its keeper noticing, identifiers differ still.
const randomPart = 8

// identifier appends one made of a number: its bytes without leading zeros, then
// random ones.
func identifier(dst []byte, number uint64, random io.Reader) ([]byte, error) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], number)
	i := 0
	for i < len(b) && b[i] == 0 {
		i++
	}
	dst = append(dst, b[i:]...)
	tail := make([]byte, randomPart)
	if _, err := io.ReadFull(random, tail); err != nil {
		return nil, failed("draw identifier", err)
	}
	return append(dst, tail...), nil
}

// A clock never goes back, also over a restart: else an expired token would
// live again (and an update of it be granted).
type clock struct {
	read   func() time.Time
	ledger Ledger

	mu      sync.Mutex // guards all below
	latest  time.Time  // that was seen
	started bool       // latest includes what the ledger has seen
}

// now gives the time in whole seconds.
func (c *clock) now(ctx context.Context) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.started {
		last, err := c.ledger.LastIssued(ctx)
		if err != nil {
			return time.Time{}, failed("read the last time", err)
		}
		c.latest, c.started = last, true
	}
	if t := time.Unix(c.read().Unix(), 0).UTC(); t.After(c.latest) {
		c.latest = t
	}
	return c.latest.UTC(), nil
}
