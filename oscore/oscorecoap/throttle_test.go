package oscorecoap_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// A siege is a server that a forger knows the kid of, on a clock of its own.
type siege struct {
	t         testing.TB
	p         *pair
	h         *oscorecoap.Server
	now       time.Time
	began     time.Time
	forged    *coap.Request
	verified  int
	throttled int
	worn      int
	refused   error
}

// lay begins a siege with a key that may see limit failures; 0 is the default.
func lay(t testing.TB, limit uint64, cfg oscorecoap.ThrottleConfig) *siege {
	p := newPair(t, func(client, server *oscore.Config) {
		client.DangerNewAEAD, server.DangerNewAEAD = nil, nil
		server.Limits.Failures = limit
	})
	s := &siege{t: t, p: p, now: time.Unix(1<<30, 0)}
	s.began = s.now
	s.h = p.handler(t, respondWith(coap.Content, ""), nil, oscorecoap.Config{
		Now: func() time.Time { return s.now }, Throttle: cfg,
		Observer: oscorecoap.Observer{
			Verified:  func(*oscore.Association, *coap.Request) { s.verified++ },
			Refused:   func(_ netip.AddrPort, err error) { s.refused = err },
			Throttled: func(*oscore.Association, netip.AddrPort) { s.throttled++ },
			Worn:      func(*oscore.Association) { s.worn++ },
		},
	})
	random := rand.New(rand.NewPCG(1, 2))
	s.h.SetRandom(func() uint16 { return uint16(random.Uint32()) })
	s.forged = &coap.Request{Code: coap.POST, Payload: []byte("fourteen bytes")}
	s.forged.Options.Add(coap.OSCORE, []byte{0x0d, 0x7f, 0, 0, 0, 0, 0x01}) // a Partial IV far ahead
	return s
}

// regular has the throttle forget chance.
func (s *siege) regular() *siege {
	s.h.SetRandom(func() uint16 { return 1<<15 - 1 })
	return s
}

func (s *siege) failures() int { return int(s.p.server.Current().Usage().Failures) }

// forge sends a forgery, and reports whether it was decrypted.
func (s *siege) forge(from netip.AddrPort) bool {
	before := s.failures()
	s.forged.RemoteAddr = from
	s.h.ServeCOAP(new(discard), s.forged)
	return s.failures() > before
}

// request sends a request of the peer, and reports whether it was verified.
func (s *siege) request(from netip.AddrPort) bool {
	before := s.verified
	r, _ := s.p.protect(s.t, coap.NewRequest(coap.GET, "/"))
	r.RemoteAddr = from
	s.h.ServeCOAP(new(discard), r)
	return s.verified > before
}

// pass lets time pass.
func (s *siege) pass(d time.Duration) { s.now = s.now.Add(d) }

// anywhere is a new address with every call.
func anywhere() func() netip.AddrPort {
	n := uint32(0)
	return func() netip.AddrPort {
		n++
		if n%2 == 0 {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n*2654435761))), 5683)
		}
		b := [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}
		binary.BigEndian.PutUint32(b[4:], n)
		return netip.AddrPortFrom(netip.AddrFrom16(b), 5683)
	}
}

// TestForgerAlone: at one address, with a forgery a second, the pauses grow to an hour.
// The answers are those of a failed decryption.
func TestForgerAlone(t *testing.T) {
	s := lay(t, 0, oscorecoap.ThrottleConfig{}).regular()
	s.request(addrA)
	want := []time.Duration{0, 1, 2, 3, 33, 93, 213, 453, 933, 1893, 3813, 7413, 11013}
	var got []time.Duration
	var first *coap.Response
	for i := range time.Duration(4 * 3600) {
		w := newWriter("t")
		before := s.failures()
		serveOne(t.Context(), s.h, s.forged, addrB, w)
		if s.failures() > before {
			got = append(got, i)
		}
		answer := w.only(t)
		if first == nil {
			first = answer
			if first.Code != coap.BadRequest {
				t.Errorf("answer: got %v, want 4.00", first.Code)
			}
		}
		if !same(answer, first) {
			t.Fatalf("answer %d: got %v %q, want %v %q", i, answer.Code, answer.Payload, first.Code, first.Payload)
		}
		s.pass(time.Second)
	}
	if !slices.Equal(got, want) {
		t.Errorf("decrypted after %d seconds, want %d", got, want)
	}
	if s.throttled != 4*3600-len(want) || !errors.Is(s.refused, oscore.ErrThrottled) {
		t.Errorf("throttled %d with %v, want %d with %v", s.throttled, s.refused, 4*3600-len(want), oscore.ErrThrottled)
	}
	// He is forgotten when he has been silent for an hour longer.
	s.pass(2 * time.Hour)
	for i := range 5 {
		if got, want := s.forge(addrB), i < 4; got != want {
			t.Errorf("forgery %d later: decrypted %v, want %v", i, got, want)
		}
	}
}

