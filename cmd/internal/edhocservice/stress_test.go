package edhocservice

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
)

// sharedList is a Source whose peers change while handshakes run.
type sharedList struct {
	mu sync.Mutex
	list
}

func (l *sharedList) Revision(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list.Revision(ctx)
}

func (l *sharedList) Peers(ctx context.Context) ([]Peer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list.Peers(ctx)
}

func (l *sharedList) change(revision string, err error, peers ...Peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(revision, peers...)
	l.err = err
}

// losing loses the answer, or the request, now and then, so that handshakes end at every
// step.
type losing struct {
	next coap.Doer
	n    int
	at   int
}

var errLost = errors.New("lost")

func (d *losing) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	d.n++
	if d.n == d.at {
		return nil, errLost
	}
	response, err := d.next.Do(ctx, r)
	if err == nil && response.Code == coap.Unauthorized {
		proof, _ := response.Options.Get(coap.Echo)
		r.Options.Set(coap.Echo, proof)
		response, err = d.next.Do(ctx, r)
	}
	if d.n+10 == d.at {
		return nil, errLost
	}
	return response, err
}

// TestNothingIsLeft: handshakes that succeed, and that fail at each step, in both flows,
// while the peer is removed, changed and trusted again, sessions are too many, and their
// applications refuse them: at the end every identifier that was taken is given back
// once, and there is no context.
func TestNothingIsLeft(t *testing.T) {
	trusted := new(sharedList)
	var begun, wrong atomic.Int64
	w := newWorld(t, func(c *Config) {
		c.Profile.Reverse = true
		c.Trusted = trusted
		c.Limits.SessionsPerPeer = 3
		discard := c.Discard
		c.Discard = func(a *oscore.Association) {
			if a.Current() == nil {
				wrong.Add(1) // discarded before
			}
			discard(a)
		}
		c.Begin = func(*Session) error {
			if begun.Add(1)%7 == 0 {
				return errors.New("no room")
			}
			return nil
		}
	})
	alice, rw := w.peer, w.peer
	rw.Rights = "rw"
	trusted.change("0", nil, alice)

	states := []func(revision string){
		func(r string) { trusted.change(r, nil, alice) },
		func(r string) { trusted.change(r, nil) },
		func(r string) { trusted.change(r, nil, alice) },
		func(r string) { trusted.change(r, nil, rw) },
		func(string) { trusted.change("", errors.New("disk"), rw) },
	}
	change := func(n int) {
		states[n%len(states)](strconv.Itoa(n))
		_ = w.Sweep(t.Context())
		if all := w.list(); n%11 == 0 && len(all) > 0 {
			w.End(all[0].Association)
		}
	}
	var all sync.WaitGroup
	var done, changes atomic.Int64
	for worker := range 4 {
		all.Go(func() {
			for i := range 250 {
				network := &losing{next: &coaptest.Direct{Handler: w.Resources()}, at: (i + worker) % 20}
				run := w.forwardOver
				if i%4 == 0 {
					run = w.reverseOver
				}
				if run(network) == nil {
					done.Add(1)
				}
				if i%2 == 0 {
					change(int(changes.Add(1)))
				}
			}
		})
	}
	all.Wait()
	trusted.change("end", nil)
	check(t, w.Sweep(t.Context()))
	w.Close()
	s := w.ids.Stats()
	if s.Confirmed != s.Released || s.Allocated != s.Confirmed+s.Aborted+s.Expired || w.contexts.Len() != 0 {
		t.Errorf("left: %d contexts, %+v", w.contexts.Len(), s)
	}
	if wrong.Load() != 0 {
		t.Errorf("%d associations were discarded twice", wrong.Load())
	}
	if done.Load() == 0 || s.Confirmed == 0 {
		t.Errorf("%d handshakes of a thousand succeeded", done.Load())
	}
	t.Logf("%d of a thousand handshakes succeeded", done.Load())
}

func (w *world) list() []*Session {
	c := w.Service.sessions
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

func (w *world) forwardOver(d coap.Doer) error {
	cfg, err := w.alice.Initiator()
	if err != nil {
		return err
	}
	initiator, err := edhoc.NewInitiator(cfg)
	if err != nil {
		return err
	}
	c := edhoccoap.Client{Doer: d, Initiator: initiator, IDs: newIDs(), Message4: true, Find: w.findServer}
	_, _, err = c.Establish(context.Background())
	return err
}

func (w *world) reverseOver(d coap.Doer) error {
	identity, err := w.alice.Identity()
	if err != nil {
		return err
	}
	responder, err := edhoc.NewResponder(edhoc.Config{Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Identities: []edhoc.Identity{identity}})
	if err != nil {
		return err
	}
	c := edhoccoap.ReverseClient{Doer: d, Responder: responder, IDs: newIDs(), Message4: true, Find: w.findServer}
	_, _, err = c.Establish(context.Background())
	return err
}

func newIDs() *idalloc.Allocator {
	ids, _ := idalloc.New(idalloc.Config{Now: time.Now}) // does not fail
	return ids
}

func (w *world) findServer(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) {
	server, err := w.alice.PeerCredential()
	return []*edhoc.Credential{server}, err
}
