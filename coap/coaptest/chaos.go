package coaptest

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Chaos is what a bad network does to datagrams. The same Seed and the same
// datagrams give the same faults. It is safe for concurrent use; its fields
// are set before.
type Chaos struct {
	Seed      uint64
	Loss      float64       // probability that a datagram is lost
	Duplicate float64       // that it comes twice
	Corrupt   float64       // that some of its bits are wrong
	Truncate  float64       // that its end is missing
	Reorder   float64       // that it is held back for up to MaxDelay
	MaxDelay  time.Duration // default 1 s

	mu  sync.Mutex // guards rng
	rng *rand.Rand
}

// A Fate is one copy of a datagram that arrives, and how late.
type Fate struct {
	Data  []byte
	Delay time.Duration
}

// Apply decides what becomes of a datagram.
func (c *Chaos) Apply(b []byte) []Fate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rng == nil {
		c.rng = rand.New(rand.NewPCG(c.Seed, 0x05717a71))
	}
	if c.rng.Float64() < c.Loss {
		return nil
	}
	copies := 1
	if c.rng.Float64() < c.Duplicate {
		copies = 2
	}
	fates := make([]Fate, copies)
	for i := range fates {
		f := Fate{Data: append([]byte(nil), b...)}
		if len(f.Data) > 0 && c.rng.Float64() < c.Corrupt {
			for range 1 + c.rng.IntN(3) {
				f.Data[c.rng.IntN(len(f.Data))] ^= 1 << c.rng.IntN(8)
			}
		}
		if len(f.Data) > 0 && c.rng.Float64() < c.Truncate {
			f.Data = f.Data[:c.rng.IntN(len(f.Data))]
		}
		if c.rng.Float64() < c.Reorder {
			limit := c.MaxDelay
			if limit == 0 {
				limit = time.Second
			}
			f.Delay = time.Duration(c.rng.Int64N(int64(limit)))
		}
		fates[i] = f
	}
	return fates
}

// Network returns an in-memory network that suffers c.
func (c *Chaos) Network() *Network {
	n := new(Network)
	n.Filter = func(d Datagram) []Datagram {
		for _, f := range c.Apply(d.Data) {
			late := Datagram{From: d.From, To: d.To, Data: f.Data}
			if f.Delay == 0 {
				n.deliver(late)
				continue
			}
			time.AfterFunc(f.Delay, func() { n.deliver(late) })
		}
		return nil
	}
	return n
}

// A Proxy stands before a UDP server and passes datagrams on through a Chaos,
// in both directions. Close it to end its goroutines.
type Proxy struct {
	chaos  *Chaos
	target netip.AddrPort
	front  *net.UDPConn
	wait   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	closed bool
	backs  map[netip.AddrPort]*net.UDPConn
	timers map[*time.Timer]struct{}
}

// NewProxy listens on a loopback address of its own.
func NewProxy(target netip.AddrPort, chaos *Chaos) (*Proxy, error) {
	front, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(target.Addr(), 0)))
	if err != nil {
		return nil, err
	}
	p := &Proxy{chaos: chaos, target: target, front: front, backs: make(map[netip.AddrPort]*net.UDPConn), timers: make(map[*time.Timer]struct{})}
	p.wait.Go(p.forward)
	return p, nil
}

// Addr is where clients send to.
func (p *Proxy) Addr() netip.AddrPort { return p.front.LocalAddr().(*net.UDPAddr).AddrPort() }

// Rebind has every client come from a new port from now on, as a NAT does
// that has forgotten them; what the server sends to the old ones is lost.
func (p *Proxy) Rebind() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for client, back := range p.backs {
		_ = back.Close()
		delete(p.backs, client)
	}
}

// Close ends the proxy.
func (p *Proxy) Close() error {
	err := p.front.Close()
	p.mu.Lock()
	p.closed = true
	for t := range p.timers {
		t.Stop()
	}
	p.mu.Unlock()
	p.Rebind()
	p.wait.Wait()
	return err
}

func (p *Proxy) forward() {
	b := make([]byte, 65536)
	for {
		n, client, err := p.front.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		back := p.backs[client]
		if back == nil && !p.closed {
			if back, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(p.target)); err == nil {
				p.backs[client] = back
				p.wait.Go(func() { p.backward(client, back) })
			}
		}
		p.mu.Unlock()
		if back != nil {
			p.pass(b[:n], func(b []byte) { _, _ = back.Write(b) })
		}
	}
}

func (p *Proxy) backward(client netip.AddrPort, back *net.UDPConn) {
	b := make([]byte, 65536)
	for {
		n, err := back.Read(b)
		if err != nil {
			return
		}
		p.pass(b[:n], func(b []byte) { _, _ = p.front.WriteToUDPAddrPort(b, client) })
	}
}

func (p *Proxy) pass(b []byte, send func([]byte)) {
	for _, f := range p.chaos.Apply(b) {
		if f.Delay == 0 {
			send(f.Data)
			continue
		}
		p.mu.Lock()
		if !p.closed {
			var t *time.Timer
			t = time.AfterFunc(f.Delay, func() {
				p.mu.Lock()
				delete(p.timers, t)
				p.mu.Unlock()
				send(f.Data)
			})
			p.timers[t] = struct{}{}
		}
		p.mu.Unlock()
	}
}
