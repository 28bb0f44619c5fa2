package coap

import (
	"sync"
)

// PoolConfig says how much work a Pool takes. The zero value gives the
// defaults.
type PoolConfig struct {
	Workers int // goroutines that work at once; default 16
	Queue   int // requests that wait for one; default 256
	// PerPeer is how many requests of one peer (its identity, or else its
	// address) may be in the pool at once, waiting or not yet answered, so that
	// no peer keeps the others out; default an eighth of Workers, at least 1.
	// More wait in the queue of nobody: they are refused.
	PerPeer int
	// RetryAfter is the Max-Age of a refusal, in seconds; default 2.
	RetryAfter uint32
}

// A Pool runs handlers outside the goroutine that reads the socket. It has a
// bounded queue; a request that finds it full is answered with 5.03 Service
// Unavailable and Max-Age (RFC 7252, Section 5.9.3.4), one too many of the
// same peer with 4.29 Too Many Requests and Max-Age (RFC 8516). Goroutines
// exist only while there is work. A Pool is safe for concurrent use.
type Pool struct {
	cfg PoolConfig

	mu      sync.Mutex // guards what follows
	queue   []job
	head    int
	peers   map[any]int
	running int
	closed  bool
	idle    *sync.Cond
}

type job struct {
	h     Handler
	w     ResponseWriter
	r     *Request
	token []byte // of w, which the endpoint changes once the reader has gone on
}

// NewPool returns a pool. It holds no resource while it is idle.
func NewPool(cfg PoolConfig) *Pool {
	if cfg.Workers <= 0 {
		cfg.Workers = 16
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 256
	}
	if cfg.PerPeer <= 0 {
		cfg.PerPeer = max(1, cfg.Workers/8)
	}
	if cfg.RetryAfter == 0 {
		cfg.RetryAfter = 2
	}
	p := &Pool{cfg: cfg, peers: make(map[any]int)}
	p.idle = sync.NewCond(&p.mu)
	return p
}

// Handler returns a handler that runs next in the pool, on a copy of the
// request.
func (p *Pool) Handler(next Handler) Handler {
	return HandlerFunc(func(w ResponseWriter, r *Request) { p.submit(next, w, r) })
}

func (p *Pool) submit(next Handler, w ResponseWriter, r *Request) {
	refusal := p.enqueue(job{h: next, w: w, r: r})
	if refusal == Empty {
		return
	}
	resp := r.NewResponse(refusal)
	//spec:8516-4-1
	resp.Options.AddUint(MaxAge, p.cfg.RetryAfter)
	_ = w.Respond(resp)
}

func (p *Pool) enqueue(j job) (refusal Code) {
	key := peerKey(j.r)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed || len(p.queue)-p.head >= p.cfg.Queue:
		return ServiceUnavailable
	case p.peers[key] >= p.cfg.PerPeer:
		return TooManyRequests
	}
	j.r = j.r.Clone()
	if t, ok := j.w.(tokener); ok {
		j.token = append([]byte(nil), t.Token()...)
	}
	p.peers[key]++
	if p.running < p.cfg.Workers {
		p.running++
		go p.work(j)
		return Empty
	}
	p.queue = append(p.queue, j)
	return Empty
}

// work runs j and then what waits.
func (p *Pool) work(j job) {
	for {
		p.run(j)
		p.mu.Lock()
		if p.head == len(p.queue) {
			p.queue, p.head = nil, 0
			p.running--
			p.idle.Broadcast()
			p.mu.Unlock()
			return
		}
		j = p.queue[p.head]
		p.queue[p.head] = job{}
		p.head++
		if p.head > p.cfg.Queue { // let the front go
			p.queue = append([]job(nil), p.queue[p.head:]...)
			p.head = 0
		}
		p.mu.Unlock()
	}
}

func (p *Pool) run(j job) {
	w := &poolWriter{w: j.w, token: j.token, registers: j.r.Options.Has(Observe), leave: sync.OnceFunc(func() { p.leave(peerKey(j.r)) })}
	defer w.leave()
	defer w.recover()
	j.h.ServeCOAP(w, j.r)
}

// leave gives the place of a request to the next one of the peer.
func (p *Pool) leave(key any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.peers[key]--; p.peers[key] == 0 {
		delete(p.peers, key)
	}
}

// A poolWriter knows whether its request was answered: the endpoint may use its
// exchange for another request then, which must not get the answer to a panic.
type poolWriter struct {
	w         ResponseWriter
	token     []byte
	registers bool // the request has an Observe option
	leave     func()

	mu       sync.Mutex // guards what follows
	done     bool
	observed bool // there is an observation, whose exchange stays
}

// take reports whether a response, or with nil none, may still be given.
func (w *poolWriter) take(r *Response) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return w.observed && r != nil
	}
	w.done = true
	w.observed = r != nil && w.registers && r.Code.IsSuccess() && r.Options.Has(Observe)
	return true
}

// recover answers 5.00 for a handler that panicked before it answered, so that
// one request cannot end the process. The panic is a bug of the handler.
func (w *poolWriter) recover() {
	if v := recover(); v != nil && w.take(nil) {
		_ = w.w.Respond(&Response{Code: InternalServerError})
	}
}

// Respond answers the request. Its place is free before: the peer may ask again as soon
// as it has the answer.
func (w *poolWriter) Respond(r *Response) error {
	if !w.take(r) {
		return ErrResponded
	}
	w.leave()
	return w.w.Respond(r)
}

// Token returns the token of the request.
func (w *poolWriter) Token() []byte { return w.token }

// End ends the observation that the request has become.
func (w *poolWriter) End() {
	if e, ok := w.w.(ender); ok {
		e.End()
	}
}

// Drop leaves the request without a response.
func (w *poolWriter) Drop() {
	if !w.take(nil) {
		return
	}
	w.leave()
	drop(w.w)
}

// Close refuses new work and waits until the work taken is done.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for p.running > 0 {
		p.idle.Wait()
	}
}

// peerKey identifies who sent a request: its identity, or else its address.
func peerKey(r *Request) any {
	if r.Identity != nil {
		return r.Identity
	}
	return r.RemoteAddr
}
