package edhoccoap

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

var serverAddr = netip.MustParseAddrPort("192.0.2.1:5683")

// wire is a network with a server on it.
type wire struct {
	*world
	network *coaptest.Network
	keys    *counting // that the server has made
	server  *coap.Endpoint
	reverse *ReverseServer
	clients []*coap.Client

	mu     sync.Mutex             // guards what follows
	in     map[netip.AddrPort]int // bytes to the server
	out    map[netip.AddrPort]int // bytes from it
	sent   func(coaptest.Datagram)
	copies func(coaptest.Datagram) []late // what becomes of a datagram to the server
	delays map[*byte]time.Duration
}

// late is one copy of a datagram, and how late it comes.
type late struct {
	data  []byte
	delay time.Duration
}

// newWire is to be called in a bubble of synctest.
func newWire(t *testing.T, change ...func(w *world)) *wire {
	n := &wire{keys: new(counting), in: map[netip.AddrPort]int{}, out: map[netip.AddrPort]int{}, delays: map[*byte]time.Duration{}}
	initiator, err := edhoc.NewInitiator(edhoc.Config{
		Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, Identities: []edhoc.Identity{identity(t, 'r')}, Rand: n.keys,
	})
	must(t, err)
	n.world = newWorld(t, func(w *world) {
		w.clock.real = true
		var err error
		w.ids, err = idalloc.New(idalloc.Config{Now: time.Now})
		must(t, err)
		w.client.IDs, err = idalloc.New(idalloc.Config{Now: time.Now})
		must(t, err)
		w.cfg.IDs = w.ids
		for _, f := range change {
			f(w)
		}
		w.cfg.Responder, err = edhoc.NewResponder(edhoc.Config{
			Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, Identities: []edhoc.Identity{w.idR}, Rand: n.keys,
		})
		must(t, err)
	})
	n.reverse, err = NewReverseServer(ReverseConfig{
		Initiator: initiator, Find: n.cfg.Find, IDs: n.ids, Establish: n.cfg.Establish, EchoAbove: n.cfg.EchoAbove,
	})
	must(t, err)
	both, err := Both(n.world.server, n.reverse)
	must(t, err)
	n.network = &coaptest.Network{Filter: n.filter}
	handler := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if r.Path() == Path && !r.Options.Has(coap.OSCORE) {
			both.ServeCOAP(w, r)
			return
		}
		n.handler.ServeCOAP(w, r)
	})
	cfg := coap.Config{Handler: handler, Understands: []coap.OptionID{coap.OSCORE, coap.EDHOC}, DedupBytes: 1 << 20}
	n.server, err = coap.NewEndpoint(n.network.Listen(serverAddr), cfg)
	must(t, err)
	return n
}

func (n *wire) filter(d coaptest.Datagram) []coaptest.Datagram {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case d.To != serverAddr:
		n.out[d.To] += len(d.Data)
		if n.sent != nil {
			n.sent(d)
		}
	case n.copies != nil:
		var out []coaptest.Datagram
		for _, c := range n.copies(d) {
			n.delays[&c.data[0]] = c.delay
			out = append(out, coaptest.Datagram{From: d.From, To: d.To, Data: c.data})
		}
		return out
	default:
		n.in[d.From] += len(d.Data)
	}
	return []coaptest.Datagram{d}
}

// delay is for Network.Delay, where there are copies.
func (n *wire) delay(d coaptest.Datagram) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	defer delete(n.delays, &d.Data[0])
	return n.delays[&d.Data[0]]
}

// dial gives a client on an address of its own.
func (n *wire) dial(address string) *coap.Client {
	e, err := coap.NewEndpoint(n.network.Listen(netip.MustParseAddrPort(address)), coap.Config{Understands: []coap.OptionID{coap.OSCORE}})
	must(n.t, err)
	c := e.Client(serverAddr)
	n.clients = append(n.clients, c)
	return c
}

// close ends the endpoints of clients, and the server.
func (n *wire) close() {
	for _, c := range n.clients {
		must(n.t, c.Endpoint.Close())
	}
	must(n.t, n.server.Close())
	n.world.server.Close()
}

// use runs a handshake and a request on a client's connection.
func (n *wire) use(c *coap.Client) error {
	initiator := *n.client
	initiator.Doer = c
	session, id, err := initiator.Establish(n.t.(*testing.T).Context())
	if err != nil {
		return err
	}
	n.wantWorks(n.oscoreClient(session, id, c))
	return nil
}

// datagram is a Confirmable POST to the EDHOC resource.
func datagram(id uint16, contentFormat bool, payload []byte) []byte {
	b := []byte{0x44, byte(coap.POST), byte(id >> 8), byte(id), 't', 'o', byte(id >> 8), byte(id)}
	b = append(append(b, 0xbb), ".well-known"...)
	b = append(append(b, 0x05), "edhoc"...)
	if contentFormat {
		b = append(b, 0x11, formatCIDEDHOC)
	}
	if len(payload) > 0 {
		b = append(append(b, 0xff), payload...)
	}
	return b
}

// TestSecondHandshake is behaviour 48: handshakes follow each other on one connection,
// also after one that failed.
func TestSecondHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newWire(t)
		defer n.close()
		c := n.dial("192.0.2.7:1000")
		for range 3 {
			must(t, n.use(c))
			failing := *n.client
			failing.Doer, failing.Find = c, finder()
			if _, _, err := failing.Establish(t.Context()); err == nil {
				t.Error("established with nobody")
			}
		}
		if n.contexts.Len() != 3 || n.world.server.Pending() != 0 {
			t.Errorf("%d contexts, %d pending", n.contexts.Len(), n.world.server.Pending())
		}
	})
}

