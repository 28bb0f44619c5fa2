package edhoccoap

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is a time that stands until it is moved, or that of package time.
type clock struct {
	mu   sync.Mutex
	now  time.Time
	real bool
}

func (c *clock) Now() time.Time {
	if c.real {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func identity(t testing.TB, name byte) edhoc.Identity {
	t.Helper()
	key, err := edhoc.NewStaticDHKey(edhoc.X25519, bytes.Repeat([]byte{name}, 32))
	must(t, err)
	cred, err := edhoc.NewCCS(key.Public(), string(rune(name)), []byte{name})
	must(t, err)
	return edhoc.Identity{Credential: cred, ID: edhoc.KID([]byte{name}), Key: key}
}

func finder(known ...*edhoc.Credential) func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) {
	return func(_ context.Context, id edhoc.IDCred, _ []edhoc.EADItem) (found []*edhoc.Credential, _ error) {
		for _, c := range known {
			if c.Matches(id) {
				found = append(found, c)
			}
		}
		return found, nil
	}
}

// world is a server with OSCORE and its client, without a network.
type world struct {
	t        testing.TB
	clock    *clock
	idI, idR edhoc.Identity
	cfg      Config
	server   *Server
	ids      *idalloc.Allocator // of the server
	contexts *oscore.Contexts
	handler  coap.Handler // of the whole server
	direct   *coaptest.Direct
	client   *Client
	failures []error
	refuse   error // what Authorize says
	executed int
}

func newWorld(t testing.TB, change ...func(w *world)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{now: time.Unix(1e9, 0)}, idI: identity(t, 'i'), idR: identity(t, 'r'), contexts: new(oscore.Contexts)}
	var err error
	w.ids, err = idalloc.New(idalloc.Config{Now: w.clock.Now})
	must(t, err)
	own, err := idalloc.New(idalloc.Config{Now: w.clock.Now})
	must(t, err)
	base := edhoc.Config{Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{0}, EADLabels: []int64{1}}
	i, r := base, base
	i.Identities, r.Identities = []edhoc.Identity{w.idI}, []edhoc.Identity{w.idR}
	initiator, err := edhoc.NewInitiator(i)
	must(t, err)
	responder, err := edhoc.NewResponder(r)
	must(t, err)
	w.cfg = Config{
		Responder: responder, Find: finder(w.idI.Credential), IDs: w.ids, Now: w.clock.Now,
		Establish: Install(w.contexts, oscorekeys.Lengths{}, nil),
		Observer:  Observer{Failed: func(_ netip.AddrPort, err error) { w.failures = append(w.failures, err) }},
	}
	w.direct = &coaptest.Direct{}
	w.client = &Client{Doer: w.direct, Initiator: initiator, Find: finder(w.idR.Credential), IDs: own}
	for _, f := range change {
		f(w)
	}
	w.server, err = NewServer(w.cfg)
	must(t, err)
	mux := new(coap.Mux)
	mux.Handle(Path, w.server)
	protected := coap.HandlerFunc(func(rw coap.ResponseWriter, r *coap.Request) {
		w.executed++
		_ = rw.Respond(&coap.Response{Code: coap.Content, Payload: append([]byte(r.Path()+" for "+r.Identity.Subject()+": "), r.Payload...)})
	})
	layer := oscorecoap.Handler(w.contexts, protected, mux, oscorecoap.Config{
		Now: w.clock.Now, Authorize: func(*oscore.Association, *coap.Request) (any, error) { return nil, w.refuse },
	})
	w.handler = w.server.Combined(layer, coap.BlockwiseConfig{Now: w.clock.Now})
	w.direct.Handler = w.handler
	return w
}

// oscoreClient makes the client's association.
func (w *world) oscoreClient(s *edhoc.Session, id *idalloc.Live, d coap.Doer) *oscorecoap.Client {
	w.t.Helper()
	sec, err := associate(s, id, oscorekeys.Lengths{}, nil)
	must(w.t, err)
	return oscorecoap.NewClient(d, sec, oscorecoap.ClientConfig{})
}

