package oscorecoap

import (
	"crypto/rand"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// ThrottleConfig bounds the failed decryptions of requests, for each association,
// by where the requests come from. A 'kid' can be seen on the way, and with tags of
// 8 bytes 2^14 forgeries under it end the key of an honest peer (oscore.Limits).
// Zero fields have their defaults.
//
// What comes from the last two addresses and ports that a request has verified
// from is the peer's own (Peer); what comes from their /32 of IPv4 or /64 of IPv6 is
// of a neighbour (Neighbours), perhaps the peer behind a NAT that has changed the
// port; all else is of strangers, and there every /32 and /64 is looked at also by
// itself: after Tries failures within MaxPause it is refused for Pause, and after
// every further one twice as long, up to MaxPause, on average. Until the first request
// has verified, everybody may be the peer. What is refused is not decrypted, does not
// count, and is answered as if it had not verified.
//
// A forger with the defaults needs, for 2^14 failures,
//
//	at an address of his own              100 days
//	at as many addresses as he likes       11 days
//	in the peer's network                  11 days
//	with the peer's own address, spoofed   42 hours
//	with all of that at once               32 hours
//
// instead of seconds. Observer.Worn says when half of that is gone.
//
// What remains possible: who spoofs the peer's own address and port uses up the budget
// of the peer. Nothing before the decryption tells the two apart, so that then one
// message from there goes through in Peer.Every. Which is left to chance, so that
// a few messages at the right moments do not keep the peer out: beside a forgery in
// every Peer.Every most requests of the peer go through, beside one a second about one
// in twenty; with the default burst that begins after a quarter of an hour. Nothing is given back for requests that verify: the forger
// would keep pace with them. It ends when he does, after two Peer.Every at the latest.
// In the same way strangers compete with a peer that comes from another network; a
// new association, by EDHOC or a token, begins without debts.
type ThrottleConfig struct {
	// Peer is the budget for the addresses and ports of the peer; the default is
	// 1024, and one every 10 seconds.
	Peer Budget
	// Neighbours is the budget for other addresses and ports in the networks of the
	// peer; the default is 16, and one a minute.
	Neighbours Budget
	// Strangers is the budget for all other sources together; the default is 32,
	// and one a minute.
	Strangers Budget

	// Tries is how many failures one source of the strangers has before it is
	// refused; the default is 4. Pause and MaxPause are for how long; the defaults
	// are 30 seconds and an hour.
	Tries           int
	Pause, MaxPause time.Duration
	// Sources is how many sources of strangers are remembered, of all associations;
	// the default is 4096, of 32 bytes each. Where there are more the budget remains.
	Sources int

	// DangerOff has every request decrypted, so that anybody can use up a key.
	DangerOff bool
}

// A Budget is a number of failed decryptions: Burst at once, and then one in
// Every, on average.
type Budget struct {
	Burst int
	Every time.Duration
}

// allows reports whether there may be a failure more. debt is when those until now
// will have been paid for; times are nanoseconds since 1970.
func (b Budget) allows(debt, now int64) bool { return debt <= now+int64(b.Burst-1)*int64(b.Every) }

// charge returns the debt with a failure more. What it costs is left to chance, so
// that nobody knows when it is paid for.
func (b Budget) charge(debt, now int64, chance uint16) int64 {
	return max(debt, now) + int64(b.Every)*(2*int64(chance)+1)>>16
}

func (b Budget) withDefaults(burst int, every time.Duration) Budget {
	if b.Burst <= 0 {
		b.Burst = burst
	}
	if b.Every <= 0 {
		b.Every = every
	}
	return b
}

func (c ThrottleConfig) withDefaults() ThrottleConfig {
	c.Peer = c.Peer.withDefaults(1024, 10*time.Second)
	c.Neighbours = c.Neighbours.withDefaults(16, time.Minute)
	c.Strangers = c.Strangers.withDefaults(32, time.Minute)
	if c.Tries <= 0 {
		c.Tries = 4
	}
	if c.Pause <= 0 {
		c.Pause = 30 * time.Second
	}
	if c.MaxPause <= 0 {
		c.MaxPause = time.Hour
	}
	c.MaxPause = max(c.MaxPause, c.Pause)
	if c.Sources <= 0 {
		c.Sources = 4096
	}
	return c
}

// A throttle refuses requests before they are decrypted. What it knows of an
// association is attached to that, see ledger. It is safe for concurrent use.
type throttle struct {
	cfg       ThrottleConfig
	budgets   [kinds]Budget
	seed      maphash.Seed
	random    func() uint16
	strangers strangers
	observer  *Observer
}

func newThrottle(cfg ThrottleConfig, observer *Observer) *throttle {
	t := &throttle{cfg: cfg, budgets: [kinds]Budget{cfg.Peer, cfg.Neighbours, cfg.Strangers}, observer: observer}
	t.seed, t.random = maphash.MakeSeed(), random
	t.strangers = strangers{cfg: &t.cfg, seed: t.seed}
	return t
}

func random() uint16 {
	var b [2]byte
	_, _ = rand.Read(b[:]) // does not fail
	return binary.NativeEndian.Uint16(b[:])
}

// A source is where a request came from.
type source struct {
	endpoint uint64 // a keyed hash of address and port; never 0
	prefix   uint64 // the network: IPv4 /32, IPv6 /64
}

func (t *throttle) sourceOf(remote netip.AddrPort) source {
	var b [18]byte
	address := remote.Addr().As16()
	copy(b[:], address[:])
	binary.BigEndian.PutUint16(b[16:], remote.Port())
	s := source{endpoint: maphash.Bytes(t.seed, b[:]) | 1, prefix: binary.BigEndian.Uint64(b[:])}
	if remote.Addr().Is4() || remote.Addr().Is4In6() {
		s.prefix = 0xffff<<32 | uint64(binary.BigEndian.Uint32(b[12:])) // no network of IPv6: ::/8 is reserved
	}
	return s
}

// A gate is the throttle for one request: an oscore.Gate.
type gate struct {
	s *Server
	r *coap.Request
}

// Admit implements oscore.Gate.
func (g *gate) Admit(sec *oscore.Association) bool {
	l := ledgerOf(sec)
	if l == nil || l.calm() {
		return true
	}
	t := g.s.throttle
	if t.admits(l, sec, t.sourceOf(g.r.RemoteAddr), g.now()) {
		return true
	}
	if t.observer.Throttled != nil {
		t.observer.Throttled(sec, g.r.RemoteAddr)
	}
	return false
}

// Failed implements oscore.Gate.
func (g *gate) Failed(sec *oscore.Association) {
	t := g.s.throttle
	l := keepLedger(sec)
	t.failed(l, sec, t.sourceOf(g.r.RemoteAddr), g.now())
	if l.worn(sec) && t.observer.Worn != nil {
		t.observer.Worn(sec)
	}
}

// verified notes where a request of sec came from.
func (g *gate) verified(sec *oscore.Association) {
	t := g.s.throttle
	l := ledgerOf(sec)
	if l == nil {
		l = keepLedger(sec)
	}
	if home := hint(g.r.RemoteAddr); l.home.Load() != home {
		t.verified(l, sec, t.sourceOf(g.r.RemoteAddr))
		l.home.Store(home)
	}
}

// hint is the same for the same address and port, and seldom for others; only who
// verifies could gain by that, and gains nothing.
func hint(remote netip.AddrPort) uint64 {
	const odd = 0x9e3779b97f4a7c15
	b := remote.Addr().As16()
	high, low := binary.NativeEndian.Uint64(b[:]), binary.NativeEndian.Uint64(b[8:])
	return ((high*odd+low)*odd+uint64(remote.Port()))*odd | 1
}

func (g *gate) now() int64 { return g.s.answers.timeOf(g.r).UnixNano() }
