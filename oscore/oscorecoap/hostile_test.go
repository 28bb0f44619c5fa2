package oscorecoap_test

import (
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/internal/cose"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// once returns a maker of AEADs that fails the test if one key and nonce seal
// twice, be it the same plaintext: an answer that is protected again is no
// retransmission.
func once(t testing.TB) func(cose.Algorithm, []byte) (cipher.AEAD, error) {
	o := &sealedOnce{t: t, seen: make(map[[sha256.Size]byte]bool)}
	return func(a cose.Algorithm, key []byte) (cipher.AEAD, error) {
		inner, err := a.NewAEAD(key)
		if err != nil {
			return nil, err
		}
		return &onceAEAD{inner, sha256.Sum256(key), o}, nil
	}
}

type sealedOnce struct {
	t    testing.TB
	mu   sync.Mutex
	seen map[[sha256.Size]byte]bool
}

type onceAEAD struct {
	cipher.AEAD
	key    [sha256.Size]byte
	oracle *sealedOnce
}

func (a *onceAEAD) Seal(dst, nonce, plaintext, aad []byte) []byte {
	use := sha256.Sum256(append(a.key[:len(a.key):len(a.key)], nonce...))
	a.oracle.mu.Lock()
	if a.oracle.seen[use] {
		a.oracle.t.Errorf("the nonce %x is used twice", nonce)
	}
	a.oracle.seen[use] = true
	a.oracle.mu.Unlock()
	return a.AEAD.Seal(dst, nonce, plaintext, aad)
}

// What a handler of TestReuse does with its request.
const (
	answersAtOnce = iota
	answersTwice
	answersLater
	answersAsItReturns // from another goroutine
	answersBeforeItReturns
	answersByPool
	answersAndPanics
	panics
	observes
	isSilent // the client wants no response
	doings
	neverAnswers // now and then only, as it is waited for
)

// A slot is the transport's ResponseWriter for one request. It can be used for
// another one when it was answered, and is not to be touched then.
type slot struct {
	t        *testing.T
	token    []byte
	exchange *oscore.ClientExchange
	want     string
	observed bool

	mu       sync.Mutex
	finished bool
	got      []*coap.Response
}

func (s *slot) Token() []byte { return s.token }

func (s *slot) Respond(r *coap.Response) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished && !s.observed {
		s.t.Errorf("%s: a response to a request that has one", s.want)
	}
	s.finished = true
	s.got = append(s.got, r.Clone())
	return nil
}

func (s *slot) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished {
		s.t.Errorf("%s: dropped, and has a response", s.want)
	}
	s.finished = true
}

func (s *slot) End() {}

// verify wants what came for a request and its repetitions to be its answers: one,
// and for an observation a notification after it. It returns how many slots got one.
func verify(t *testing.T, slots []*slot) (answered int) {
	var known []*coap.Response
	for _, s := range slots {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, r := range s.got {
			if !r.Options.Has(coap.OSCORE) {
				if r.Code != coap.Unauthorized || string(r.Payload) != "Replay detected" {
					t.Errorf("%s: got %v %q in clear", s.want, r.Code, r.Payload)
				}
				continue
			}
			if i == 0 {
				answered++
			}
			if slices.ContainsFunc(known, func(k *coap.Response) bool { return same(k, r) }) {
				continue
			}
			known = append(known, r)
			p, err := oscore.ParseProtected(message(r.Code, r.Options, r.Payload))
			if err != nil {
				t.Errorf("%s: %v", s.want, err)
				continue
			}
			m, err := s.exchange.VerifyResponse(p)
			if err != nil {
				t.Errorf("%s: %v", s.want, err)
			} else if string(m.Payload) != s.want {
				t.Errorf("got %q, want %q", m.Payload, s.want)
			}
		}
	}
	return answered
}

// A hoarder is a handler, and the hooks, that keep whatever may be kept.
type hoarder struct {
	t        *testing.T
	pool     coap.Handler
	work     sync.WaitGroup
	executed sync.Map // what was executed

	mu   sync.Mutex
	kept []keepsake
}

type keepsake struct {
	what    string
	clone   *coap.Request
	ctx     context.Context
	subject string
}

func (h *hoarder) keep(r *coap.Request) string {
	k := keepsake{what: string(r.Payload), clone: r.Clone(), ctx: r.Context(), subject: r.Identity.Subject()}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept = append(h.kept, k)
	return k.what
}

func (h *hoarder) authorize(_ *oscore.Association, r *coap.Request) (any, error) {
	return h.keep(r), nil
}