func (w *world) wantWorks(c *oscorecoap.Client) {
	w.t.Helper()
	r := coap.NewRequest(coap.GET, "/temp")
	resp, err := c.Do(w.t.(*testing.T).Context(), r)
	must(w.t, err)
	if resp.Code != coap.Content || string(resp.Payload) != "/temp for i: " {
		w.t.Errorf("got %v %q", resp.Code, resp.Payload)
	}
}

func (w *world) post(payload []byte, change ...func(r *coap.Request)) *coap.Response {
	w.t.Helper()
	r := coap.NewRequest(coap.POST, Path)
	r.Options.AddUint(coap.ContentFormat, formatCIDEDHOC)
	r.Payload = payload
	for _, f := range change {
		f(r)
	}
	resp, err := w.direct.Do(w.t.(*testing.T).Context(), r)
	must(w.t, err)
	return resp
}

// want checks a response; msg is the EDHOC error message, nil for no payload.
func want(t testing.TB, resp *coap.Response, code coap.Code, msg []byte) {
	t.Helper()
	if resp.Code != code || !bytes.Equal(resp.Payload, msg) {
		t.Errorf("got %v %x, want %v %x", resp.Code, resp.Payload, code, msg)
	}
	f, ok := resp.Options.Uint(coap.ContentFormat)
	if ok != (msg != nil) || ok && f != formatEDHOC {
		t.Errorf("Content-Format %d, %t", f, ok)
	}
}

// TestSequential is behaviour 48, too.
//
// The whole of Figure 10, then requests; with message_4 and without; twice over.
//
//spec:9528-A.2-1
//spec:9528-A.2-2
//spec:9528-A.2-3
//spec:9528-A.2-4
func TestSequential(t *testing.T) {
	for _, m4 := range []bool{false, true} {
		w := newWorld(t, func(w *world) { w.cfg.Message4, w.client.Message4 = m4, m4 })
		for range 2 {
			before := len(w.direct.Requests())
			s, id, err := w.client.Establish(t.Context())
			must(t, err)
			if s.Confirmed() != m4 || string(id.ID()) != string(s.CI) || s.Peer.Subject() != "r" {
				t.Errorf("confirmed %t, identifier %v, C_I %v, peer %q", s.Confirmed(), id.ID(), s.CI, s.Peer.Subject())
			}
			sent := w.direct.Requests()[before:]
			if len(sent) != 2 || sent[0].Payload[0] != 0xf5 || !bytes.HasPrefix(sent[1].Payload, s.CR.AppendCBOR(nil)) {
				t.Errorf("%d requests, %x", len(sent), sent[0].Payload)
			}
			for _, r := range sent {
				if f, _ := r.Options.Uint(coap.ContentFormat); r.Code != coap.POST || r.Path() != Path || f != formatCIDEDHOC {
					t.Errorf("%v %s, Content-Format %d", r.Code, r.Path(), f)
				}
			}
			if state, holder := w.ids.Lookup(idalloc.ID(s.CR)); state != idalloc.StateLive || holder.Source != idalloc.SourceEDHOC {
				t.Errorf("C_R is %v, of %v", state, holder)
			}
			w.wantWorks(w.oscoreClient(s, id, w.direct))
			if _, err := s.Export(0, nil, 16); !errors.Is(err, edhoc.ErrSpent) {
				t.Errorf("the Session has keys beside the association: %v", err)
			}
		}
		if w.server.Pending() != 0 || len(w.failures) != 0 || w.contexts.Len() != 2 {
			t.Errorf("%d pending, failures %v, %d contexts", w.server.Pending(), w.failures, w.contexts.Len())
		}
	}
}

// TestDuplicateMessage3 is behaviour 44 and ED-5.
//
// message_3 that comes again gets the answer that it got, for as long as it may, and is
// not processed again.
//
//spec:9528-7-4
func TestDuplicateMessage3(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.Message4, w.client.Message4 = true, true })
	s, _, err := w.client.Establish(t.Context())
	must(t, err)
	last := w.direct.Requests()[1].Payload
	first := w.post(last)
	want(t, first, coap.Changed, first.Payload)
	if len(first.Payload) != 9 {
		t.Errorf("message_4 is %x", first.Payload)
	}
	w.clock.advance(maxLifetime - 1)
	want(t, w.post(last), coap.Changed, first.Payload)
	other := bytes.Clone(last)
	other[len(other)-1] ^= 1
	want(t, w.post(other), coap.BadRequest, nil)
	w.clock.advance(1)
	want(t, w.post(last), coap.BadRequest, nil)
	if w.contexts.Len() != 1 || len(w.server.table.byID) != 0 {
		t.Errorf("%d contexts, %d entries", w.contexts.Len(), len(w.server.table.byID))
	}
	// An error message that comes late does not touch the context either.
	want(t, w.post(append(s.CR.AppendCBOR(nil), 0x01, 0x60)), coap.BadRequest, nil)
	if state, _ := w.ids.Lookup(idalloc.ID(s.CR)); state != idalloc.StateLive {
		t.Errorf("C_R is %v", state)
	}
}