// TestForgerBesideClient: a forger at another address, in the same /64 or behind the
// same NAT does not touch the peer.
func TestForgerBesideClient(t *testing.T) {
	for _, c := range []struct {
		name         string
		peer, forger string
		want         int // failures in an hour
	}{
		{"other IPv4", "192.0.2.1:5683", "192.0.2.2:5683", 10},
		{"other IPv6", "[2001:db8::1]:5683", "[2001:db8:0:1::1]:5683", 10},
		{"same /64", "[2001:db8::1]:5683", "[2001:db8::2]:5683", 16 + 59},
		{"same NAT", "192.0.2.1:5683", "192.0.2.1:5684", 16 + 59},
		{"same NAT, mapped", "[::ffff:192.0.2.1]:5683", "192.0.2.1:5684", 16 + 59},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := lay(t, 0, oscorecoap.ThrottleConfig{}).regular()
			peer, forger := netip.MustParseAddrPort(c.peer), netip.MustParseAddrPort(c.forger)
			for i := range 3600 {
				if i%10 == 0 && !s.request(peer) {
					t.Fatalf("request after %d seconds: not verified", i)
				}
				for range 10 {
					s.forge(forger)
				}
				s.pass(time.Second)
			}
			if got := s.failures(); got < c.want-1 || got > c.want+1 {
				t.Errorf("%d failures, want %d", got, c.want)
			}
		})
	}
}

// TestForgerWithPeersAddress: beside a forger with the peer's own address and port the
// peer gets through now and then, and always when he has gone.
func TestForgerWithPeersAddress(t *testing.T) {
	for _, c := range []struct {
		name       string
		forgery    time.Duration // one in
		least      int           // requests of 1000 that are verified
		mostInARow int           // that are not
	}{
		{"a second", time.Second, 20, 200},
		{"ten seconds", 10 * time.Second, 350, 12},
		{"a tenth of a second", 100 * time.Millisecond, 1, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := lay(t, 1<<20, oscorecoap.ThrottleConfig{})
			if !s.request(addrA) {
				t.Fatal("the first request is not verified")
			}
			for range 1024 { // a forger does not get the peer refused before that
				if !s.forge(addrA) || !s.request(addrA) {
					t.Fatal("refused within the burst")
				}
			}
			failures, began := s.failures(), s.now
			good, row, most := 0, 0, 0
			next := s.now
			for i := range 1000 {
				at := began.Add(time.Duration(i) * 7300 * time.Millisecond)
				for ; next.Before(at); next = next.Add(c.forgery) {
					s.now = next
					s.forge(addrA)
				}
				s.now = at
				if s.request(addrA) {
					good++
					row = 0
				} else {
					row++
				}
				most = max(most, row)
			}
			t.Logf("%d of 1000 verified, at most %d in a row not", good, most)
			if good < c.least || most > c.mostInARow {
				t.Errorf("%d of 1000 verified, at most %d in a row not; want %d or more, %d or fewer", good, most, c.least, c.mostInARow)
			}
			if got, want := s.failures()-failures, 730+73; got > want {
				t.Errorf("%d failures in two hours, want %d or fewer", got, want)
			}
			s.pass(20 * time.Second)
			for i := range 100 {
				if !s.request(addrA) {
					t.Fatalf("request %d after the forger has gone: not verified", i)
				}
			}
		})
	}
}

// TestFirstRequest: before the first request has verified, who forges from the address of
// the peer has it refused no sooner than who does later.
func TestFirstRequest(t *testing.T) {
	s := lay(t, 0, oscorecoap.ThrottleConfig{}).regular()
	from := anywhere()
	for range 500 {
		s.forge(addrA)
		s.forge(from())
	}
	if got := s.failures(); got != 1000 {
		t.Errorf("%d failures, want 1000", got)
	}
	if !s.request(addrA) || s.failures() != 1000 {
		t.Error("the first request is not verified")
	}
	for range 100 {
		s.forge(from())
	}
	if got := s.failures(); got != 1032 {
		t.Errorf("%d failures, want 1032: the others are strangers now", got)
	}
}