func (h *hoarder) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	what := h.keep(r)
	if _, before := h.executed.LoadOrStore(what, true); before {
		h.t.Errorf("%s was executed twice", what)
	}
	answer := func() error { return w.Respond(&coap.Response{Code: coap.Content, Payload: []byte(what)}) }
	check := func() {
		if err := answer(); err != nil {
			h.t.Errorf("%s: %v", what, err)
		}
	}
	switch doing(what) {
	case answersTwice:
		check()
		if answer() == nil {
			h.t.Errorf("%s: a second answer was taken", what)
		}
	case answersLater:
		returned := make(chan struct{})
		defer close(returned)
		h.work.Go(func() { <-returned; check() })
	case answersAsItReturns:
		h.work.Go(check)
	case answersBeforeItReturns:
		var taken atomic.Int32
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if answer() == nil {
					taken.Add(1)
				}
			})
		}
		both.Wait()
		if taken.Load() != 1 {
			h.t.Errorf("%s: %d answers were taken", what, taken.Load())
		}
	case answersByPool:
		h.pool.ServeCOAP(w, r)
	case answersAndPanics:
		check()
		panic(what)
	case panics:
		panic(what)
	case observes:
		n := &coap.Response{Code: coap.Content, Payload: []byte(what)}
		n.Options.AddUint(coap.Observe, 0)
		_ = w.Respond(n)
		h.work.Go(func() {
			_ = w.Respond(n) // unless the observation was replaced
		})
	case neverAnswers:
	default:
		resp := r.NewResponse(coap.Content)
		resp.Options.AddUint(coap.MaxAge, uint32(len(what)))
		resp.Payload = r.Payload
		_ = w.Respond(resp)
	}
}

func doing(what string) int {
	var client, number, do int
	_, _ = fmt.Sscanf(what, "client %d, request %d does %d", &client, &number, &do)
	return do
}

// TestReuse: however handlers answer, and while many requests of many clients and
// their repetitions use the same memory, each client gets its own answers, each
// request is executed once, no nonce seals twice, and nothing that a handler or a
// hook may keep changes.
func TestReuse(t *testing.T) {
	const clients = 4
	requests := 2000
	if raceEnabled {
		requests = 500
	}
	oracle := once(t)
	var contexts oscore.Contexts
	pool := coap.NewPool(coap.PoolConfig{Workers: 8, Queue: 1 << 20, PerPeer: 1 << 20})
	h := &hoarder{t: t, pool: pool.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: r.Payload})
	}))}
	s := oscorecoap.Handler(&contexts, h, nil, oscorecoap.Config{
		Authorize: h.authorize,
		Observer:  oscorecoap.Observer{Verified: func(_ *oscore.Association, r *coap.Request) { h.keep(r) }},
		Answers:   oscorecoap.AnswersConfig{AssociationBytes: 8 << 10},
	})
	var slots [clients][][]*slot
	var work sync.WaitGroup
	for i := range clients {
		params := oscore.Params{MasterSecret: []byte{byte(i), 15: 1}, SenderID: []byte{byte(i)}, RecipientID: []byte{0xff}}
		swapped := params
		swapped.SenderID, swapped.RecipientID = params.RecipientID, params.SenderID
		subject := fmt.Sprint("client ", i)
		if err := contexts.Add(associate(t, oscore.Config{Params: swapped, Subject: subject, DangerNewAEAD: oracle})); err != nil {
			t.Fatal(err)
		}
		p := &pair{client: associate(t, oscore.Config{Params: params, DangerNewAEAD: oracle})}
		work.Go(func() {
			for j := range requests {
				do := j % doings
				if j%500 == 499 {
					do = neverAnswers
				}
				slots[i] = append(slots[i], exchangeTwice(t, s, p, fmt.Sprintf("%s, request %d does %d", subject, j, do)))
			}
		})
	}
	work.Wait()
	h.work.Wait()
	pool.Close()
	for i := range slots {
		for _, x := range slots[i] {
			want := 1 // and more, if the repetitions come before others have taken the place
			if do := doing(x[0].want); do == panics || do == neverAnswers || do == isSilent {
				want = 0
			}
			if n := verify(t, x); n < want || want == 0 && n > 0 {
				t.Errorf("%s: %d answers, want %d", x[0].want, n, want)
			}
		}
	}
	for _, k := range h.kept {
		if string(k.clone.Payload) != k.what || k.clone.Identity.Subject() != k.subject || k.what[:len(k.subject)] != k.subject {
			t.Fatalf("the copy of %q is now %q of %s", k.what, k.clone.Payload, k.clone.Identity.Subject())
		}
		if got := oscorecoap.Grant(k.ctx); got != k.what {
			t.Fatalf("the grant of %q is now %v", k.what, got)
		}
	}
}

// exchangeTwice has two readers get a request at the same time, and then its
// repetition.
func exchangeTwice(t *testing.T, h coap.Handler, p *pair, what string) []*slot {
	in := coap.NewRequest(coap.POST, "/a/b")
	switch doing(what) {
	case observes:
		in = observeRequest(0)
		in.Code = coap.FETCH
	case isSilent:
		in.Options.AddUint(coap.NoResponse, 2)
	}
	in.Payload = []byte(what)
	r, exchange := p.protect(t, in)
	var slots []*slot
	serve := func(x *slot, port int) {
		defer func() {
			if v := recover(); v != nil && v != what {
				t.Errorf("%s: panic %v", what, v)
			}
		}()
		from := addrA
		if port > 0 {
			from = addrB
		}
		serveOne(t.Context(), h, r, from, x)
	}
	var both sync.WaitGroup
	for port := range 3 {
		// The token of a registration replaces the one before.
		x := &slot{t: t, token: []byte("t"), exchange: exchange, want: what, observed: doing(what) == observes}
		slots = append(slots, x)
		if port == 2 {
			both.Wait()
			serve(x, port)
			break
		}
		both.Go(func() { serve(x, port) })
	}
	return slots
}