// Handshakes that nobody goes on with end, and their identifiers rest.
//
//spec:9528-7-4
func TestExpiry(t *testing.T) {
	w := newWorld(t)
	h, err := w.client.Begin(t.Context())
	must(t, err)
	w.clock.advance(maxLifetime - 1)
	if n := w.server.Pending(); n != 1 {
		t.Errorf("%d pending", n)
	}
	w.clock.advance(1)
	if n := w.server.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
	if state, _ := w.ids.Lookup(idalloc.ID(h.cR)); state != idalloc.StateQuarantined {
		t.Errorf("C_R is %v", state)
	}
	var refused *AnswerError
	if _, _, err := h.Finish(t.Context()); !errors.As(err, &refused) || refused.Code != coap.BadRequest {
		t.Errorf("finished: %v", err)
	}
	if _, err := w.client.Begin(t.Context()); err != nil {
		t.Error(err)
	}
	w.server.Close()
	if n := w.server.Pending(); n != 0 {
		t.Errorf("%d pending after Close", n)
	}
}

// Caps, for all and for each address, and Echo before anything is computed.
func TestLimits(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.MaxPending, w.cfg.MaxPeer, w.cfg.EchoAbove = 6, 2, 4 })
	msg1 := func() []byte {
		msg, _, err := w.client.Initiator.ComposeMessage1("\x01")
		must(t, err)
		return append([]byte{newSession}, msg...)
	}
	from := func(n byte) func(r *coap.Request) {
		return func(*coap.Request) {
			w.direct.RemoteAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 1000)
		}
	}
	for n := range byte(2) {
		for range 2 {
			if resp := w.post(msg1(), from(n)); resp.Code != coap.Changed {
				t.Fatalf("peer %d: %v", n, resp.Code)
			}
		}
	}
	resp := w.post(msg1(), from(3))
	value, ok := resp.Options.Get(coap.Echo)
	if resp.Code != coap.Unauthorized || !ok || len(resp.Payload) != 0 {
		t.Fatalf("under load: %v, %v", resp.Code, resp.Options)
	}
	// Garbage gets no further under load: nothing is parsed.
	if resp := w.post([]byte{newSession, 0xff}, from(3)); resp.Code != coap.Unauthorized {
		t.Errorf("garbage under load: %v", resp.Code)
	}
	echo := func(v []byte) func(r *coap.Request) { return func(r *coap.Request) { r.Options.Set(coap.Echo, v) } }
	if resp := w.post(msg1(), from(4), echo(value)); resp.Code != coap.Unauthorized {
		t.Errorf("Echo of another address: %v", resp.Code)
	}
	if resp := w.post(msg1(), from(3), echo(value)); resp.Code != coap.Changed {
		t.Errorf("Echo: %v", resp.Code)
	}
	forged := bytes.Clone(value)
	forged[15] ^= 1
	for _, v := range [][]byte{forged, value[1:], nil} {
		if resp := w.post(msg1(), from(3), echo(v)); resp.Code != coap.Unauthorized {
			t.Errorf("Echo %x: %v", v, resp.Code)
		}
	}
	w.clock.advance(echoLife + time.Second)
	if resp := w.post(msg1(), from(3), echo(value)); resp.Code != coap.Unauthorized {
		t.Errorf("old Echo: %v", resp.Code)
	}
	// The third of one address, and the seventh of all.
	fresh := func(n byte) []byte {
		return w.server.echo.value(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 1000), w.clock.Now().Unix())
	}
	for _, c := range []struct {
		peer byte
		code coap.Code
	}{{0, coap.ServiceUnavailable}, {3, coap.Changed}, {3, coap.ServiceUnavailable}, {5, coap.ServiceUnavailable}} {
		if resp := w.post(msg1(), from(c.peer), echo(fresh(c.peer))); resp.Code != c.code {
			t.Errorf("peer %d: %v, want %v", c.peer, resp.Code, c.code)
		}
	}
	if n := w.server.Pending(); n != 6 {
		t.Errorf("%d pending", n)
	}
	w.clock.advance(maxLifetime)
	if resp := w.post(msg1(), from(5)); resp.Code != coap.Changed {
		t.Errorf("afterwards: %v", resp.Code)
	}
}

