package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// How long no handshake is begun after one. That a context is lost is said in clear,
// and anybody can say it: a context that has carried no response yet is not given
// up so soon. A server that does not answer is not tried for each token.
const (
	pauseAfterSuccess = 5 * time.Second
	pauseAfterFailure = 2 * time.Second // doubles
	longestPause      = 30 * time.Second
)

// An asChannel is the way of the agent to its authorization server: an OSCORE
// context that EDHOC makes, with the agent as initiator, when it is first needed,
// and anew when the server has lost it or it can protect no more. It is a
// coap.Doer, for requests that may be sent twice, and safe for concurrent use.
type asChannel struct {
	uri       string // of the server
	initiator *edhoc.Initiator
	servers   []*edhoc.Credential // that are trusted
	ids       *idalloc.Allocator
	doer      coap.Doer
	now       func() time.Time
	log       *slog.Logger

	making chan struct{} // full while somebody runs a handshake

	mu       sync.Mutex // guards what follows
	current  *asContext // nil: none yet
	failures int        // in a row
	rest     time.Time  // until when no handshake is begun
	closed   bool
}

// An asContext is a context with the server.
type asContext struct {
	association *oscore.Association
	id          *idalloc.Live
	client      *oscorecoap.Client
	used        atomic.Bool // a response has verified
}

func (x *asContext) do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	response, err := x.client.Do(ctx, r)
	if err == nil {
		x.used.Store(true)
	}
	return response, err
}

// newASChannel makes the channel to the server at uri, which d reaches. It sends
// nothing yet.
func newASChannel(key *credentials.EDHOC, uri string, d coap.Doer, ids *idalloc.Allocator, log *slog.Logger) (*asChannel, error) {
	cfg, err := key.Initiator()
	if err != nil {
		return nil, err
	}
	c := &asChannel{uri: uri, ids: ids, doer: d, now: time.Now, log: log, making: make(chan struct{}, 1)}
	if c.initiator, err = edhoc.NewInitiator(cfg); err != nil {
		return nil, err
	}
	c.servers, err = key.PeerCredentials()
	return c, err
}

// Do sends a request inside OSCORE, and again with another context if the server
// has lost this one.
func (c *asChannel) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	x, err := c.context(ctx, nil)
	if err != nil {
		return nil, err
	}
	response, err := x.do(ctx, r)
	if !lost(err) {
		return response, err
	}
	c.log.Info("authorization server refuses the security context", "error", err)
	if x, err = c.context(ctx, x); err != nil {
		return nil, err
	}
	return x.do(ctx, r)
}

// lost says whether a new context may help.
func lost(err error) bool {
	var clear *oscorecoap.UnprotectedError
	return errors.As(err, &clear) || errors.Is(err, oscore.ErrDiscarded) ||
		errors.Is(err, oscore.ErrSequence) || errors.Is(err, oscore.ErrKeyLimit)
}

// context gives the context in use, unless that is the old one, or makes one.
func (c *asChannel) context(ctx context.Context, old *asContext) (*asContext, error) {
	if x, err := c.known(old); x != nil || err != nil {
		return x, err
	}
	select {
	case c.making <- struct{}{}:
		defer func() { <-c.making }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if x, err := c.known(old); x != nil || err != nil {
		return x, err
	}
	x, err := c.handshake(ctx)
	c.note(err)
	if err != nil {
		c.log.Warn("no channel to the authorization server", "uri", c.uri, "error", err)
		return nil, fmt.Errorf("channel to the authorization server: %w", err)
	}
	return x, c.use(x)
}

// errResting refuses a handshake so soon after another.
var errResting = errors.New("channel to the authorization server: not tried again so soon")

// known gives the context in use, unless it is the old one; nil if a handshake has
// to be run.
func (c *asChannel) known(old *asContext) (*asContext, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, context.Canceled
	case c.current != nil && c.current != old:
		return c.current, nil
	case c.now().Before(c.rest) && (c.failures > 0 || old == nil || !old.used.Load()):
		return nil, errResting
	}
	return nil, nil
}

// note says when the next handshake may begin.
func (c *asChannel) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pause := pauseAfterSuccess
	if err != nil {
		pause = min(longestPause, pauseAfterFailure<<min(c.failures, 10))
		c.failures++
	} else {
		c.failures = 0
	}
	c.rest = c.now().Add(pause)
}

// use takes x into use in the place of another.
func (c *asChannel) use(x *asContext) error {
	c.mu.Lock()
	old, closed := c.current, c.closed
	if !closed {
		c.current = x
	} else {
		old = x
	}
	c.mu.Unlock()
	c.end(old)
	if closed {
		return context.Canceled
	}
	return nil
}

func (c *asChannel) end(x *asContext) {
	if x == nil {
		return
	}
	x.association.Discard()
	if err := x.id.Release(); err != nil {
		c.log.Warn("identifier not released", "error", err)
	}
}

// handshake runs EDHOC. With message_4 the server has proved that it has the keys.
func (c *asChannel) handshake(ctx context.Context) (*asContext, error) {
	remote, err := acecoap.Resolve(ctx, c.uri)
	if err != nil {
		return nil, err
	}
	client := edhoccoap.Client{
		Doer: c.doer, Initiator: c.initiator, Find: c.find, IDs: c.ids, RemoteAddr: remote, Message4: true,
	}
	session, id, err := client.Establish(ctx)
	if err != nil {
		return nil, err
	}
	association, err := associate(session)
	if err != nil {
		return nil, errors.Join(err, id.Release())
	}
	c.log.Info("channel to the authorization server", "peer", remote, "suite", session.Suite.String())
	return &asContext{
		association: association, id: id,
		client: oscorecoap.NewClient(c.doer, association, oscorecoap.ClientConfig{RemoteAddr: remote}),
	}, nil
}

func associate(s *edhoc.Session) (*oscore.Association, error) {
	defer s.Erase()
	params, err := oscorekeys.Params(s, oscorekeys.Lengths{})
	if err != nil {
		return nil, err
	}
	defer params.MasterSecret.Erase()
	return oscore.NewAssociation(oscore.Config{Params: params, Subject: s.Peer.Subject()})
}

// find gives the credentials of the server that id may mean (edhoccoap.Client).
func (c *asChannel) find(_ context.Context, id edhoc.IDCred, _ []edhoc.EADItem) ([]*edhoc.Credential, error) {
	var found []*edhoc.Credential
	for _, x := range c.servers {
		if x.Matches(id) && x.ValidAt(c.now()) == nil {
			found = append(found, x)
		}
	}
	return found, nil
}

// close ends the context; the channel makes no other.
func (c *asChannel) close() {
	c.mu.Lock()
	x := c.current
	c.current, c.closed = nil, true
	c.mu.Unlock()
	c.end(x)
}
