package oscorecoap

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// observations are the observations of all associations, so that they end
// when their association does. It is safe for concurrent use.
type observations struct {
	limit int          // for each association
	total atomic.Int64 // to know without the mutex that there is none

	mu    sync.Mutex // guards what follows
	bySec map[*oscore.Association]map[*responder]bool
}

func newObservations(limit int) *observations {
	return &observations{limit: limit, bySec: make(map[*oscore.Association]map[*responder]bool)}
}

// add enters an observation. One of the same client, for the same thing and
// with the same Token, is replaced (RFC 7641, Section 4.1). It is false if the
// association has too many, or was discarded meanwhile.
func (o *observations) add(out *responder) bool {
	if token := out.registration.token; token != "" {
		o.end(out.sec, func(r *registration) bool { return r.token == token && r.target == out.registration.target })
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	own := o.bySec[out.sec]
	if len(own) >= o.limit || out.sec.Current() != out.registration.context {
		return false
	}
	if own == nil {
		own = make(map[*responder]bool)
		o.bySec[out.sec] = own
	}
	own[out] = true
	o.total.Add(1)
	// The transport ends the observation by its context.
	context.AfterFunc(out.registration.ctx, func() { o.remove(out) })
	return true
}

func (o *observations) remove(out *responder) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if own := o.bySec[out.sec]; own[out] {
		o.total.Add(-1)
		delete(own, out)
		if len(own) == 0 {
			delete(o.bySec, out.sec)
		}
	}
}

// of returns the observations of an association that match.
func (o *observations) of(sec *oscore.Association, match func(*registration) bool) []*responder {
	if o.total.Load() == 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var some []*responder
	for out := range o.bySec[sec] {
		if match(out.registration) {
			some = append(some, out)
		}
	}
	return some
}

// end ends the observations that match, without a last notification.
func (o *observations) end(sec *oscore.Association, match func(*registration) bool) int {
	some := o.of(sec, match)
	for _, out := range some {
		out.mu.Lock()
		out.end()
		out.mu.Unlock()
	}
	return len(some)
}

// cancel ends what a cancellation means: the observation of the same thing
// with its Token, or if there is none all of the same thing, since what counts
// are the options in the decrypted message (RFC 8613, Section 4.1.3.5).
//
//spec:8613-4.1.3.5-4
//spec:8613-4.1.3.5-6
func (o *observations) cancel(sec *oscore.Association, target, token string) {
	if o.end(sec, func(r *registration) bool { return r.target == target && r.token == token }) == 0 {
		o.end(sec, func(r *registration) bool { return r.target == target })
	}
}

// endReplaced ends the observations whose security context the association no
// longer uses: nothing can be protected with it.
func (o *observations) endReplaced(sec *oscore.Association) {
	current := sec.Current()
	o.end(sec, func(r *registration) bool { return r.context != current })
}

// targetOf is what the requests to register and to cancel have in common: the
// method, the payload, and the options that are part of the cache key, but for
// Observe and ETag (RFC 7641, Section 3.6).
func targetOf(r *coap.Request) string {
	b := append(make([]byte, 0, 64), byte(r.Code))
	for _, o := range r.Options {
		switch {
		case o.ID == coap.Observe, o.ID == coap.ETag, o.ID == coap.Block1, o.ID == coap.Block2:
		case !o.ID.Critical() && o.ID.NoCacheKey():
		default:
			b = append(b, byte(o.ID>>8), byte(o.ID), byte(len(o.Value)>>8), byte(len(o.Value)))
			b = append(b, o.Value...)
		}
	}
	return string(append(b, r.Payload...))
}

// ender is a ResponseWriter whose observation can be ended without a last
// notification.
type ender interface{ End() }

// end ends the observation, with out.mu held.
func (out *responder) end() {
	if out.ended {
		return
	}
	out.ended = true
	out.s.observations.remove(out)
	out.registration.cancel()
	if e, ok := out.writer.(ender); ok {
		e.End()
	}
}

// EndObservations ends all observations of an association. Each is told so by
// a last, protected 4.01 response, if the security context it was made with is
// still there. Call it when the peer's rights have ended; Discard does.
func (s *Server) EndObservations(sec *oscore.Association) {
	for _, out := range s.observations.of(sec, func(*registration) bool { return true }) {
		out.mu.Lock()
		if !out.ended {
			if outer, err := out.protect(&coap.Response{Code: coap.Unauthorized}); err == nil {
				_ = out.writer.Respond(outer)
			}
			out.end()
		}
		out.mu.Unlock()
	}
}

// Discard ends an association: it takes it out of the table, ends its
// observations with a protected 4.01, and discards it. No notification can
// follow.
func (s *Server) Discard(sec *oscore.Association) {
	s.contexts.Remove(sec)
	s.EndObservations(sec)
	sec.Discard()
	s.observations.end(sec, func(*registration) bool { return true })
}