// The answers of a table stay bounded, too.
func TestAnswersAreBounded(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.MaxPending = 3 })
	for range 20 {
		_, _, err := w.client.Establish(t.Context())
		must(t, err)
	}
	if n := w.server.table.order.Len(); n > 12 || n != len(w.server.table.byID) {
		t.Errorf("%d entries, %d by identifier", n, len(w.server.table.byID))
	}
}

// What fails, what the peer is told, and what is left: nothing.
//
//spec:9528-A.2.3-1
//spec:9528-A.2.3-2
func TestFailures(t *testing.T) {
	unspecified := edhoc.ErrorMessage(&edhoc.Error{Code: edhoc.CodeUnspecified})
	ours := errors.New("our fault")
	refusing := &edhoc.Error{Code: edhoc.CodeUnspecified, Reason: "not you"}
	for _, c := range []struct {
		name   string
		change func(w *world)
		code   coap.Code
		msg    []byte
	}{
		{"unknown credential", func(w *world) { w.cfg.Find = finder() }, coap.BadRequest, []byte{0x03, 0xf5}},
		{"another credential", func(w *world) {
			other := identity(t, 'o')
			w.cfg.Find = func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) {
				return []*edhoc.Credential{other.Credential}, nil
			}
		}, coap.BadRequest, unspecified},
		{"Find fails", func(w *world) {
			w.cfg.Find = func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) { return nil, ours }
		}, coap.InternalServerError, unspecified},
		{"Propose fails", func(w *world) {
			w.cfg.Propose = func(context.Context, *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) { return nil, ours }
		}, coap.InternalServerError, unspecified},
		{"Propose refuses", func(w *world) {
			w.cfg.Propose = func(_ context.Context, m *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) {
				return nil, m.Refuse("no")
			}
		}, coap.BadRequest, unspecified},
		{"Propose discards", func(w *world) {
			w.cfg.Propose = func(_ context.Context, m *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) {
				m.Discard()
				return nil, nil
			}
		}, coap.BadRequest, nil},
		{"Accept refuses", func(w *world) {
			w.cfg.Accept = func(context.Context, *edhoc.VerifiedMessage3, []edhoc.EADItem) ([]edhoc.EADItem, error) {
				return nil, refusing
			}
		}, coap.BadRequest, unspecified},
		{"EAD_4 that may not be", func(w *world) {
			w.cfg.Message4, w.client.Message4 = true, true
			w.cfg.Accept = func(context.Context, *edhoc.VerifiedMessage3, []edhoc.EADItem) ([]edhoc.EADItem, error) {
				return []edhoc.EADItem{{Label: 23}}, nil
			}
		}, coap.InternalServerError, unspecified},
		{"Establish fails", func(w *world) {
			w.cfg.Establish = func(*edhoc.Session, *idalloc.Live) error { return ours }
		}, coap.InternalServerError, unspecified},
		{"no identifier is left", func(w *world) {
			w.ids, _ = idalloc.New(idalloc.Config{Now: w.clock.Now, Lengths: []int{1}, Reserved: []idalloc.Range{{First: "\x00", Last: "\xff"}}})
			w.cfg.IDs = w.ids
		}, coap.ServiceUnavailable, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.change)
			w.t = t
			_, _, err := w.client.Establish(t.Context())
			if err == nil {
				t.Fatal("established")
			}
			var peer *edhoc.PeerError
			var refused *AnswerError
			if c.msg != nil && !errors.As(err, &peer) || c.msg == nil && !errors.As(err, &refused) {
				t.Errorf("the client has %v", err)
			}
			if len(w.failures) != 1 {
				t.Errorf("failures %v", w.failures)
			}
			all := w.direct.Requests()
			if last := all[len(all)-1]; len(all) == 2 { // the same again: the same answer, nothing else
				want(t, w.post(last.Payload), c.code, c.msg)
			} else if len(all) != 1 {
				t.Errorf("%d requests", len(all))
			}
			if w.contexts.Len() != 0 || w.server.Pending() != 0 || len(w.failures) != 1 {
				t.Errorf("%d contexts, %d pending, failures %v", w.contexts.Len(), w.server.Pending(), w.failures)
			}
			for _, h := range w.ids.Holdings() {
				if h.State == idalloc.StateLive || h.State == idalloc.StatePending {
					t.Errorf("identifier %v is %v", h.ID, h.State)
				}
			}
		})
	}
}

