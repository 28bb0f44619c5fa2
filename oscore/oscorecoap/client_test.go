package oscorecoap_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// After the loss of its replay window the server asks for Echo, and serves the
// client within two round trips (RFC 8613, Appendix B.1.2).
func TestEcho(t *testing.T) {
	p := newPair(t, func(_, server *oscore.Config) { server.RecoverWindow, server.Sequence = true, new(counting) })
	handler := new(counter)
	c, d := p.connect(p.handler(t, handler, nil, oscorecoap.Config{}))
	resp, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
	wantResponse(t, resp, err, coap.Content, "1")
	if n := len(d.Requests()); n != 2 {
		t.Errorf("%d round trips, want 2", n)
	}
	resp, err = c.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
	wantResponse(t, resp, err, coap.Content, "2")
	if n := len(d.Requests()); n != 3 {
		t.Errorf("%d round trips after one more request, want 3", n)
	}
	// What was sent before the loss is not accepted after it.
	w := newWriter("replay")
	serveOne(t.Context(), d.Handler, d.Requests()[0], addrA, w)
	if got := w.only(t); got.Code != coap.Unauthorized {
		t.Errorf("replay of the first request: got %v, want 4.01", got.Code)
	}
}

// Appendix B.2 runs behind the client's back, whoever begins.
func TestB2(t *testing.T) {
	for name, change := range map[string]func(client, server *oscore.Config){
		"client has lost its context": func(client, server *oscore.Config) { client.B2, server.B2 = oscore.B2Required, oscore.B2Allowed },
		"server has lost its context": func(client, server *oscore.Config) { client.B2, server.B2 = oscore.B2Allowed, oscore.B2Required },
		"both have":                   func(client, server *oscore.Config) { client.B2, server.B2 = oscore.B2Required, oscore.B2Required },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, change)
			handler := new(counter)
			c, d := p.connect(p.handler(t, handler, nil, oscorecoap.Config{}))
			r := coap.NewRequest(coap.PUT, "/x")
			r.Payload = make([]byte, 1500)
			resp, err := c.Do(t.Context(), r)
			wantResponse(t, resp, err, coap.Content, "1")
			if n := len(d.Requests()); n != 4 {
				t.Errorf("%d round trips for three blocks, want 4", n)
			}
			if p.client.Current() == nil || p.server.Current() == nil {
				t.Error("no context after the run")
			}
		})
	}
}

// hostile is a Doer that answers as it likes.
type hostile struct {
	answer   func(r *coap.Request) *coap.Response
	requests []*coap.Request
}

func (h *hostile) Do(_ context.Context, r *coap.Request) (*coap.Response, error) {
	h.requests = append(h.requests, r.Clone())
	return h.answer(r), nil
}

// Nothing that is not protected is believed, and nothing of it ends the
// association (RFC 8613, Appendix D.5.3).
func TestResponsesThatAreNotProtected(t *testing.T) {
	p := newPair(t, nil)
	good := &coaptest.Direct{Handler: p.handler(t, new(counter), nil, oscorecoap.Config{})}
	for name, answer := range map[string]*coap.Response{
		"4.01":           {Code: coap.Unauthorized, Payload: []byte("Security context not found")},
		"4.01 with Echo": {Code: coap.Unauthorized, Options: coap.Options{{ID: coap.Echo, Value: []byte("x")}}},
		"2.05":           {Code: coap.Content, Payload: []byte("lie")},
		"5.03":           {Code: coap.ServiceUnavailable},
	} {
		h := &hostile{answer: func(*coap.Request) *coap.Response { return answer }}
		resp, err := oscorecoap.NewClient(h, p.client, oscorecoap.ClientConfig{}).Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
		var unprotected *oscorecoap.UnprotectedError
		if resp != nil || !errors.As(err, &unprotected) || unprotected.Response.Code != answer.Code {
			t.Errorf("%s: got %v, %v, want an *UnprotectedError", name, resp, err)
		}
		if n := len(h.requests); n != 1 {
			t.Errorf("%s: %d requests, want 1", name, n)
		}
	}
	for name, answer := range map[string]*coap.Response{
		"garbage inside":     {Code: coap.Changed, Options: coap.Options{{ID: coap.OSCORE}}, Payload: []byte("garbage that is long enough")},
		"malformed option":   {Code: coap.Changed, Options: coap.Options{{ID: coap.OSCORE, Value: []byte{0xff}}}, Payload: []byte("x")},
		"OSCORE, no payload": {Code: coap.Changed, Options: coap.Options{{ID: coap.OSCORE}}},
	} {
		h := &hostile{answer: func(*coap.Request) *coap.Response { return answer }}
		_, err := oscorecoap.NewClient(h, p.client, oscorecoap.ClientConfig{}).Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
		var e *oscore.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v, want an *oscore.Error", name, err)
		}
	}
	resp, err := oscorecoap.NewClient(good, p.client, oscorecoap.ClientConfig{}).Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
	wantResponse(t, resp, err, coap.Content, "1")
}