// TestRandomSources: forgeries from addresses of which each comes once are bounded
// together. The peer is not touched, and if it moves to another network within its
// old budget, neither.
func TestRandomSources(t *testing.T) {
	s := lay(t, 0, oscorecoap.ThrottleConfig{}).regular()
	from := anywhere()
	s.request(addrA)
	for i := range 24 * 3600 {
		if i%60 == 0 && !s.request(addrA) {
			t.Fatalf("request after %d seconds: not verified", i)
		}
		s.forge(from())
		s.forge(from())
		s.pass(time.Second)
	}
	if got, want := s.failures(), 32+24*60; got < want-2 || got > want {
		t.Errorf("%d failures in a day, want %d", got, want)
	}
	if s.request(addrB) {
		t.Error("a peer from elsewhere does not compete with strangers")
	}
	s.pass(61 * time.Second)
	for range 2 {
		if !s.request(addrB) {
			t.Error("a peer from elsewhere: not verified when strangers have a try")
		}
	}
	if s.forge(from()); !s.request(addrA) || !s.request(addrB) {
		t.Error("one of the peer's two addresses is refused")
	}
}

// TestPeerMoves: what is of the peer is the port too, from the first request that
// verifies from there. When all debts are paid nothing is left of them.
func TestPeerMoves(t *testing.T) {
	s := lay(t, 0, oscorecoap.ThrottleConfig{}).regular()
	moved, neighbour := netip.AddrPortFrom(addrA.Addr(), 1), netip.AddrPortFrom(addrA.Addr(), 2)
	s.request(addrA)
	s.request(moved)
	for range 100 {
		s.forge(neighbour)
	}
	if got := s.failures(); got != 16 {
		t.Errorf("%d failures, want 16", got)
	}
	if !s.request(moved) {
		t.Error("a request from the new port: not verified")
	}
	for ; !s.request(neighbour); s.pass(time.Second) {
		if oscorecoap.Calm(s.p.server) {
			t.Fatal("all is calm and a request is not verified")
		}
	}
	if got, want := s.now.Sub(s.began), time.Minute; got > want {
		t.Errorf("a neighbour that is the peer waits %v, want %v or less", got, want)
	}
	s.pass(16 * time.Minute)
	if s.request(addrB); !oscorecoap.Calm(s.p.server) {
		t.Error("debts are left")
	}
}

// TestTimeToWear: the times of the doc comment.
func TestTimeToWear(t *testing.T) {
	const limit = 1 << 14
	neighbour := netip.AddrPortFrom(addrA.Addr(), 1)
	wear := func(t *testing.T, step time.Duration, forge func(s *siege)) time.Duration {
		t.Helper()
		s := lay(t, 0, oscorecoap.ThrottleConfig{})
		s.request(addrA)
		half := false
		for s.failures() < limit {
			forge(s)
			if got := s.worn; !half && s.failures() >= limit/2 {
				if half = true; got != 1 {
					t.Errorf("at half of the limit: Worn was called %d times", got)
				}
			}
			s.pass(step)
		}
		if s.worn != 1 {
			t.Errorf("Worn was called %d times, want 1", s.worn)
		}
		return s.now.Sub(s.began)
	}
	const day = 24 * time.Hour
	from := anywhere()
	for _, c := range []struct {
		name      string
		step      time.Duration
		forge     func(s *siege)
		low, high time.Duration
	}{
		{"own address", time.Hour, func(s *siege) {
			for n := 0; n < 8; s.pass(10 * time.Second) { // the best he can do
				if s.forge(addrB) {
					n++
				}
			}
			s.pass(12 * time.Minute)
		}, 100 * day, 115 * day},
		{"many addresses", 10 * time.Second, func(s *siege) { s.forge(from()) }, 11 * day, 13 * day},
		{"network", 10 * time.Second, func(s *siege) { s.forge(neighbour) }, 11 * day, 13 * day},
		{"spoofed", time.Second, func(s *siege) { s.forge(addrA) }, 42 * time.Hour, 48 * time.Hour},
		{"everything", time.Second, func(s *siege) {
			s.forge(addrA)
			s.forge(neighbour)
			s.forge(from())
		}, 32 * time.Hour, 36 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := wear(t, c.step, c.forge)
			t.Logf("%.1f hours", got.Hours())
			if got < c.low || got > c.high {
				t.Errorf("%v, want %v to %v", got, c.low, c.high)
			}
		})
	}
}