// Requests that are no EDHOC messages.
func TestMalformedRequests(t *testing.T) {
	w := newWorld(t)
	want(t, w.post(nil), coap.BadRequest, nil)
	want(t, w.post([]byte{0x41}), coap.BadRequest, nil)
	want(t, w.post([]byte{0x01, 0x41, 0x02}), coap.BadRequest, nil) // C_R of nobody
	want(t, w.post([]byte{newSession}), coap.BadRequest, append([]byte{0x01, 0x70}, "malformed METHOD"...))
	want(t, w.post([]byte{0x01}, func(r *coap.Request) { r.Code = coap.GET }), coap.MethodNotAllowed, nil)
	want(t, w.post([]byte{newSession}, func(r *coap.Request) { r.Options.SetUint(coap.ContentFormat, formatEDHOC) }), coap.UnsupportedContentFormat, nil)
	want(t, w.post([]byte{newSession}, func(r *coap.Request) { r.Options.Remove(coap.ContentFormat) }), coap.BadRequest, append([]byte{0x01, 0x70}, "malformed METHOD"...))
	if _, err := NewServer(Config{}); !errors.Is(err, ErrConfig) {
		t.Errorf("NewServer: %v", err)
	}
}

// A client that refuses tells the server, which ends the handshake.
func TestClientTells(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"unknown credential": func(w *world) { w.client.Find = finder() },
		"another credential": func(w *world) {
			w.client.Find = func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) {
				return []*edhoc.Credential{identity(t, 'o').Credential}, nil
			}
		},
		"unknown critical EAD item": func(w *world) {
			w.cfg.Propose = func(context.Context, *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) {
				return []edhoc.EADItem{{Label: 9, Critical: true}}, nil
			}
		},
		"not wanted": func(w *world) {
			w.client.Accept = func(_ context.Context, m *edhoc.VerifiedMessage2, _ []edhoc.EADItem) ([]edhoc.EADItem, error) {
				return nil, m.Refuse("no")
			}
		},
	} {
		w := newWorld(t, change)
		_, _, err := w.client.Establish(t.Context())
		var e *edhoc.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
		var peer *edhoc.PeerError
		if len(w.failures) != 1 || !errors.As(w.failures[0], &peer) || w.server.Pending() != 0 {
			t.Errorf("%s: the server has %v, %d pending", name, w.failures, w.server.Pending())
		}
		all := w.direct.Requests()
		if len(all) != 2 {
			t.Fatalf("%s: %d requests", name, len(all))
		}
		want(t, w.post(all[1].Payload), coap.Changed, nil)
	}
}

// TestIdentifiersDiffer is behaviour 41 and ED-19: identifiers of handshakes and contexts
// are never the same.
//
//spec:9668-4.1-1
//spec:9668-4.1.1-1
//spec:9668-4.1.2-1
func TestIdentifiersDiffer(t *testing.T) {
	w := newWorld(t, func(w *world) { w.cfg.EchoAbove = -1 })
	seenI, seenR := map[edhoc.ConnID]bool{}, map[edhoc.ConnID]bool{}
	for n := range 30 {
		h, err := w.client.Begin(t.Context())
		must(t, err)
		cI := edhoc.ConnID(h.pending.ID())
		if seenI[cI] || seenR[h.cR] || cI == h.cR {
			t.Fatalf("C_I %v, C_R %v again", cI, h.cR)
		}
		seenI[cI], seenR[h.cR] = true, true
		if n%2 == 0 {
			_, _, err := h.Finish(t.Context())
			must(t, err)
		}
	}
}