// TestFlood is ED-8: messages 1 from very many addresses, and empty requests, cost the
// server a bounded number of handshakes and keys, and bounded memory; nobody who has not
// shown an address gets more than three times what came, nor more than 136 bytes; and an
// honest peer completes meanwhile.
func TestFlood(t *testing.T) {
	for _, c := range []struct {
		name      string
		many      bool
		echoAbove int
		reverse   bool
		padding   int // bytes of EAD_1
		byValue   bool
	}{
		{name: "identifiers run out first", many: true},
		{name: "handshakes run out first", echoAbove: 8},
		{name: "padded message_1", padding: 64},
		{name: "long message_2", byValue: true},
		{name: "reverse message flow", reverse: true, many: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				peers := 1 << 12
				if !testing.Short() && c.many {
					peers = 1 << 16
				}
				n := newWire(t, func(w *world) {
					w.cfg.EchoAbove = c.echoAbove
					if c.byValue {
						cred, err := edhoc.NewCCS(w.idR.Key.Public(), strings.Repeat("r", 90), []byte{'r'})
						must(t, err)
						w.idR = edhoc.Identity{Credential: cred, ID: cred.ByValue(), Key: w.idR.Key}
						w.client.Find = finder(cred)
					}
				})
				defer n.close()
				n.flood(c.reverse, c.padding, peers)
			})
		})
	}
}

// flood sends a first message from each of very many addresses.
func (n *wire) flood(reverse bool, padding, peers int) {
	t, ctx := n.t, n.t.(*testing.T).Context()
	msg1, _, err := n.client.Initiator.ComposeMessage1("\x01")
	must(t, err)
	if padding > 0 {
		msg1, _, err = n.client.Initiator.ComposeMessage1("\x01", edhoc.EADItem{Value: make([]byte, padding)})
		must(t, err)
	}
	attacker := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1000)
	}
	longest := 0
	n.mu.Lock()
	n.sent = func(d coaptest.Datagram) {
		if d.To.Addr().As4()[0] == 10 {
			longest = max(longest, len(d.Data))
		}
	}
	n.mu.Unlock()
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	honest := []*coap.Client{n.dial("192.0.2.7:1000"), n.dial("192.0.2.8:1000")}
	must(t, n.use(honest[0])) // the heap has what it needs
	n.mu.Lock()
	n.in, n.out = make(map[netip.AddrPort]int, 2*peers), make(map[netip.AddrPort]int, 2*peers)
	n.mu.Unlock()
	before, keys := heap(), n.keys.reads.Load()
	fresh := rand.NewChaCha8([32]byte{})
	for i := range peers {
		data := datagram(uint16(i), false, nil)
		if !reverse {
			_, _ = fresh.Read(msg1[4:36]) // G_X
			data = datagram(uint16(i), true, append([]byte{newSession}, msg1...))
		}
		n.network.Send(coaptest.Datagram{From: attacker(i), To: serverAddr, Data: data})
		if i%256 == 0 {
			synctest.Wait()
		}
		if i == peers/2 { // in the middle of it
			n.wantBounded(keys)
			for _, c := range honest {
				must(t, n.use(c))
				backward := &ReverseClient{Doer: c, Responder: responderOf(t, n.idI), Find: finder(identity(t, 'r').Credential), IDs: n.client.IDs}
				_, _, err := backward.Establish(ctx)
				must(t, err)
				keys += 2
			}
		}
	}
	synctest.Wait()
	n.wantBounded(keys)
	grown := heap() - before
	n.mu.Lock()
	answered := 0
	for i := range peers {
		in, out := n.in[attacker(i)], n.out[attacker(i)]
		if out > 3*in {
			t.Fatalf("%d bytes for %d", out, in)
		}
		if out > 0 {
			answered++
		}
	}
	if longest > 136 || longest == 0 || answered != peers {
		t.Errorf("%d of %d answered, up to %d bytes", answered, peers, longest)
	}
	n.mu.Unlock()
	if grown > 3<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	t.Logf("%d peers: %d keys, answers up to %d bytes, heap %+d kB", peers, n.keys.reads.Load()-keys, longest, grown>>10)

	// When all that rests is forgotten, a stranger is answered at once again.
	time.Sleep(2*maxLifetime + time.Second)
	if n.world.server.Pending() != 0 || n.reverse.Pending() != 0 || n.ids.Stats().Unvalidated != 0 {
		t.Errorf("%d and %d pending, %d identifiers", n.world.server.Pending(), n.reverse.Pending(), n.ids.Stats().Unvalidated)
	}
	stranger := n.dial("192.0.2.9:1000")
	made := n.keys.reads.Load()
	must(t, n.use(stranger))
	if n.keys.reads.Load() != made+1 {
		t.Error("more than one key for a handshake")
	}
}

// wantBounded checks what the server has for peers that have not shown an address, and
// the keys it has made since there were so many.
func (n *wire) wantBounded(keys int64) {
	n.t.Helper()
	const most = 32 // idalloc.Config.MaxUnvalidated
	waiting := n.world.server.Pending() + n.reverse.Pending()
	if made := n.keys.reads.Load() - keys; waiting > most || waiting == 0 || made > most || n.ids.Stats().Unvalidated > most {
		n.t.Fatalf("%d handshakes wait, %d keys were made, %d identifiers", waiting, made, n.ids.Stats().Unvalidated)
	}
}

func responderOf(t testing.TB, id edhoc.Identity) *edhoc.Responder {
	_, r := role(t, id)
	return r
}
