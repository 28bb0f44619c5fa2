package coap_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

// A coarseClock has timers that fire at whole seconds, so that what has nothing
// to do with each other happens at the same moment.
type coarseClock struct{}

type coarseTimer struct{ *time.Timer }

func coarse(d time.Duration) time.Duration {
	at := time.Now().Add(d)
	if whole := at.Truncate(time.Second); whole.Before(at) {
		at = whole.Add(time.Second)
	}
	return time.Until(at)
}

func (coarseClock) Now() time.Time                      { return time.Now() }
func (coarseClock) NewTimer(d time.Duration) coap.Timer { return coarseTimer{time.NewTimer(coarse(d))} }
func (t coarseTimer) C() <-chan time.Time               { return t.Timer.C }
func (t coarseTimer) Reset(d time.Duration) bool        { return t.Timer.Reset(coarse(d)) }

// openers are the transports of a client with its server, over which nothing is
// lost.
var openers = map[string]func(t *testing.T, h coap.Handler, nstart int) (s session, stats func() []coap.Stats){
	"UDP": func(t *testing.T, h coap.Handler, nstart int) (session, func() []coap.Stats) {
		n := new(coaptest.Network)
		server := endpoint(t, n, serverAddr, coap.Config{Handler: h, Clock: coarseClock{}, NStart: nstart, DangerUnlimited: true})
		e := endpoint(t, n, clientAddr, coap.Config{Clock: coarseClock{}, NStart: nstart})
		c := e.Client(serverAddr)
		return session{c, c, e.Done(), func() {}}, func() []coap.Stats { return []coap.Stats{server.Stats(), e.Stats()} }
	},
	"DTLS": func(t *testing.T, h coap.Handler, nstart int) (session, func() []coap.Stats) {
		l := coaptest.NewListener()
		server, err := coap.ListenSessions(l, anybody, coap.Config{Handler: h, Clock: coarseClock{}, NStart: nstart})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := l.Dial(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		c, err := coap.DialSession(conn, nil, coap.Config{Clock: coarseClock{}, NStart: nstart})
		if err != nil {
			t.Fatal(err)
		}
		return session{c, c, c.Endpoint.Done(), func() { _, _ = c.Close(), server.Close() }},
			func() []coap.Stats { return []coap.Stats{server.Stats(), c.Endpoint.Stats()} }
	},
	"TCP": func(t *testing.T, h coap.Handler, _ int) (session, func() []coap.Stats) {
		return sessions["TCP"](t, h), func() []coap.Stats { return nil }
	},
	"WebSocket": func(t *testing.T, h coap.Handler, _ int) (session, func() []coap.Stats) {
		return sessions["WebSocket"](t, h), func() []coap.Stats { return nil }
	},
}

// A state is a resource with observers. It answers at once, after a moment that
// is none, or after some seconds.
type state struct {
	random func(n int) int

	mu        sync.Mutex // guards what follows
	text      string
	observers []observer
}

type observer struct {
	w   coap.ResponseWriter
	ctx context.Context
}

func (s *state) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	observe, ok := r.Options.Uint(coap.Observe)
	registration := ok && observe == 0
	ctx := r.Context()
	answer := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		resp := &coap.Response{Code: coap.Content, Payload: []byte(s.text)}
		resp.Options.AddUint(coap.MaxAge, uint32(s.random(4)))
		if registration {
			resp.Options.AddUint(coap.Observe, 0)
			s.observers = append(s.observers, observer{w, ctx})
		}
		_ = w.Respond(resp)
	}
	switch wait := s.random(6); wait {
	case 0, 1, 2:
		answer()
	case 3:
		go answer()
	default:
		time.AfterFunc(time.Duration(wait-3)*time.Second, answer)
	}
}

// set changes the state, and tells the observers.
func (s *state) set(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = text
	kept := s.observers[:0]
	for _, o := range s.observers {
		if o.ctx.Err() == nil && o.w.Respond(notification(text)) == nil {
			kept = append(kept, o)
		}
	}
	s.observers = kept
}

// TestCoincidence: registrations, those anew, notifications, cancellations and
// other requests of one session, at the same moments. Every request is answered,
// no observation ends by itself, each has the last state in the end, and
// nothing is sent twice.
func TestCoincidence(t *testing.T) {
	for name, open := range openers {
		for seed := range uint64(6) {
			t.Run(fmt.Sprint(name, ", ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { coincide(t, open, seed) })
			})
		}
	}
}

func coincide(t *testing.T, open func(*testing.T, coap.Handler, int) (session, func() []coap.Stats), seed uint64) {
	const subjects = 3
	source := rand.New(rand.NewPCG(seed, 1))
	var lock sync.Mutex
	random := func(n int) int {
		lock.Lock()
		defer lock.Unlock()
		return source.IntN(n)
	}
	var mux coap.Mux
	var states [subjects]state
	for i := range states {
		states[i].random = random
		mux.Handle(fmt.Sprint("GET /state/", i), &states[i])
	}
	pool := coap.NewPool(coap.PoolConfig{PerPeer: 64})
	defer pool.Close()
	mux.HandleFunc("POST /now", echo)
	mux.Handle("POST /soon", pool.Handler(coap.HandlerFunc(echo)))
	mux.Handle("POST /late", pool.Handler(coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		time.Sleep(time.Duration(random(3)) * time.Second)
		echo(w, r)
	})))
	s, stats := open(t, &mux, 1+random(3))
	defer s.close()
	var wait sync.WaitGroup
	var last [subjects]atomic.Value
	observe := func(i int) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		wait.Go(func() {
			err := s.Observe(ctx, coap.NewRequest(coap.GET, fmt.Sprint("/state/", i)), func(r *coap.Response) {
				if !r.Code.IsSuccess() || !r.Options.Has(coap.Observe) {
					t.Errorf("notification: got %v", r)
				}
				last[i].Store(string(r.Payload))
			})
			if ctx.Err() == nil {
				t.Errorf("observation of %d ended: %v", i, err)
			}
		})
		return cancel
	}
	ask := func(text string) {
		path := []string{"/now", "/soon", "/late"}[random(3)]
		wait.Go(func() {
			r := coap.NewRequest(coap.POST, path)
			r.Payload = []byte(text)
			resp, err := s.Do(context.Background(), r)
			if err != nil || resp.Code != coap.Content || string(resp.Payload) != text {
				t.Errorf("%s: got %v, %v", path, resp, err)
			}
		})
	}
	var stops [subjects]func()
	for i := range stops {
		stops[i] = observe(i)
	}
	for second := range 400 {
		time.Sleep(time.Second)
		for i := range stops {
			if random(5) == 0 {
				wait.Go(func() { states[i].set(fmt.Sprint(second)) })
			}
			if random(20) == 0 {
				stops[i]()
				stops[i] = observe(i)
			}
			if random(4) == 0 {
				ask(fmt.Sprint(i, "-", second))
			}
		}
	}
	time.Sleep(time.Minute)
	for i := range states {
		states[i].set("end")
	}
	time.Sleep(time.Minute)
	for i := range last {
		if got := last[i].Load(); got != "end" {
			t.Errorf("observer of %d: got %v, want the last state", i, got)
		}
		stops[i]()
	}
	wait.Wait()
	time.Sleep(time.Minute) // for the cancellations
	for i := range states {
		states[i].set("for whom the server still takes for an observer")
	}
	time.Sleep(time.Minute)
	for _, st := range stats() {
		if st.Retransmissions+st.Duplicates+st.Timeouts+st.Panics != 0 || st.Outstanding+st.Pending+st.Observations != 0 {
			t.Errorf("got %+v", st)
		}
	}
}