// TestThrottleOff: a throttle that is off refuses nothing.
func TestThrottleOff(t *testing.T) {
	s := lay(t, 0, oscorecoap.ThrottleConfig{DangerOff: true})
	for i := range 5000 {
		if !s.forge(addrB) {
			t.Fatalf("forgery %d: refused", i)
		}
	}
	if s.throttled != 0 {
		t.Errorf("throttled %d, want 0", s.throttled)
	}
}

// TestStrangersAreBounded: the table of strangers has its size, however many come, and
// of how many associations.
func TestStrangersAreBounded(t *testing.T) {
	s := lay(t, 0, oscorecoap.ThrottleConfig{Sources: 100, Strangers: oscorecoap.Budget{Burst: 1 << 14}})
	if places, _ := s.h.Strangers(); places != 0 {
		t.Errorf("%d places before the first failure", places)
	}
	s.request(addrA)
	from := anywhere()
	for range 10_000 {
		s.forge(from())
	}
	if places, taken := s.h.Strangers(); places != 104 || taken != 104 {
		t.Errorf("%d of %d places taken, want 104 of 104", taken, places)
	}
	// Who was pushed out is forgotten, and the budget of all strangers remains.
	s = lay(t, 0, oscorecoap.ThrottleConfig{Sources: 8}).regular()
	s.request(addrA)
	for range 4 {
		s.forge(addrB)
	}
	if s.forge(addrB) {
		t.Error("not refused after 4 failures")
	}
	for range 1000 {
		s.forge(from())
	}
	if got := s.failures(); got != 32 {
		t.Errorf("%d failures, want 32", got)
	}
}

// TestVerifiedStranger: a network from where the peer has come is one of strangers no
// more, and when it was left behind for two others has no debts.
func TestVerifiedStranger(t *testing.T) {
	s := lay(t, 0, oscorecoap.ThrottleConfig{}).regular()
	s.request(addrA)
	for range 3 {
		s.forge(addrB)
	}
	if !s.request(addrB) {
		t.Fatal("not verified")
	}
	for range 100 {
		if !s.forge(addrB) {
			t.Fatal("refused within the burst of the peer")
		}
	}
	s.request(addrA)
	s.request(netip.MustParseAddrPort("192.0.2.3:5683"))
	for i := range 5 {
		if got, want := s.forge(addrB), i < 4; got != want {
			t.Errorf("forgery %d: decrypted %v, want %v", i, got, want)
		}
	}
	// A new association begins anew.
	s.h.Discard(s.p.server)
	s.p.server = associate(t, oscore.Config{Params: oscore.Params{
		MasterSecret: []byte("fedcba9876543210"), SenderID: []byte{2}, RecipientID: []byte{1},
	}})
	if err := s.p.contexts.Add(s.p.server); err != nil {
		t.Fatal(err)
	}
	if !s.forge(addrB) {
		t.Error("refused for what was done to another association")
	}
}

// TestThrottleAllocates: beside forgeries too, a request of the peer costs no
// allocation; and a forgery that is refused has no more than its answer.
func TestThrottleAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has pools forget")
	}
	const runs = 1000
	s := lay(t, 0, oscorecoap.ThrottleConfig{})
	requests := s.p.protectMany(t, coap.NewRequest(coap.GET, "/"), 4*runs)
	i := 0
	h := s.p.handler(t, coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		_ = w.Respond(r.NewResponse(coap.Content))
	}), nil, oscorecoap.Config{Now: func() time.Time { return s.now }})
	w := new(discard)
	request := func() {
		h.ServeCOAP(w, requests[i])
		i++
	}
	for range runs {
		request()
	}
	if n := testing.AllocsPerRun(runs, request); n != 0 {
		t.Errorf("before: got %v allocations, want 0", n)
	}
	s.forged.RemoteAddr = addrB
	for range 10 {
		h.ServeCOAP(w, s.forged)
	}
	if n := testing.AllocsPerRun(runs, request); n != 0 {
		t.Errorf("beside a forger: got %v allocations, want 0", n)
	}
	if got := s.p.server.Current().Usage().Failures; got != 4 {
		t.Errorf("%d failures, want 4", got)
	}
}
