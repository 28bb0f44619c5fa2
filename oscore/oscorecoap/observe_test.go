package oscorecoap_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// A resource accepts observations and notifies when the test says so.
type resource struct {
	writers chan coap.ResponseWriter
	ended   chan struct{}
}

func newResource() *resource {
	return &resource{make(chan coap.ResponseWriter, 1024), make(chan struct{}, 1024)}
}

func (res *resource) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	if observe, ok := r.Options.Uint(coap.Observe); !ok || observe != 0 {
		_ = w.Respond(&coap.Response{Code: coap.Content, Payload: []byte("plain")})
		return
	}
	_ = w.Respond(notification("0"))
	context.AfterFunc(r.Context(), func() { res.ended <- struct{}{} })
	res.writers <- w
}

func notification(payload string) *coap.Response {
	resp := &coap.Response{Code: coap.Content, Payload: []byte(payload)}
	resp.Options.AddUint(coap.Observe, 0)
	return resp
}

func observeRequest(value uint32) *coap.Request {
	r := coap.NewRequest(coap.GET, "/x")
	r.Options.AddUint(coap.Observe, value)
	return r
}

// register registers an observation by hand.
func register(t *testing.T, p *pair, h coap.Handler, res *resource, token string) (*writer, *oscore.ClientExchange, coap.ResponseWriter) {
	t.Helper()
	r, x := p.protect(t, observeRequest(0))
	if r.Code != coap.FETCH || !r.Options.Has(coap.Observe) { //spec:8613-4.1.3.5-5
		t.Errorf("registration goes out as %v with %v, want FETCH with Observe", r.Code, r.Options)
	}
	w := newWriter(token)
	serveOne(t.Context(), h, r, addrA, w)
	first := w.only(t)
	if m := unprotect(t, x, first); string(m.Payload) != "0" || !first.Options.Has(coap.Observe) || first.Code != coap.Content {
		t.Fatalf("first response: %v %q inside, want 0 and an outer 2.05 with Observe", m.Code, m.Payload)
	}
	return w, x, wait(t, res.writers, "registration")
}

func TestNotifications(t *testing.T) {
	p := newPair(t, nil)
	res := newResource()
	h := p.handler(t, res, nil, oscorecoap.Config{})
	w, x, out := register(t, p, h, res, "t")
	for _, payload := range []string{"1", "2", "3"} {
		if err := out.Respond(notification(payload)); err != nil {
			t.Fatal(err)
		}
		resp := w.only(t)
		option, _ := resp.Options.Get(coap.OSCORE)
		if len(option) < 2 || option[0]&7 == 0 {
			t.Errorf("notification without a Partial IV of its own: %x", option) //spec:8613-4.1.3.5-3
		}
		m := unprotect(t, x, resp)
		if string(m.Payload) != payload {
			t.Errorf("got %q, want %q", m.Payload, payload)
		}
	}
	last := &coap.Response{Code: coap.InternalServerError, Payload: []byte("gone"), Confirmable: true}
	if err := out.Respond(last); err != nil {
		t.Fatal(err)
	}
	resp := w.only(t)
	if m := unprotect(t, x, resp); coap.Code(m.Code) != coap.InternalServerError || resp.Options.Has(coap.Observe) || !resp.Confirmable {
		t.Errorf("last response: %v inside, %v outside, confirmable %v", m.Code, resp.Options, resp.Confirmable)
	}
	wait(t, res.ended, "end of the observation")
	if err := out.Respond(notification("late")); err == nil {
		t.Error("a notification after the last: no error")
	}
	w.none(t)
}

// A retransmitted registration gets the first notification once more (RFC
// 8613, Section 4.1.3.5.1), and the observation goes on.
func TestRetransmittedRegistration(t *testing.T) {
	p := newPair(t, nil)
	res := newResource()
	h := p.handler(t, res, nil, oscorecoap.Config{})
	r, x := p.protect(t, observeRequest(0))
	w, again := newWriter("t"), newWriter("t")
	serveOne(t.Context(), h, r, addrA, w)
	serveOne(t.Context(), h, r, addrB, again)
	first := w.only(t)
	if got := again.only(t); !same(got, first) {
		t.Errorf("got %x, want %x", got.Payload, first.Payload)
	}
	unprotect(t, x, first)
	out := wait(t, res.writers, "registration")
	if err := out.Respond(notification("1")); err != nil {
		t.Fatal(err)
	}
	unprotect(t, x, w.only(t))
	again.none(t)
	if len(res.writers) != 0 {
		t.Error("registered twice")
	}
}

func TestObservationsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(t *testing.T, p *pair, h *oscorecoap.Server, stop context.CancelFunc)
		last  coap.Code // a protected last response, or 0
		ended bool      // the transport is told to end its own observation
	}{
		"cancelled, with the token": {func(t *testing.T, p *pair, h *oscorecoap.Server, _ context.CancelFunc) {
			cancelObservation(t, p, h, "t", "plain")
		}, 0, true},
		"cancelled, with another token": {func(t *testing.T, p *pair, h *oscorecoap.Server, _ context.CancelFunc) {
			cancelObservation(t, p, h, "u", "plain")
		}, 0, true},
		"transport": {func(_ *testing.T, _ *pair, _ *oscorecoap.Server, stop context.CancelFunc) { stop() }, 0, false},
		"discarded": {func(_ *testing.T, p *pair, h *oscorecoap.Server, _ context.CancelFunc) { h.Discard(p.server) }, coap.Unauthorized, true},
		"rights ended": {func(_ *testing.T, p *pair, h *oscorecoap.Server, _ context.CancelFunc) {
			h.EndObservations(p.server)
		}, coap.Unauthorized, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, nil)
			res := newResource()
			h := p.handler(t, res, nil, oscorecoap.Config{})
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			r, x := p.protect(t, observeRequest(0))
			w := newWriter("t")
			serveOne(ctx, h, r, addrA, w)
			unprotect(t, x, w.only(t))
			out := wait(t, res.writers, "registration")
			c.end(t, p, h, stop)
			wait(t, res.ended, "end of the observation")
			if c.last != 0 {
				resp := w.only(t)
				if m := unprotect(t, x, resp); coap.Code(m.Code) != c.last || resp.Options.Has(coap.Observe) {
					t.Errorf("last response: %v inside, %v outside, want %v without Observe", m.Code, resp.Options, c.last)
				}
			}
			if c.ended {
				wait(t, w.ended, "end of the transport's observation")
				wantError(t, out.Respond(notification("late")), coap.ErrClosed)
			}
			w.none(t)
		})
	}
}

func cancelObservation(t *testing.T, p *pair, h coap.Handler, token, want string) {
	t.Helper()
	r, x := p.protect(t, observeRequest(1))
	w := newWriter(token)
	serveOne(t.Context(), h, r, addrA, w)
	if m := unprotect(t, x, w.only(t)); string(m.Payload) != want {
		t.Errorf("cancellation answered with %q, want %q", m.Payload, want)
	}
}

// A cancellation means the observation with its token, if there is one, and
// no other thing.
//
//spec:8613-4.1.3.5-4
func TestCancellationMeansOne(t *testing.T) {
	p := newPair(t, nil)
	res := newResource()
	h := p.handler(t, res, nil, oscorecoap.Config{})
	_, _, one := register(t, p, h, res, "1")
	w, _, two := register(t, p, h, res, "2")
	cancelObservation(t, p, h, "1", "plain")
	wantError(t, one.Respond(notification("late")), coap.ErrClosed)
	if err := two.Respond(notification("1")); err != nil {
		t.Errorf("the other observation: %v", err)
	}
	w.only(t)

	r, x := p.protect(t, &coap.Request{Code: coap.GET, Options: coap.Options{{ID: coap.Observe, Value: []byte{1}}, {ID: coap.URIPath, Value: []byte("y")}}})
	other := newWriter("2")
	serveOne(t.Context(), h, r, addrA, other)
	unprotect(t, x, other.only(t))
	if err := two.Respond(notification("2")); err != nil {
		t.Errorf("after a cancellation of another resource: %v", err)
	}
}

