package gocoap

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"

	"github.com/ostiary/ostiary/coap"
)

// An observation is an entry in the list of observers (RFC 7641, Section 4.1).
// It is safe for concurrent use.
type observation struct {
	e      *endpoint
	key    tokenKey
	path   path
	cancel context.CancelFunc // ends the context of the request

	mu        sync.Mutex // guards what follows; taken before the endpoint's
	ended     bool
	count     int       // notifications since the last confirmed one
	confirmed time.Time // when that was
	busy      bool      // a confirmable notification waits to be acknowledged
	waiting   *notice   // the newest one behind it
	mids      []messageKey
}

// A notice is a notification that is to be sent.
type notice struct {
	code    coap.Code
	options coap.Options
	payload []byte
	con     bool
	last    bool
}

const (
	// confirmEvery and confirmAfter say when a client must show that it still
	// wants notifications; RFC 7641, Section 4.5, asks for once in 24 hours.
	confirmEvery = 20
	confirmAfter = 24 * time.Hour
	// rememberedMIDs is how many notifications a Reset message may be late for.
	rememberedMIDs = 8
)

// addObservation enters o, in the place of one with the same token. It is
// false if the client has too many.
func (e *endpoint) addObservation(o *observation) bool {
	e.endObservation(o.key)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.observers[o.key.remote] >= e.cfg.Observations {
		return false
	}
	e.observations[o.key] = o
	e.observers[o.key.remote]++
	return true
}

func (e *endpoint) endObservation(key tokenKey) {
	e.mu.Lock()
	o := e.observations[key]
	e.mu.Unlock()
	if o != nil {
		o.end()
	}
}

// nextObserve returns the value of an Observe option: it grows from one
// notification to the next, of whatever resource (RFC 7641, Section 4.4).
func (e *endpoint) nextObserve() uint32 { return e.seq.Add(1) & (1<<24 - 1) }

// notify sends a notification. While a confirmable one is under way only the
// newest waits behind it (RFC 7641, Section 4.5.1).
func (o *observation) notify(resp *coap.Response) error {
	n := &notice{code: resp.Code, options: resp.Options.Clone(), payload: append([]byte(nil), resp.Payload...)}
	n.last = !resp.Code.IsSuccess() || !resp.Options.Has(coap.Observe)
	n.con = resp.Confirmable || n.last
	if n.last {
		n.options.Remove(coap.Observe)
	} else {
		n.options.SetUint(coap.Observe, o.e.nextObserve())
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.ended:
		return coap.ErrClosed
	case o.busy:
		o.waiting = n
	default:
		o.send(n)
	}
	return nil
}

func (o *observation) send(n *notice) {
	o.count++
	if n.con || o.count >= confirmEvery || time.Since(o.confirmed) >= confirmAfter {
		o.busy = true
		mid := o.nextMID()
		b, err := encode(message.Confirmable, mid, o.key.token, n.code, n.options, n.payload)
		o.e.spawn(func() {
			if err == nil {
				err = o.e.confirm(o.path, mid, b)
			}
			o.settled(n, err)
		})
		return
	}
	b, err := encode(message.NonConfirmable, o.nextMID(), o.key.token, n.code, n.options, n.payload)
	if err != nil {
		o.e.cfg.Observer.failed(o.key.remote, err)
		return
	}
	o.e.write(o.path, b)
}

// nextMID returns the Message ID of a notification, and remembers it for a
// Reset message.
func (o *observation) nextMID() uint16 {
	key := messageKey{o.key.remote, o.e.nextMID(o.key.remote)}
	o.e.mu.Lock()
	o.e.notified[key] = o
	o.mids = append(o.mids, key)
	if len(o.mids) > rememberedMIDs {
		delete(o.e.notified, o.mids[0])
		o.mids = o.mids[1:]
	}
	o.e.mu.Unlock()
	return key.mid
}

// settled goes on when a confirmable notification has been acknowledged, or
// never will be: then the client is gone (RFC 7641, Section 4.5).
func (o *observation) settled(n *notice, err error) {
	if err != nil || n.last {
		if !errors.Is(err, coap.ErrReset) && !errors.Is(err, coap.ErrClosed) {
			o.e.cfg.Observer.failed(o.key.remote, err)
		}
		o.end()
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.busy, o.count, o.confirmed = false, 0, time.Now()
	if next := o.waiting; next != nil && !o.ended {
		o.waiting = nil
		o.send(next)
	}
}

// end removes the observation and ends the context of its request.
func (o *observation) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	o.ended = true
	o.cancel()
	o.e.mu.Lock()
	defer o.e.mu.Unlock()
	if o.e.observations[o.key] == o {
		delete(o.e.observations, o.key)
	}
	if o.e.observers[o.key.remote]--; o.e.observers[o.key.remote] == 0 {
		delete(o.e.observers, o.key.remote)
	}
	for _, key := range o.mids {
		delete(o.e.notified, key)
	}
}