// What fails on the client's side only.
func TestClientFails(t *testing.T) {
	ours := errors.New("our fault")
	w := newWorld(t, func(w *world) {
		w.client.Find = func(context.Context, edhoc.IDCred, []edhoc.EADItem) ([]*edhoc.Credential, error) { return nil, ours }
	})
	if _, _, err := w.client.Establish(t.Context()); !errors.Is(err, ours) || len(w.failures) != 1 {
		t.Errorf("Find: %v, the server has %v", err, w.failures)
	}
	w = newWorld(t, func(w *world) {
		w.cfg.Message4, w.client.Message4 = true, true
		w.client.Accept4 = func(context.Context, []edhoc.EADItem) error { return ours }
	})
	if s, id, err := w.client.Establish(t.Context()); !errors.Is(err, ours) || s != nil || id != nil {
		t.Errorf("Accept4: %v", err)
	}
	w = newWorld(t)
	h, err := w.client.Begin(t.Context())
	must(t, err)
	w.clock.advance(maxLifetime + time.Second)
	if s, id, _, err := h.Combine(w.direct); !errors.Is(err, idalloc.ErrExpired) || s != nil || id != nil {
		t.Errorf("identifier that is too old: %v", err)
	}
	ids, err := idalloc.New(idalloc.Config{Now: w.clock.Now, Lengths: []int{1}, Reserved: []idalloc.Range{{First: "\x00", Last: "\xff"}}})
	must(t, err)
	w.client.IDs = ids
	if _, err := w.client.Begin(t.Context()); !errors.Is(err, idalloc.ErrExhausted) {
		t.Errorf("no identifier: %v", err)
	}
	gone := errors.New("network is gone")
	w = newWorld(t, func(w *world) { w.client.Doer = doer(func() (*coap.Response, error) { return nil, gone }) })
	if _, err := w.client.Begin(t.Context()); !errors.Is(err, gone) {
		t.Errorf("no network: %v", err)
	}
	w.client.Doer = doer(func() (*coap.Response, error) { return &coap.Response{Code: coap.NotFound}, nil })
	if _, err := w.client.Begin(t.Context()); !errors.Is(err, ErrResponse) {
		t.Errorf("no such resource: %v", err)
	}
	for _, holding := range w.client.IDs.Holdings() {
		if holding.State == idalloc.StatePending || holding.State == idalloc.StateLive {
			t.Errorf("identifier %v is %v", holding.ID, holding.State)
		}
	}
}

type doer func() (*coap.Response, error)

func (d doer) Do(context.Context, *coap.Request) (*coap.Response, error) { return d() }

// EAD goes both ways, and Find sees it before anything is verified.
func TestEAD(t *testing.T) {
	item := func(s string) []edhoc.EADItem { return []edhoc.EADItem{{Label: 1, Critical: true, Value: []byte(s)}} }
	var got []string
	see := func(items []edhoc.EADItem) {
		for _, it := range items {
			got = append(got, string(it.Value))
		}
	}
	w := newWorld(t, func(w *world) {
		w.cfg.Message4, w.client.Message4 = true, true
		w.client.EAD1 = item("one")
		w.cfg.Propose = func(_ context.Context, m *edhoc.VerifiedMessage1) ([]edhoc.EADItem, error) {
			see(m.EAD1)
			return item("two"), nil
		}
		w.client.Accept = func(_ context.Context, _ *edhoc.VerifiedMessage2, ead2 []edhoc.EADItem) ([]edhoc.EADItem, error) {
			see(ead2)
			return item("three"), nil
		}
		find := w.cfg.Find
		w.cfg.Find = func(ctx context.Context, id edhoc.IDCred, ead3 []edhoc.EADItem) ([]*edhoc.Credential, error) {
			see(ead3)
			return find(ctx, id, ead3)
		}
		w.cfg.Accept = func(_ context.Context, m *edhoc.VerifiedMessage3, ead3 []edhoc.EADItem) ([]edhoc.EADItem, error) {
			see(ead3)
			return item("four of " + m.Credential.Subject()), nil
		}
		w.client.Accept4 = func(_ context.Context, ead4 []edhoc.EADItem) error { see(ead4); return nil }
	})
	_, _, err := w.client.Establish(t.Context())
	must(t, err)
	if s := got; len(s) != 5 || s[0] != "one" || s[1] != "two" || s[2] != "three" || s[3] != "three" || s[4] != "four of i" {
		t.Errorf("EAD %q", s)
	}
}

