package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/cmd/internal/edhocservice"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/internal/cborseq"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// fakeAS is an authorization server that says 2.05 inside OSCORE to whom it knows by
// EDHOC. It is the coap.Doer that reaches it, and an edhocservice.Source.
type fakeAS struct {
	t       *testing.T
	trusted []edhocservice.Peer

	mu         sync.Mutex // guards what follows
	handler    coap.Handler
	contexts   *oscore.Contexts
	service    *edhocservice.Service
	away       error
	handshakes int
	claims     map[string]*ace.Claims // of tokens; nil: 2.05 to everything
	asked      int
}

func (s *fakeAS) Revision(context.Context) (string, error)           { return "", nil }
func (s *fakeAS) Peers(context.Context) ([]edhocservice.Peer, error) { return s.trusted, nil }

func newKey(t *testing.T, name string, kid ...byte) (*credentials.EDHOC, *edhoc.Credential) {
	t.Helper()
	key, err := credentials.NewEDHOC(name, kid)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := key.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return key, identity.Credential
}

// start begins a new process of the server, which knows no contexts.
func (s *fakeAS) start(own *credentials.EDHOC) {
	s.t.Helper()
	identity, err := own.Identity()
	if err != nil {
		s.t.Fatal(err)
	}
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		s.t.Fatal(err)
	}
	contexts := new(oscore.Contexts)
	var pipeline *oscorecoap.Server
	service, err := edhocservice.New(edhocservice.Config{
		Identities: []edhoc.Identity{identity}, Profile: edhocservice.RawPublicKeys, Trusted: s, IDs: ids, Contexts: contexts,
		Begin:   func(*edhocservice.Session) error { s.handshakes++; return nil },
		Discard: func(a *oscore.Association) { pipeline.Discard(a) },
		Limits:  edhocservice.Limits{Sessions: 10, SessionsPerPeer: 10, Lifetime: time.Hour},
		Log:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(service.Close)
	pipeline = oscorecoap.Handler(contexts, coap.HandlerFunc(s.answer), oscorecoap.Plain(service.Resources(), edhoccoap.Path), oscorecoap.Config{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler, s.contexts, s.service = pipeline, contexts, service
}

// answer says 2.05, or what the server knows of a token.
func (s *fakeAS) answer(w coap.ResponseWriter, r *coap.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	response := r.NewResponse(coap.Content)
	if s.claims != nil {
		s.asked++
		asked, err := ace.ParseIntrospectionRequest(r.Payload)
		if err != nil {
			s.t.Error(err)
			return
		}
		known := &ace.IntrospectionResponse{}
		if c := s.claims[string(asked.Token)]; c != nil {
			known.Active, known.Claims = true, *c
		}
		response.Code, response.Payload = coap.Created, known.Append(nil)
		response.Options.SetUint(coap.ContentFormat, uint32(ace.ContentFormat))
	}
	_ = w.Respond(response)
}

func (s *fakeAS) leave(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = err
}

// Do implements coap.Doer.
func (s *fakeAS) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	s.mu.Lock()
	h, away := s.handler, s.away
	s.mu.Unlock()
	if away != nil {
		return nil, away
	}
	return (&coaptest.Direct{Handler: h}).Do(ctx, r)
}

// channelWorld is a channel with its server, on a clock of its own.
type channelWorld struct {
	*asChannel
	as    *fakeAS
	asKey *credentials.EDHOC
	time  time.Time
}

func newChannelWorld(t *testing.T) *channelWorld {
	t.Helper()
	own, credential := newKey(t, "sensor", 3)
	asKey, asCredential := newKey(t, "as", 0)
	own.Peer = asCredential.CRED()
	w := &channelWorld{as: &fakeAS{t: t, trusted: []edhocservice.Peer{{Name: "sensor", Credential: credential}}}, asKey: asKey, time: time.Now()}
	w.as.start(asKey)
	ids, err := idalloc.New(idalloc.Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.asChannel, err = newASChannel(own, "coap://192.0.2.1/introspect", w.as, ids, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w.now = func() time.Time { return w.time }
	return w
}

func (w *channelWorld) ask() error {
	w.as.t.Helper()
	response, err := w.Do(w.as.t.Context(), coap.NewRequest(coap.POST, "/introspect"))
	if err == nil && response.Code != coap.Content {
		w.as.t.Errorf("got %v, want 2.05", response.Code)
	}
	return err
}

func (w *channelWorld) want(when string, err error, handshakes int) {
	w.as.t.Helper()
	if err != nil {
		w.as.t.Errorf("%s: %v", when, err)
	}
	if w.as.handshakes != handshakes {
		w.as.t.Errorf("%s: got %d handshakes, want %d", when, w.as.handshakes, handshakes)
	}
	if s := w.ids.Stats(); int(s.Confirmed-s.Released) > 1 {
		w.as.t.Errorf("%s: %d identifiers in use, want one at most", when, s.Confirmed-s.Released)
	}
}

// TestASChannel: one handshake serves until the server has lost the context, and
// then one more.
func TestASChannel(t *testing.T) {
	w := newChannelWorld(t)
	w.want("before the first request", nil, 0)
	for range 3 {
		w.want("in use", w.ask(), 1)
	}
	for n := 2; n < 5; n++ {
		w.as.start(w.asKey)
		w.want("after a restart of the server", w.ask(), n)
		w.want("and then", w.ask(), n)
	}
	w.close()
	if err := w.ask(); err == nil {
		t.Error("a closed channel carries a request")
	}
	if s := w.ids.Stats(); s.Confirmed != s.Released {
		t.Errorf("%d identifiers are left", s.Confirmed-s.Released)
	}
}

// TestASChannelLiar: anybody can send a refusal in clear. It does not bring a
// handshake each time.
func TestASChannelLiar(t *testing.T) {
	w := newChannelWorld(t)
	honest := w.as.handler
	w.as.handler = coap.HandlerFunc(func(rw coap.ResponseWriter, r *coap.Request) {
		if r.Options.Has(coap.OSCORE) {
			_ = rw.Respond(r.NewResponse(coap.Unauthorized))
			return
		}
		honest.ServeCOAP(rw, r)
	})
	for range 100 {
		if err := w.ask(); !errors.Is(err, errResting) {
			t.Fatalf("got %v, want errResting", err)
		}
	}
	w.want("a hundred refusals", nil, 1)
	w.time = w.time.Add(pauseAfterSuccess)
	var clear *oscorecoap.UnprotectedError
	if err := w.ask(); !errors.As(err, &clear) {
		t.Errorf("got %v, want a refusal in clear", err)
	}
	w.want("later", nil, 2)
	w.as.handler = honest
	w.want("when it has stopped", w.ask(), 2)
}

// TestASChannelAway: while the server does not answer there is a handshake now and
// then and not for each request, and when it is back it is found.
func TestASChannelAway(t *testing.T) {
	w := newChannelWorld(t)
	gone := errors.New("no route")
	w.as.away = gone
	tried := 0
	for range 600 { // seconds
		switch err := w.ask(); {
		case errors.Is(err, gone):
			tried++
		case !errors.Is(err, errResting):
			t.Fatalf("got %v", err)
		}
		w.time = w.time.Add(time.Second)
	}
	if tried < 600/30 || tried > 600/30+5 {
		t.Errorf("tried %d times in ten minutes, want about 20", tried)
	}
	w.as.away = nil
	w.time = w.time.Add(longestPause)
	w.want("back", w.ask(), 1)
	w.as.away = gone
	if err := w.ask(); !errors.Is(err, gone) {
		t.Errorf("away with a context: got %v", err)
	}
	w.as.away = nil
	w.want("back with the context", w.ask(), 1)
}

// TestASChannelStrangers: neither a server with another key nor an agent that is not
// registered any more.
func TestASChannelStrangers(t *testing.T) {
	w := newChannelWorld(t)
	other, _ := newKey(t, "as", 0)
	w.as.start(other)
	var fault *edhoc.Error
	if err := w.ask(); !errors.As(err, &fault) {
		t.Errorf("server with another key: got %v, want an *edhoc.Error", err)
	}
	w.time = w.time.Add(time.Minute)
	trusted := w.as.trusted
	w.as.trusted = nil
	w.as.start(w.asKey)
	var told *edhoc.PeerError
	if err := w.ask(); !errors.As(err, &told) || told.Code != edhoc.CodeUnknownCredential {
		t.Errorf("not registered: got %v, want an unknown credential", err)
	}
	w.time = w.time.Add(time.Minute)
	w.as.trusted = trusted
	w.as.start(w.asKey)
	w.want("registered", w.ask(), 1)
}

// TestASChannelTogether: many requests at once make one context.
func TestASChannelTogether(t *testing.T) {
	w := newChannelWorld(t)
	var all sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		all.Go(func() { errs[i] = w.ask() })
	}
	all.Wait()
	w.want("together", errors.Join(errs...), 1)
}

// TestASChannelKeepsSecrets: what it logs and returns holds no key.
func TestASChannelKeepsSecrets(t *testing.T) {
	var log strings.Builder
	w := newChannelWorld(t)
	w.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.want("first", w.ask(), 1)
	if log.Len() == 0 || strings.Contains(log.String(), "private") {
		t.Errorf("the log: %s", log.String())
	}
}

// TestASChannelReplaces: of two contexts the old one is over, with its identifier, and
// who has lost it in the middle goes on with the new one.
func TestASChannelReplaces(t *testing.T) {
	w := newChannelWorld(t)
	w.want("first", w.ask(), 1)
	first := w.current
	w.as.start(w.asKey)
	w.want("after a restart of the server", w.ask(), 2)
	if first.association.Current() != nil || w.current == first {
		t.Error("the old context can be used")
	}
	w.current.association.Discard()
	w.want("discarded under a request", w.ask(), 3)
	for _, err := range []error{oscore.ErrDiscarded, oscore.ErrSequence, oscore.ErrKeyLimit, new(oscorecoap.UnprotectedError)} {
		if !lost(err) {
			t.Errorf("%v: a new context is not tried", err)
		}
	}
	for _, err := range []error{nil, context.Canceled, errResting, coap.ErrTimeout} {
		if lost(err) {
			t.Errorf("%v: a new context is tried", err)
		}
	}
}

// TestASChannelMessage4: a server that does not show with message_4 that it has the keys
// is not asked anything.
func TestASChannelMessage4(t *testing.T) {
	w := newChannelWorld(t)
	honest, protected := w.as.handler, 0
	w.as.handler = coap.HandlerFunc(func(rw coap.ResponseWriter, r *coap.Request) {
		switch {
		case r.Options.Has(coap.OSCORE):
			protected++
			honest.ServeCOAP(rw, r)
		case len(r.Payload) > 0 && r.Payload[0] == 0xf5: // message_1
			honest.ServeCOAP(rw, r)
		default:
			_ = rw.Respond(r.NewResponse(coap.Changed))
		}
	})
	if err := w.ask(); err == nil || protected != 0 {
		t.Errorf("got %v and %d questions, want an error and none", err, protected)
	}
}

// TestASChannelClosesMeanwhile: a handshake that ends after the channel leaves nothing.
func TestASChannelClosesMeanwhile(t *testing.T) {
	w := newChannelWorld(t)
	honest := w.as.handler
	w.as.handler = coap.HandlerFunc(func(rw coap.ResponseWriter, r *coap.Request) {
		w.close()
		honest.ServeCOAP(rw, r)
	})
	if err := w.ask(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if s := w.ids.Stats(); s.Confirmed != 1 || s.Released != 1 {
		t.Errorf("identifiers: %d confirmed and %d released, want 1 and 1", s.Confirmed, s.Released)
	}
}

// TestASChannelFind: a credential of the server that has expired is none.
func TestASChannelFind(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	_, bare := newKey(t, "as", 0)
	b := cborseq.AppendInt(cborseq.AppendInt(cborseq.AppendMap(nil, 3), 4), now.Unix()) // exp
	expiring, err := edhoc.ParseCCS(append(b, bare.CRED()[1:]...))
	check(t, err)
	c := &asChannel{servers: []*edhoc.Credential{expiring}, now: func() time.Time { return now }}
	find := func(kid byte, want int) {
		t.Helper()
		if found, err := c.find(t.Context(), edhoc.KID([]byte{kid}), nil); err != nil || len(found) != want {
			t.Errorf("got %d credentials, %v, want %d", len(found), err, want)
		}
	}
	find(0, 0)
	now = now.Add(-time.Second)
	find(0, 1)
	find(1, 0)
}
