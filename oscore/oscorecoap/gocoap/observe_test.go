package gocoap_test

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore/oscorecoap/gocoap"
)

// A resource accepts every observation and notifies when the test says so.
type resource struct {
	writers chan coap.ResponseWriter
	ended   chan struct{}
}

func newResource() *resource {
	return &resource{make(chan coap.ResponseWriter, 16), make(chan struct{}, 16)}
}

func (res *resource) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	observe, ok := r.Options.Uint(coap.Observe)
	if !ok || observe != 0 {
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

func TestObserve(t *testing.T) {
	res := newResource()
	_, addr := serve(t, gocoap.Config{Handler: res})
	c := dial(t, addr, gocoap.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan *coap.Response, 16)
	done := make(chan error, 1)
	go func() {
		done <- c.Observe(ctx, coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { got <- r })
	}()
	w := wait(t, res.writers, "registration")
	first, _ := wait(t, got, "first response").Options.Uint(coap.Observe)
	last := first
	for i := 1; i <= 45; i++ { // passes two confirmable notifications
		want := string(rune('0' + i))
		if err := w.Respond(notification(want)); err != nil {
			t.Fatalf("notification %d: %v", i, err)
		}
		resp := wait(t, got, "notification")
		n, _ := resp.Options.Uint(coap.Observe)
		if string(resp.Payload) != want || n <= last {
			t.Errorf("notification %d: got %q with Observe %d, want %q with more than %d", i, resp.Payload, n, want, last)
		}
		last = n
	}
	cancel()
	if err := wait(t, done, "Observe"); err != nil {
		t.Errorf("Observe: %v, want nil", err)
	}
	wait(t, res.ended, "end at the server")
	wantError(t, w.Respond(notification("late")), coap.ErrClosed)
}

func TestObservationEndsWithAnError(t *testing.T) {
	res := newResource()
	_, addr := serve(t, gocoap.Config{Handler: res})
	c := dial(t, addr, gocoap.Config{})
	got := make(chan *coap.Response, 16)
	done := make(chan error, 1)
	go func() {
		done <- c.Observe(t.Context(), coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { got <- r })
	}()
	w := wait(t, res.writers, "registration")
	wait(t, got, "first response")
	if err := w.Respond(&coap.Response{Code: coap.InternalServerError, Payload: []byte("gone")}); err != nil {
		t.Fatal(err)
	}
	if resp := wait(t, got, "last response"); resp.Code != coap.InternalServerError || string(resp.Payload) != "gone" {
		t.Errorf("last response: got %v %q, want 5.00 gone", resp.Code, resp.Payload)
	}
	if err := wait(t, done, "Observe"); err != nil {
		t.Errorf("Observe: %v, want nil", err)
	}
	wait(t, res.ended, "end at the server")
}

func TestObservationRefused(t *testing.T) {
	_, addr := serve(t, gocoap.Config{Handler: respondWith(coap.Content, "once")})
	c := dial(t, addr, gocoap.Config{})
	var got []string
	if err := c.Observe(t.Context(), coap.NewRequest(coap.GET, "/x"), func(r *coap.Response) { got = append(got, string(r.Payload)) }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != "once" {
		t.Errorf("got %q, want once", got)
	}
}

// register is a registration by hand; it returns the first notification.
func (p *peer) register(mid uint16, token string) []byte {
	p.t.Helper()
	return p.answerTo(message(con, coap.GET, mid, token, append([]byte{0x60}, 0x51, 'x')...))
}

func TestObservationsEnd(t *testing.T) {
	end := map[string]func(p *peer, w coap.ResponseWriter){
		"Reset message to a notification": func(p *peer, w coap.ResponseWriter) {
			_ = w.Respond(notification("1"))
			p.send(message(rst, coap.Empty, midOf(p.receive()), ""))
		},
		"cancellation with the token": func(p *peer, _ coap.ResponseWriter) {
			got := p.answerTo(message(con, coap.GET, 9, "tok", 0x61, 1, 0x51, 'x'))
			if !bytes.HasSuffix(got, []byte("plain")) {
				p.t.Errorf("cancellation answered with %x, want a plain response", got)
			}
		},
		"registration with the same token": func(p *peer, _ coap.ResponseWriter) { p.register(10, "tok") },
		"confirmable notification nobody acknowledges": func(p *peer, w coap.ResponseWriter) {
			n := notification("1")
			n.Confirmable = true
			_ = w.Respond(n)
			first := p.receive()
			for range 2 { // MaxRetransmit
				if again := p.receive(); !bytes.Equal(again, first) {
					p.t.Errorf("retransmission %x, want %x", again, first)
				}
			}
		},
		"handler that is told by End": func(_ *peer, w coap.ResponseWriter) { w.(interface{ End() }).End() },
	}
	for name, f := range end {
		t.Run(name, func(t *testing.T) {
			res := newResource()
			_, addr := serve(t, gocoap.Config{Handler: res, AckTimeout: time.Millisecond, MaxRetransmit: 2})
			p := newPeer(t, addr)
			if got := p.register(1, "tok"); typeOf(got) != ack || got[7]&0xf0 != 0x60 {
				t.Fatalf("registration: got %x, want an acknowledgement with Observe", got)
			}
			w := wait(t, res.writers, "registration")
			f(p, w)
			wait(t, res.ended, "end of the observation")
			wantError(t, w.Respond(notification("late")), coap.ErrClosed)
		})
	}
}

// A cancellation in the clear does not end an observation inside OSCORE, for
// anybody could send one.
func TestOuterCancellationIsIgnored(t *testing.T) {
	res := newResource()
	_, addr := serve(t, gocoap.Config{Handler: res, Understands: oscoreOption})
	p := newPeer(t, addr)
	oscore := []byte{0x60, 0x31, 9, 0xff, 1} // Observe 0, OSCORE, payload
	p.answerTo(message(con, coap.FETCH, 1, "tok", oscore...))
	w := wait(t, res.writers, "registration")
	oscore = []byte{0x61, 1, 0x31, 9, 0xff, 1} // Observe 1
	p.answerTo(message(con, coap.FETCH, 2, "tok", oscore...))
	if err := w.Respond(notification("1")); err != nil {
		t.Fatalf("notification: %v", err)
	}
	if got := p.receive(); !bytes.HasSuffix(got, []byte("1")) {
		t.Errorf("got %x, want the notification", got)
	}
}

// While a confirmable notification is under way, only the newest waits.
func TestNotificationsAreSuperseded(t *testing.T) {
	res := newResource()
	_, addr := serve(t, gocoap.Config{Handler: res, AckTimeout: time.Hour})
	p := newPeer(t, addr)
	p.register(1, "tok")
	w := wait(t, res.writers, "registration")
	n := notification("1")
	n.Confirmable = true
	for _, resp := range []*coap.Response{n, notification("2"), notification("3")} {
		if err := w.Respond(resp); err != nil {
			t.Fatal(err)
		}
	}
	first := p.receive()
	p.nothing()
	p.send(message(ack, coap.Empty, midOf(first), ""))
	if got := p.receive(); !bytes.HasSuffix(got, []byte("3")) {
		t.Errorf("after the acknowledgement: got %x, want notification 3", got)
	}
	p.nothing()
}

func TestObservationsPerPeer(t *testing.T) {
	_, addr := serve(t, gocoap.Config{Handler: newResource(), Observations: 2})
	p := newPeer(t, addr)
	for i, want := range []bool{true, true, false} {
		got := p.register(uint16(i), string(rune('a'+i)))
		if accepted := got[5]&0xf0 == 0x60; accepted != want {
			t.Errorf("registration %d: got %x, accepted %v, want %v", i, got, accepted, want)
		}
	}
	if got := newPeer(t, addr).register(1, "a"); got[5]&0xf0 != 0x60 {
		t.Errorf("another peer: got %x, want Observe", got)
	}
}

func TestStopEndsObservations(t *testing.T) {
	res := newResource()
	t.Run("server", func(t *testing.T) {
		_, addr := serve(t, gocoap.Config{Handler: res, DrainTimeout: time.Hour})
		newPeer(t, addr).register(1, "tok")
		wait(t, res.writers, "registration")
	})
	wait(t, res.ended, "end of the observation")
}

// A client that has forgotten an observation rejects its notifications.
func TestClientRejectsForgottenNotifications(t *testing.T) {
	server := newPeerServer(t)
	c := dial(t, server.addr(), gocoap.Config{AckTimeout: 10 * time.Millisecond, Observer: gocoap.Observer{Error: func(netip.AddrPort, error) {}}})
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan *coap.Response, 4)
	done := make(chan error, 1)
	r := coap.NewRequest(coap.GET, "/x")
	r.Options.Add(coap.OSCORE, []byte{9}) // so that no cancellation is sent
	go func() { done <- c.Observe(ctx, r, func(resp *coap.Response) { got <- resp }) }()
	request := server.receive()
	token := string(request[4 : 4+request[0]&0xf])
	server.send(message(ack, coap.Content, midOf(request), token, 0x61, 5, 0xff, 'a'))
	wait(t, got, "first response")
	// Inside OSCORE the outer order does not count.
	server.send(message(con, coap.Content, 500, token, 0x61, 4, 0xff, 'b'))
	if resp := wait(t, got, "notification"); string(resp.Payload) != "b" {
		t.Errorf("got %q, want b", resp.Payload)
	}
	if b := server.receive(); !bytes.Equal(b, message(ack, coap.Empty, 500, "")) {
		t.Errorf("got %x, want an acknowledgement", b)
	}
	server.send(message(con, coap.Content, 500, token, 0x61, 4, 0xff, 'b')) // again: acknowledged, not delivered
	if b := server.receive(); !bytes.Equal(b, message(ack, coap.Empty, 500, "")) {
		t.Errorf("duplicate: got %x, want an acknowledgement", b)
	}
	cancel()
	if err := wait(t, done, "Observe"); err != nil {
		t.Errorf("Observe: %v", err)
	}
	if len(got) != 0 {
		t.Errorf("duplicate was delivered")
	}
	server.send(message(non, coap.Content, 501, token, 0x61, 6, 0xff, 'c'))
	if b := server.receive(); !bytes.Equal(b, message(rst, coap.Empty, 501, "")) {
		t.Errorf("got %x, want a Reset message", b)
	}
}

// Every twentieth notification must be acknowledged (RFC 7641, Section 4.5).
func TestEveryTwentiethNotificationIsConfirmable(t *testing.T) {
	res := newResource()
	_, addr := serve(t, gocoap.Config{Handler: res, AckTimeout: time.Hour})
	p := newPeer(t, addr)
	p.register(1, "tok")
	w := wait(t, res.writers, "registration")
	for i := 1; i <= 40; i++ {
		if err := w.Respond(notification("x")); err != nil {
			t.Fatal(err)
		}
		got, want := p.receive(), byte(non)
		if i%20 == 0 {
			want = con
			p.send(message(ack, coap.Empty, midOf(got), ""))
			p.nothing() // the acknowledgement has arrived
		}
		if typeOf(got) != want {
			t.Errorf("notification %d has type %d, want %d", i, typeOf(got), want)
		}
	}
}