// A response belongs to its request.
func TestResponsesAreBound(t *testing.T) {
	p := newPair(t, nil)
	handler := p.handler(t, new(counter), nil, oscorecoap.Config{})
	var first *coap.Response
	h := &hostile{answer: func(r *coap.Request) *coap.Response {
		w := newWriter("t")
		serveOne(t.Context(), handler, r, addrA, w)
		resp := w.only(t)
		if first == nil {
			first = resp
		}
		return first
	}}
	c := oscorecoap.NewClient(h, p.client, oscorecoap.ClientConfig{})
	resp, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
	wantResponse(t, resp, err, coap.Content, "1")
	_, err = c.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
	var e *oscore.Error
	if !errors.As(err, &e) {
		t.Errorf("response to another request: got %v, want an *oscore.Error", err)
	}
}

// A server that never has enough is given up on.
func TestRetriesAreBounded(t *testing.T) {
	p := newPair(t, func(_, server *oscore.Config) { server.RecoverWindow, server.Sequence = true, new(counting) })
	handler := p.handler(t, new(counter), nil, oscorecoap.Config{})
	// The server sees each request for the first time, as it was without Echo:
	// a fresh server of the same parameters for each.
	h := &hostile{}
	h.answer = func(r *coap.Request) *coap.Response {
		w := newWriter("t")
		serveOne(t.Context(), handler, r, addrA, w)
		again := newPair(t, func(_, server *oscore.Config) {
			server.RecoverWindow, server.Sequence = true, &counting{next: uint64(1000 * len(h.requests))}
			server.DangerNewAEAD = nil
		})
		handler = again.handler(t, new(counter), nil, oscorecoap.Config{})
		return w.only(t)
	}
	_, err := oscorecoap.NewClient(h, p.client, oscorecoap.ClientConfig{Retries: 3}).Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
	var retry *oscore.Retry
	if !errors.As(err, &retry) {
		t.Errorf("got %v, want an *oscore.Retry", err)
	}
	if n := len(h.requests); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
}

// Without a context nothing goes out.
func TestNothingGoesOutInClear(t *testing.T) {
	p := newPair(t, nil)
	h := &hostile{answer: func(*coap.Request) *coap.Response { return &coap.Response{Code: coap.Content} }}
	c := oscorecoap.NewClient(h, p.client, oscorecoap.ClientConfig{})
	nested := coap.NewRequest(coap.GET, "/x")
	nested.Options.Add(coap.OSCORE, []byte{9})
	if _, err := c.Do(t.Context(), nested); err == nil {
		t.Error("a request with an OSCORE option was accepted")
	}
	p.client.Discard()
	_, err := c.Do(t.Context(), coap.NewRequest(coap.GET, "/x"))
	wantError(t, err, oscore.ErrDiscarded)
	if len(h.requests) != 0 {
		t.Errorf("%d requests went out, want none", len(h.requests))
	}
	wantError(t, c.Observe(t.Context(), coap.NewRequest(coap.GET, "/x"), nil), oscorecoap.ErrNoObserver)
	d := &coaptest.Direct{Handler: respondWith(coap.Content, "x")}
	wantError(t, oscorecoap.NewClient(d, p.client, oscorecoap.ClientConfig{}).Observe(t.Context(), coap.NewRequest(coap.GET, "/x"), nil), oscore.ErrDiscarded)
	if len(d.Requests()) != 0 {
		t.Errorf("%d requests went out, want none", len(d.Requests()))
	}
}

