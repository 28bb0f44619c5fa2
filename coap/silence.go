package coap

import (
	"sync"
	"time"
)

// A silence is how long the other side of a connection has said nothing. Any
// message breaks it; a Ping asks for one (RFC 8323, Section 5.4).
type silence struct {
	c        *Conn
	interval time.Duration

	mu     sync.Mutex  // guards what follows
	timer  *time.Timer // nil when no Ping is to be sent, and at the end
	pinged bool
}

func newSilence(c *Conn) *silence {
	s := &silence{c: c, interval: c.cfg.PingInterval}
	if s.interval > 0 {
		s.timer = time.AfterFunc(s.interval, s.due)
	}
	return s
}

// broken notes a message.
func (s *silence) broken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.pinged = false
		s.timer.Reset(s.interval)
	}
}

// due sends a Ping, or gives the connection up when one was of no use.
func (s *silence) due() {
	s.mu.Lock()
	again := s.pinged
	s.pinged = true
	if s.timer != nil {
		s.timer.Reset(s.interval)
	}
	s.mu.Unlock()
	if again {
		s.c.fail(ErrTimeout)
		return
	}
	if err := s.c.f.writeMessage(codePing, nil, nil, nil); err != nil {
		s.c.fail(err)
	}
}

func (s *silence) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}