// The same Token in another request does not end an observation (RFC 8613,
// Section 4.1.3.5), but a new registration with it takes its place.
func TestSameToken(t *testing.T) {
	p := newPair(t, nil)
	res := newResource()
	h := p.handler(t, res, nil, oscorecoap.Config{})
	_, _, first := register(t, p, h, res, "t")
	r, x := p.protect(t, coap.NewRequest(coap.GET, "/x"))
	w := newWriter("t")
	serveOne(t.Context(), h, r, addrA, w)
	unprotect(t, x, w.only(t))
	if err := first.Respond(notification("1")); err != nil { //spec:8613-4.1.3.5-6
		t.Errorf("after a request with the same token: %v", err)
	}
	_, _, second := register(t, p, h, res, "t")
	wantError(t, first.Respond(notification("2")), coap.ErrClosed)
	if err := second.Respond(notification("2")); err != nil {
		t.Errorf("new registration: %v", err)
	}
}

// A right that has ended is not used for another notification.
func TestNotificationsAreAuthorized(t *testing.T) {
	p := newPair(t, nil)
	res := newResource()
	allowed := true
	h := p.handler(t, res, nil, oscorecoap.Config{Authorize: func(_ *oscore.Association, r *coap.Request) (any, error) {
		if r.Path() != "/x" || r.Code != coap.GET {
			t.Errorf("asked for %v %s, want GET /x", r.Code, r.Path())
		}
		if !allowed {
			return nil, &oscorecoap.Refusal{Code: coap.Unauthorized}
		}
		return nil, nil
	}})
	w, x, out := register(t, p, h, res, "t")
	allowed = false
	_ = out.Respond(notification("secret"))
	if m := unprotect(t, x, w.only(t)); coap.Code(m.Code) != coap.Unauthorized || len(m.Payload) != 0 {
		t.Errorf("got %v %q, want a bare 4.01", m.Code, m.Payload)
	}
	wait(t, res.ended, "end of the observation")
	wantError(t, out.Respond(notification("late")), coap.ErrClosed)
}

func TestObservationsPerAssociation(t *testing.T) {
	p := newPair(t, nil)
	res := newResource()
	h := p.handler(t, res, nil, oscorecoap.Config{Observations: 2})
	register(t, p, h, res, "1")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	observe := func(token string) bool {
		r, x := p.protect(t, observeRequest(0))
		w := newWriter(token)
		serveOne(ctx, h, r, addrA, w)
		resp := w.only(t)
		unprotect(t, x, resp)
		return resp.Options.Has(coap.Observe)
	}
	if !observe("2") || observe("3") {
		t.Error("want the second observation accepted, and the third not")
	}
	wait(t, res.ended, "end of the third")
	stop() // the transport ends the second, and its place is free
	wait(t, res.ended, "end of the second")
	ctx = t.Context()
	for !observe("4") {
		runtime.Gosched()
	}
}

// A context replaced by Appendix B.2 protects no notification any more.
func TestObservationEndsWithItsContext(t *testing.T) {
	p := newPair(t, func(client, server *oscore.Config) { client.B2, server.B2 = oscore.B2Allowed, oscore.B2Allowed })
	res := newResource()
	h := p.handler(t, res, nil, oscorecoap.Config{})
	w, _, out := register(t, p, h, res, "t")
	if err := p.client.Rederive(); err != nil {
		t.Fatal(err)
	}
	c, _ := p.connect(h)
	resp, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
	wantResponse(t, resp, err, coap.Content, "plain")
	wait(t, res.ended, "end of the observation")
	wantError(t, out.Respond(notification("late")), coap.ErrClosed)
	w.none(t)
}

func TestClientObserves(t *testing.T) {
	p := newPair(t, nil)
	res := newResource()
	c, _ := p.connect(p.handler(t, res, nil, oscorecoap.Config{}))
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan *coap.Response, 16)
	done := make(chan error, 1)
	go func() {
		done <- c.Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { got <- r })
	}()
	out := wait(t, res.writers, "registration")
	large := string(make([]byte, 5000))
	for _, want := range []string{"0", "1", large, "3"} {
		if want != "0" {
			if err := out.Respond(notification(want)); err != nil {
				t.Fatal(err)
			}
		}
		if resp := wait(t, got, "notification"); string(resp.Payload) != want || !resp.Options.Has(coap.Observe) {
			t.Errorf("got %d bytes, want %d", len(resp.Payload), len(want))
		}
	}
	cancel()
	if err := wait(t, done, "Observe"); err != nil {
		t.Errorf("Observe: %v, want nil", err)
	}
	wait(t, res.ended, "end at the server")
}