func TestTransportErrors(t *testing.T) {
	p := newPair(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	silent := &coaptest.Direct{Handler: coap.HandlerFunc(func(coap.ResponseWriter, *coap.Request) {})}
	_, err := oscorecoap.NewClient(silent, p.client, oscorecoap.ClientConfig{}).Do(ctx, coap.NewRequest(coap.GET, "/x"))
	wantError(t, err, context.Canceled)
}

func TestAddressOfTheServer(t *testing.T) {
	p := newPair(t, nil)
	h := &hostile{answer: func(*coap.Request) *coap.Response { return &coap.Response{Code: coap.ServiceUnavailable} }}
	r := coap.NewRequest(coap.GET, "/x")
	r.RemoteAddr = addrA
	_, _ = oscorecoap.NewClient(h, p.client, oscorecoap.ClientConfig{}).Do(t.Context(), r)
	_, _ = oscorecoap.NewClient(h, p.client, oscorecoap.ClientConfig{RemoteAddr: addrB}).Do(t.Context(), r)
	if got := h.requests; len(got) != 2 || got[0].RemoteAddr != addrA || got[1].RemoteAddr != addrB {
		t.Errorf("requests went to %v, want %v and %v", got, addrA, addrB)
	}
}

// held is a transport that answers when the test says so.
type held struct {
	handler coap.Handler
	sent    chan *coap.Request
	release chan struct{}
}

func (h *held) Do(ctx context.Context, r *coap.Request) (*coap.Response, error) {
	h.sent <- r.Clone()
	select {
	case <-h.release:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return (&coaptest.Direct{Handler: h.handler}).Do(ctx, r)
}

// A request that is held up on its way would fall out of the server's replay
// window if too many others passed it. They wait; but for 5 seconds only, since
// then it is its answer that takes long.
func TestRequestsStayInTheReplayWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, nil)
		h := &held{handler: p.handler(t, new(counter), nil, oscorecoap.Config{}), sent: make(chan *coap.Request, 256), release: make(chan struct{})}
		c := oscorecoap.NewClient(h, p.client, oscorecoap.ClientConfig{})
		results := make(chan error, 64)
		start := func(ctx context.Context) {
			go func() {
				_, err := c.Do(ctx, coap.NewRequest(coap.GET, "/x"))
				results <- err
			}()
			synctest.Wait()
		}
		for range 33 {
			start(t.Context())
		}
		if len(h.sent) != 32 {
			t.Errorf("%d requests went out, want 32", len(h.sent))
		}
		ctx, cancel := context.WithCancel(t.Context())
		start(ctx)
		cancel()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("a waiting request whose context ends: got %v, want %v", err, context.Canceled)
		}
		time.Sleep(4 * time.Second)
		if len(h.sent) != 32 {
			t.Errorf("%d requests went out after 4 s, want 32", len(h.sent))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(h.sent) != 33 {
			t.Errorf("%d requests went out after 5 s, want 33", len(h.sent))
		}
		for range 33 { // the oldest first
			h.release <- struct{}{}
			if err := <-results; err != nil {
				t.Errorf("request: %v", err)
			}
		}
		close(h.release)
		for range 40 { // nothing is in flight: all at once
			start(t.Context())
			if err := <-results; err != nil {
				t.Errorf("request: %v", err)
			}
		}
	})
}
