package coap

import "sync/atomic"

// Stats counts what an endpoint did since it was opened. All but the last
// three only grow.
type Stats struct {
	Received        uint64 // datagrams
	Sent            uint64 // datagrams
	SendErrors      uint64 // datagrams the system refused
	Ignored         uint64 // datagrams of another version, or too short
	FormatErrors    uint64 // messages with a format error
	Requests        uint64 // requests handled
	Duplicates      uint64 // messages received again
	DedupEvicted    uint64 // messages forgotten before their lifetime ended
	BadOptions      uint64 // requests refused for a critical option
	Refused         uint64 // requests refused with 5.03
	Challenges      uint64 // answers replaced by 4.01 with Echo
	ResetsSent      uint64
	ResetsReceived  uint64
	Retransmissions uint64
	Timeouts        uint64 // Confirmable messages never acknowledged
	Unmatched       uint64 // responses nobody waited for
	Notifications   uint64 // notifications sent
	Panics          uint64 // handlers that panicked
	IDsReused       uint64 // Message IDs a Non-confirmable answer used again too early

	Pending      int // requests whose answer is still owed
	Outstanding  int // own Confirmable messages not yet acknowledged
	Observations int // observations served
}

// counters are the counters behind Stats.
type counters struct {
	received, sent, sendErrors, ignored, formatErrors, requests, duplicates, badOptions, refused,
	challenges, resetsSent, resetsReceived, retransmissions, timeouts, unmatched, notifications,
	panics, idsReused atomic.Uint64
	pending atomic.Int64
}

// Stats returns the counters. It is safe for concurrent use.
func (e *Endpoint) Stats() Stats {
	c := &e.count
	s := Stats{
		Received:        c.received.Load(),
		Sent:            c.sent.Load(),
		SendErrors:      c.sendErrors.Load(),
		Ignored:         c.ignored.Load(),
		FormatErrors:    c.formatErrors.Load(),
		Requests:        c.requests.Load(),
		Duplicates:      c.duplicates.Load(),
		BadOptions:      c.badOptions.Load(),
		Refused:         c.refused.Load(),
		Challenges:      c.challenges.Load(),
		ResetsSent:      c.resetsSent.Load(),
		ResetsReceived:  c.resetsReceived.Load(),
		Retransmissions: c.retransmissions.Load(),
		Timeouts:        c.timeouts.Load(),
		Unmatched:       c.unmatched.Load(),
		Notifications:   c.notifications.Load(),
		Panics:          c.panics.Load(),
		IDsReused:       c.idsReused.Load(),
		Pending:         int(c.pending.Load()),
	}
	for _, l := range e.lanes {
		s.DedupEvicted += l.dedup.evicted.Load()
	}
	e.mu.Lock()
	s.Outstanding, s.Observations = e.outstanding, len(e.observations)
	e.mu.Unlock()
	return s
}