func TestClientObservesToTheEnd(t *testing.T) {
	p := newPair(t, nil)
	res := newResource()
	c, _ := p.connect(p.handler(t, res, nil, oscorecoap.Config{}))
	got := make(chan *coap.Response, 16)
	done := make(chan error, 1)
	go func() {
		done <- c.Observe(t.Context(), coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { got <- r })
	}()
	out := wait(t, res.writers, "registration")
	_ = out.Respond(&coap.Response{Code: coap.NotFound})
	wait(t, got, "first response")
	if resp := wait(t, got, "last response"); resp.Code != coap.NotFound {
		t.Errorf("last response: got %v, want 4.04", resp.Code)
	}
	if err := wait(t, done, "Observe"); err != nil {
		t.Errorf("Observe: %v, want nil", err)
	}
}

// The first response to a registration may be a challenge, and the client
// registers once more.
func TestClientObservesAfterChallenges(t *testing.T) {
	for name, change := range map[string]func(client, server *oscore.Config){
		"Echo": func(_, server *oscore.Config) { server.RecoverWindow, server.Sequence = true, new(counting) },
		"B.2":  func(client, server *oscore.Config) { client.B2, server.B2 = oscore.B2Required, oscore.B2Allowed },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, change)
			res := newResource()
			c, _ := p.connect(p.handler(t, res, nil, oscorecoap.Config{}))
			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan *coap.Response, 16)
			done := make(chan error, 1)
			go func() {
				done <- c.Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { got <- r })
			}()
			out := wait(t, res.writers, "registration")
			_ = out.Respond(notification("1"))
			for _, want := range []string{"0", "1"} {
				if resp := wait(t, got, "notification"); string(resp.Payload) != want {
					t.Errorf("got %q, want %q", resp.Payload, want)
				}
			}
			cancel()
			if err := wait(t, done, "Observe"); err != nil {
				t.Errorf("Observe: %v, want nil", err)
			}
		})
	}
}

// counting is a SequenceStore that never looks back.
type counting struct{ next uint64 }

func (c *counting) Reserve(n uint64) (uint64, error) {
	c.next += n
	return c.next - n + 1000, nil
}

// When notifications stay away longer than a representation is fresh, the
// client registers again (RFC 7641, Section 3.3.1); and at once when Appendix
// B.2 has replaced the security context.
func TestClientRegistersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, func(client, server *oscore.Config) { client.B2, server.B2 = oscore.B2Allowed, oscore.B2Allowed })
		res := newResource()
		c, _ := p.connect(p.handler(t, res, nil, oscorecoap.Config{}))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- c.Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(*coap.Response) {})
		}()
		synctest.Wait()
		out := <-res.writers
		time.Sleep(60 * time.Second) // fake time
		n := notification("1")
		n.Options.AddUint(coap.MaxAge, 1000)
		_ = out.Respond(n)
		time.Sleep(1004 * time.Second)
		if len(res.writers) != 0 {
			t.Error("registered again while the representation was fresh")
		}
		time.Sleep(12 * time.Second)
		if len(res.writers) != 1 {
			t.Errorf("%d new registrations when it was stale, want 1", len(res.writers))
		}
		out = <-res.writers

		if err := p.client.Rederive(); err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
		wantResponse(t, resp, err, coap.Content, "plain")
		synctest.Wait()
		if len(res.writers) != 1 {
			t.Errorf("%d new registrations after Appendix B.2, want 1", len(res.writers))
		}
		wantError(t, out.Respond(notification("late")), coap.ErrClosed)
		<-res.writers

		time.Sleep(64 * time.Second) // without Max-Age it is fresh for a minute
		if len(res.writers) != 0 {
			t.Error("registered again while the representation was fresh")
		}
		time.Sleep(12 * time.Second)
		if len(res.writers) != 1 {
			t.Errorf("%d new registrations when it was stale, want 1", len(res.writers))
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Observe: %v, want nil", err)
		}
	})
}

// forgetful is a transport that ends observations after a notification, as one
// does that finds them stale.
type forgetful struct {
	coap.Doer
	coap.Observer
	times int
}

