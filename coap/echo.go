package coap

import (
	"container/list"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"
)

// echoLife is how long an Echo value may be returned, and how long a peer
// that returned one counts as validated after that.
const (
	echoLife  = 5 * time.Minute
	validLife = 24 * time.Hour
	echoSize  = 12
	maxValid  = 1 << 16
	maxKept   = 1 << 20
)

// echoState makes and checks Echo values (RFC 9175, Section 2.4, item 3): a
// time and a MAC of the peer's address over it. No state belongs to a peer
// until it has returned one.
type echoState struct {
	secret [32]byte
	limit  int // the longest answer to others; 0 for none

	mu        sync.Mutex // guards what follows
	validated map[netip.AddrPort]*list.Element
	order     *list.List // of validPeer, the oldest first
	kept      map[[16]byte]*list.Element
	keptOrder *list.List // of *keptAnswer, the oldest first
	keptBytes int
}

type validPeer struct {
	peer  netip.AddrPort
	until time.Duration
}

// keptAnswer is the answer of a request that is not repeatable, whose peer has to
// show its address first: the request is not executed again then.
type keptAnswer struct {
	key      [16]byte
	response *Response
	until    time.Duration
	size     int
}

func (s *echoState) init(cfg *Config) error {
	if !cfg.DangerUnlimited {
		s.limit = cfg.UnvalidatedLimit
	}
	s.validated, s.order = make(map[netip.AddrPort]*list.Element), list.New()
	s.kept, s.keptOrder = make(map[[16]byte]*list.Element), list.New()
	if _, err := io.ReadFull(cfg.Rand, s.secret[:]); err != nil {
		return fmt.Errorf("read random bytes: %w", err)
	}
	return nil
}

func (s *echoState) value(peer netip.AddrPort, at uint32) [echoSize]byte {
	mac := hmac.New(sha256.New, s.secret[:])
	var b [22]byte
	a := peer.Addr().As16()
	copy(b[:], a[:])
	binary.BigEndian.PutUint16(b[16:], peer.Port())
	binary.BigEndian.PutUint32(b[18:], at)
	mac.Write(b[:])
	var v [echoSize]byte
	binary.BigEndian.PutUint32(v[:], at)
	copy(v[4:], mac.Sum(nil))
	return v
}

// check reports whether an Echo value is one that was sent to the peer
// lately. If so the peer is validated.
//
//spec:9175-2.2.1-2
//spec:9175-2.3-4
func (s *echoState) check(peer netip.AddrPort, v []byte, now time.Duration) bool {
	if len(v) != echoSize {
		return false
	}
	at := binary.BigEndian.Uint32(v)
	age := now - time.Duration(at)*time.Second
	want := s.value(peer, at)
	if !hmac.Equal(v, want[:]) || age < 0 || age > echoLife {
		return false
	}
	s.validate(peer, now)
	return true
}

// validate remembers a peer that has shown its address.
func (s *echoState) validate(peer netip.AddrPort, now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if el := s.validated[peer]; el != nil {
		s.order.Remove(el)
	} else if len(s.validated) >= maxValid {
		old := s.order.Remove(s.order.Front()).(validPeer)
		delete(s.validated, old.peer)
	}
	s.validated[peer] = s.order.PushBack(validPeer{peer, now + validLife})
}

func (s *echoState) valid(peer netip.AddrPort, now time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	el := s.validated[peer]
	return el != nil && el.Value.(validPeer).until > now
}

// mustChallenge reports whether an answer of n bytes is too long for a peer
// whose address may be another's.
func (x *exchange) mustChallenge(resp *Response, n int) bool {
	s := &x.e.echo
	if s.limit == 0 || n <= s.limit || x.echoed || x.req.Multicast || resp.Options.Has(OSCORE) {
		return false
	}
	if resp.AddressShown {
		s.validate(x.peer, x.e.now())
	}
	if s.valid(x.peer, x.e.now()) {
		return false
	}
	if !x.repeatable() {
		if x.inline {
			x.kept = x.requestHash()
		}
		s.keep(x.kept, resp, x.e.now())
	}
	return true
}

// repeatable reports whether the request may be executed again: it is safe, and
// not the end of a body in blocks, which was used up.
func (x *exchange) repeatable() bool {
	return x.req.Code == GET || x.req.Code == FETCH && !x.req.Options.Has(Block1)
}

// challenge replaces x.out by 4.01 with an Echo option.
func (x *exchange) challenge(now time.Duration) {
	x.e.count.challenges.Add(1)
	if x.observation != nil {
		o := x.observation
		x.observation = nil
		o.end()
	}
	//spec:9175-2.4-3
	typ, id := x.envelope(now, true)
	v := x.e.echo.value(x.peer, uint32(now/time.Second))
	options := [...]Option{{Echo, v[:]}}
	x.out, _ = appendMessage(x.out[:0], typ, Unauthorized, id, x.token, options[:], nil)
}

// requestHash identifies a request for its repetition with an Echo option. It
// needs the datagram.
func (x *exchange) requestHash() [16]byte {
	h := sha256.New()
	a := x.peer.Addr().As16()
	h.Write(a[:])
	var b [7]byte
	binary.BigEndian.PutUint16(b[:], x.peer.Port())
	b[2] = byte(x.req.Code)
	h.Write(b[:3])
	for _, o := range x.req.Options {
		if o.ID == Echo {
			continue
		}
		binary.BigEndian.PutUint16(b[:], uint16(o.ID))
		binary.BigEndian.PutUint16(b[2:], uint16(len(o.Value)))
		h.Write(b[:4])
		h.Write(o.Value)
	}
	h.Write([]byte{0xff})
	h.Write(x.req.Payload)
	return [16]byte(h.Sum(nil))
}

func (s *echoState) keep(key [16]byte, resp *Response, now time.Duration) {
	k := &keptAnswer{key: key, response: resp.Clone(), until: now + echoLife, size: 256 + len(resp.Payload)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropKept(s.kept[key])
	s.kept[key] = s.keptOrder.PushBack(k)
	for s.keptBytes += k.size; s.keptBytes > maxKept; {
		s.dropKept(s.keptOrder.Front())
	}
}

func (s *echoState) dropKept(el *list.Element) {
	if el == nil {
		return
	}
	k := s.keptOrder.Remove(el).(*keptAnswer)
	delete(s.kept, k.key)
	s.keptBytes -= k.size
}

// fromKept answers a repeated request from what was kept.
func (x *exchange) fromKept() bool {
	if x.repeatable() {
		return false
	}
	s, key := &x.e.echo, x.requestHash()
	s.mu.Lock()
	el := s.kept[key]
	if el == nil || el.Value.(*keptAnswer).until < x.e.now() {
		s.mu.Unlock()
		return false
	}
	resp := el.Value.(*keptAnswer).response
	s.dropKept(el)
	s.mu.Unlock()
	x.refused = true // the handler has answered already
	_ = x.Respond(resp)
	return true
}
