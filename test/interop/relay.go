package interop

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

// A Relay stands between the clients and one server, and records the datagrams
// that it forwards. It is safe for concurrent use.
type Relay struct {
	server netip.AddrPort
	conn   *net.UDPConn // towards the clients
	done   sync.WaitGroup

	mu        sync.Mutex // guards what follows
	mark      string
	rederives bool
	clients   map[netip.AddrPort]*client
	seen      map[string]bool
	datagrams []Datagram
}

// client is a peer of the server, which sees each at a port of its own.
type client struct {
	number int
	conn   *net.UDPConn // towards the server
}

// NewRelay starts a Relay before a server on this machine. The caller closes it.
func NewRelay(server netip.AddrPort) (*Relay, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)))
	if err != nil {
		return nil, err
	}
	r := &Relay{server: server, conn: conn, clients: map[netip.AddrPort]*client{}, seen: map[string]bool{}}
	r.done.Add(1)
	go r.fromClients()
	return r, nil
}

// Addr is where the clients send to.
func (r *Relay) Addr() netip.AddrPort { return r.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Mark names the case that the datagrams from now on belong to.
func (r *Relay) Mark(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mark = name
}

// MarkRederive notes, with the next datagram of a client, that the server was
// asked for a new security context before (oscore.Association.Rederive).
func (r *Relay) MarkRederive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rederives = true
}

// Datagrams returns what was forwarded, in order. A datagram that was sent again
// is there once.
func (r *Relay) Datagrams() []Datagram {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Datagram(nil), r.datagrams...)
}

// Close stops forwarding.
func (r *Relay) Close() error {
	err := r.conn.Close()
	r.mu.Lock()
	for _, c := range r.clients {
		err = errors.Join(err, c.conn.Close())
	}
	r.mu.Unlock()
	r.done.Wait()
	return err
}

func (r *Relay) fromClients() {
	defer r.done.Done()
	buf := make([]byte, 65536)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // such as ICMP of a client that has gone
		}
		c, err := r.client(from)
		if err != nil {
			continue
		}
		r.record(FromClient, c.number, buf[:n])
		_, _ = c.conn.Write(buf[:n]) // a loss, which CoAP repairs
	}
}

func (r *Relay) client(addr netip.AddrPort) (*client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.clients[addr]; c != nil {
		return c, nil
	}
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(r.server))
	if err != nil {
		return nil, err
	}
	c := &client{number: len(r.clients), conn: conn}
	r.clients[addr] = c
	r.done.Add(1)
	go r.fromServer(c, addr)
	return c, nil
}

func (r *Relay) fromServer(c *client, addr netip.AddrPort) {
	defer r.done.Done()
	buf := make([]byte, 65536)
	for {
		n, err := c.conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		r.record(FromServer, c.number, buf[:n])
		_, _ = r.conn.WriteToUDPAddrPort(buf[:n], addr)
	}
}

func (r *Relay) record(from string, number int, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := from + string(rune(number)) + string(b)
	if r.seen[key] {
		return
	}
	r.seen[key] = true
	d := Datagram{Case: r.mark, From: from, Client: number, Bytes: append([]byte(nil), b...)}
	if from == FromClient {
		d.Rederive, r.rederives = r.rederives, false
	}
	r.datagrams = append(r.datagrams, d)
}