func (f *forgetful) Observe(ctx context.Context, r *coap.Request, notify func(*coap.Response)) error {
	if f.times--; f.times < 0 {
		return f.Observer.Observe(ctx, r, notify)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := f.Observer.Observe(ctx, r, func(resp *coap.Response) { notify(resp); cancel() })
	if err == nil {
		return coap.ErrTimeout
	}
	return err
}

func TestTransportFindsObservationStale(t *testing.T) {
	p := newPair(t, nil)
	res := newResource()
	_, d := p.connect(p.handler(t, res, nil, oscorecoap.Config{}))
	c := oscorecoap.NewClient(&forgetful{d, d, 2}, p.client, oscorecoap.ClientConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(*coap.Response) {})
	}()
	for range 3 {
		wait(t, res.writers, "registration")
	}
	cancel()
	if err := wait(t, done, "Observe"); err != nil {
		t.Errorf("Observe: %v, want nil", err)
	}
}

// What does not verify ends no observation, and is not answered by a new
// registration (RFC 8613, Section 8.4.2).
func TestNotificationsThatDoNotVerify(t *testing.T) {
	p := newPair(t, nil)
	res := newResource()
	d := &coaptest.Direct{Handler: p.handler(t, res, nil, oscorecoap.Config{})}
	spoil := make(chan func(*coap.Response), 8)
	dropped := make(chan error, 8)
	c := oscorecoap.NewClient(&meddler{d, spoil}, p.client, oscorecoap.ClientConfig{Dropped: func(err error) { dropped <- err }})
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan *coap.Response, 8)
	done := make(chan error, 1)
	go func() {
		done <- c.Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { got <- r })
	}()
	out := wait(t, res.writers, "registration")
	wait(t, got, "first response")
	for name, f := range map[string]func(*coap.Response){
		"changed": func(r *coap.Response) { r.Payload[0] ^= 1 },
		"clear": func(r *coap.Response) {
			*r = coap.Response{Code: coap.Content, Options: coap.Options{{ID: coap.Observe}}, Payload: []byte("lie")}
		},
	} {
		spoil <- f
		_ = out.Respond(notification("1"))
		if err := wait(t, dropped, name); err == nil {
			t.Errorf("%s: dropped without an error", name)
		}
	}
	_ = out.Respond(notification("2"))
	if resp := wait(t, got, "notification"); string(resp.Payload) != "2" {
		t.Errorf("got %q, want 2", resp.Payload)
	}
	cancel()
	if err := wait(t, done, "Observe"); err != nil {
		t.Errorf("Observe: %v, want nil", err)
	}
	if len(got) != 0 || len(res.writers) != 0 { //spec:8613-8.4.2-3
		t.Errorf("%d more notifications, %d more registrations, want none", len(got), len(res.writers))
	}
}

// meddler changes notifications.
type meddler struct {
	*coaptest.Direct
	spoil chan func(*coap.Response)
}

func (m *meddler) Observe(ctx context.Context, r *coap.Request, notify func(*coap.Response)) error {
	return m.Direct.Observe(ctx, r, func(resp *coap.Response) {
		select {
		case f := <-m.spoil:
			f(resp)
		default:
		}
		notify(resp)
	})
}

// Authorize may find that the peer's rights have ended, and end the
// association itself, in the middle of a notification.
func TestAuthorizeMayDiscard(t *testing.T) {
	p := newPair(t, nil)
	res := newResource()
	ended := false
	var h *oscorecoap.Server
	h = p.handler(t, res, nil, oscorecoap.Config{Authorize: func(sec *oscore.Association, _ *coap.Request) (any, error) {
		if ended {
			h.Discard(sec)
			return nil, &oscorecoap.Refusal{Code: coap.Unauthorized, Unprotected: true}
		}
		return nil, nil
	}})
	w, x, out := register(t, p, h, res, "t")
	ended = true
	wantError(t, out.Respond(notification("secret")), coap.ErrClosed)
	if m := unprotect(t, x, w.only(t)); coap.Code(m.Code) != coap.Unauthorized || len(m.Payload) != 0 {
		t.Errorf("got %v %q, want a bare 4.01", m.Code, m.Payload)
	}
	wait(t, res.ended, "end of the observation")
	w.none(t)
}
