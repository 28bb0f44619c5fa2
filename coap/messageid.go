package coap

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// messageIDs hands out Message IDs (RFC 7252, Section 4.4). Peers share a
// bounded number of counters, so that an ID comes again with one peer only
// after all others of its counter; a counter goes round no faster than once
// in EXCHANGE_LIFETIME, an eighth of the way at a time. It is guarded by
// Endpoint.mu.
type messageIDs struct {
	life     time.Duration
	random   *randomBytes
	counters [1024]*idCounter
}

type idCounter struct {
	next uint16
	left [8]time.Duration // when each eighth was used up; 0 is never
}

const eighth = 1 << 13

// take returns an ID. It is false if the next one was used less than
// EXCHANGE_LIFETIME ago; with force it is returned all the same.
func (m *messageIDs) take(peer netip.AddrPort, now time.Duration, force bool) (uint16, bool) {
	a := peer.Addr().As16()
	h := binary.BigEndian.Uint64(a[:]) ^ binary.BigEndian.Uint64(a[8:])*0x9e3779b97f4a7c15 ^ uint64(peer.Port())<<32
	h *= 0xff51afd7ed558ccd
	at := &m.counters[h>>54]
	if *at == nil {
		*at = new(idCounter)
		var b [2]byte
		m.random.take(b[:])
		(*at).next = binary.BigEndian.Uint16(b[:])
	}
	c := *at
	ok := true
	if c.next%eighth == 0 {
		//spec:7252-4.4-2
		if used := c.left[c.next/eighth]; used != 0 && now-used < m.life {
			if ok = false; !force {
				return 0, false
			}
		}
	}
	id := c.next
	c.next++
	if c.next%eighth == 0 {
		c.left[id/eighth] = max(now, 1)
	}
	return id, ok
}