// Another cipher suite is negotiated; a server that cannot be pleased is given up.
func TestNegotiation(t *testing.T) {
	w := newWorld(t, func(w *world) {
		i, err := edhoc.NewInitiator(edhoc.Config{
			Methods: []edhoc.Method{edhoc.StaticDHStaticDH}, Suites: []edhoc.SuiteID{1, 4, 0}, Identities: []edhoc.Identity{w.idI},
		})
		must(t, err)
		w.client.Initiator = i
	})
	s, _, err := w.client.Establish(t.Context())
	must(t, err)
	if s.Suite != 0 || len(w.direct.Requests()) != 3 {
		t.Errorf("suite %v after %d requests", s.Suite, len(w.direct.Requests()))
	}
	circle := 0
	w.client.Doer = &coaptest.Direct{Handler: coap.HandlerFunc(func(rw coap.ResponseWriter, _ *coap.Request) {
		circle++
		respond(rw, coap.BadRequest, []byte{0x02, []byte{4, 0}[circle%2]})
	})}
	var peer *edhoc.PeerError
	if _, err := w.client.Begin(t.Context()); !errors.As(err, &peer) || circle != maxTries {
		t.Errorf("in circles: %v after %d", err, circle)
	}
}

// Many at once.
func TestConcurrent(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.cfg.Observer = Observer{}
		w.ids, _ = idalloc.New(idalloc.Config{Now: w.clock.Now, MaxUnvalidated: 1 << 16})
		w.cfg.IDs = w.ids
	})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 4 {
				if _, _, err := w.client.Establish(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := w.contexts.Len(); n != 64 {
		t.Errorf("%d contexts", n)
	}
}

// RFC 9668, Figure 5.
//
//spec:9668-6-1
//spec:9668-6-2
//spec:9668-6-3
//spec:9668-6-5
//spec:9668-6-6
//spec:9668-5-1
func TestProfile(t *testing.T) {
	mux := new(coap.Mux)
	mux.Handle(Path, coap.HandlerFunc(func(coap.ResponseWriter, *coap.Request) {}))
	p := Profile{Methods: []edhoc.Method{0}, Suites: []edhoc.SuiteID{0, 2}, CredentialTypes: []int{0, 1}, IDCredTypes: []int64{4}, EADLabels: []int64{7}, Combined: true}
	mux.Describe(Path, p.Attributes()...)
	resp, err := (&coaptest.Direct{Handler: mux}).Do(t.Context(), coap.NewRequest(coap.GET, "/.well-known/core"))
	must(t, err)
	for _, part := range []string{"</.well-known/edhoc>", "rt=\"core.edhoc\"", "ed-r", "ed-method=0", "ed-csuite=0", "ed-csuite=2", "ed-cred-t=0", "ed-cred-t=1", "ed-idcred-t=4", "ed-ead=7", "ed-comb-req"} {
		if !bytes.Contains(resp.Payload, []byte(part)) {
			t.Errorf("%q is not in %s", part, resp.Payload)
		}
	}
	if bytes.Contains(resp.Payload, []byte("ed-i;")) {
		t.Errorf("the reverse message flow is in %s", resp.Payload)
	}
	p.Reverse = true
	if names := names(p); !names["ed-i"] || !names["ed-r"] || !names["ed-comb-req"] {
		t.Errorf("both message flows: %v", names)
	}
	p.Reverse, p.ReverseOnly = false, true
	if names := names(p); !names["ed-i"] || names["ed-r"] || names["ed-comb-req"] {
		t.Errorf("the reverse message flow: %v", names)
	}
	p.ReverseOnly, p.Message4 = false, true
	if names := names(p); names["ed-comb-req"] || names["ed-i"] {
		t.Errorf("with message_4: %v", names)
	}
}

func names(p Profile) map[string]bool {
	all := map[string]bool{}
	for _, a := range p.Attributes() {
		all[a.Name] = true
	}
	return all
}
