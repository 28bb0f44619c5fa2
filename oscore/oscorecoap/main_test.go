package oscorecoap_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits before it calls a thing lost.
const patience = 20 * time.Second

// A pair is a client's and a server's association with each other.
type pair struct {
	client, server *oscore.Association
	contexts       *oscore.Contexts
}

// newPair makes a pair with fresh parameters, whose every AEAD call is watched.
// change may alter the configurations.
func newPair(t testing.TB, change func(client, server *oscore.Config)) *pair {
	t.Helper()
	client := oscore.Config{Subject: "server", Params: oscore.Params{
		MasterSecret: []byte("0123456789abcdef"), MasterSalt: []byte("salt"),
		SenderID: []byte{0x01}, RecipientID: []byte{0x02},
	}}
	server := client
	server.Subject = "client"
	server.SenderID, server.RecipientID = client.RecipientID, client.SenderID
	client.DangerNewAEAD = watch(t)
	server.DangerNewAEAD = client.DangerNewAEAD
	if change != nil {
		change(&client, &server)
	}
	return &pair{client: associate(t, client), server: associate(t, server), contexts: new(oscore.Contexts)}
}

func associate(t testing.TB, cfg oscore.Config) *oscore.Association {
	t.Helper()
	a, err := oscore.NewAssociation(cfg)
	if err != nil {
		t.Fatalf("NewAssociation: %v", err)
	}
	return a
}

// handler returns the Server of the pair's server.
func (p *pair) handler(t testing.TB, protected, plain coap.Handler, cfg oscorecoap.Config) *oscorecoap.Server {
	t.Helper()
	if p.contexts.Len() == 0 {
		if err := p.contexts.Add(p.server); err != nil {
			t.Fatalf("Add: %v", err)
		}
	}
	return oscorecoap.Handler(p.contexts, protected, plain, cfg)
}

// connect returns the pair's client in front of a handler, and what is between.
func (p *pair) connect(h coap.Handler) (*oscorecoap.Client, *coaptest.Direct) {
	d := &coaptest.Direct{Handler: h}
	return oscorecoap.NewClient(d, p.client, oscorecoap.ClientConfig{}), d
}

// protect protects a request of the client by hand.
func (p *pair) protect(t testing.TB, r *coap.Request) (*coap.Request, *oscore.ClientExchange) {
	t.Helper()
	protected, exchange, err := p.client.ProtectRequest(message(r.Code, r.Options, r.Payload))
	if err != nil {
		t.Fatalf("ProtectRequest: %v", err)
	}
	return outer(t, protected), exchange
}

func outer(t testing.TB, p oscore.Protected) *coap.Request {
	t.Helper()
	m, err := p.Message()
	if err != nil {
		t.Fatalf("Message: %v", err)
	}
	r := &coap.Request{Code: coap.Code(m.Code), Payload: m.Payload, RemoteAddr: addrA}
	for _, o := range m.Options {
		r.Options.Add(coap.OptionID(o.Number), o.Value)
	}
	return r
}

func message(code coap.Code, options coap.Options, payload []byte) oscore.Message {
	m := oscore.Message{Code: oscore.Code(code), Payload: payload}
	for _, o := range options {
		m.Options = append(m.Options, oscore.Option{Number: uint16(o.ID), Value: o.Value})
	}
	return m
}

// unprotect verifies a response by hand.
func unprotect(t *testing.T, x *oscore.ClientExchange, resp *coap.Response) oscore.Message {
	t.Helper()
	p, err := oscore.ParseProtected(message(resp.Code, resp.Options, resp.Payload))
	if err != nil {
		t.Fatalf("ParseProtected of %v %q: %v", resp.Code, resp.Payload, err)
	}
	m, err := x.VerifyResponse(p)
	if err != nil {
		t.Fatalf("VerifyResponse: %v", err)
	}
	return m
}

var (
	addrA = netip.MustParseAddrPort("192.0.2.1:5683")
	addrB = netip.MustParseAddrPort("192.0.2.2:5683")
)

// A writer is the transport's ResponseWriter for one request.
type writer struct {
	token     string
	responses chan *coap.Response
	ended     chan struct{}
	dropped   bool
}

func newWriter(token string) *writer {
	return &writer{token: token, responses: make(chan *coap.Response, 64), ended: make(chan struct{})}
}

func (w *writer) Respond(resp *coap.Response) error { w.responses <- resp.Clone(); return nil }
func (w *writer) Token() []byte                     { return []byte(w.token) }
func (w *writer) End()                              { close(w.ended) }
func (w *writer) Drop()                             { w.dropped = true }

// only returns the one response that there is.
func (w *writer) only(t *testing.T) *coap.Response {
	t.Helper()
	resp := w.next(t)
	w.none(t)
	return resp
}

func (w *writer) next(t *testing.T) *coap.Response {
	t.Helper()
	return wait(t, w.responses, "response")
}

// nothing wants the request dropped.
func (w *writer) nothing(t *testing.T) {
	t.Helper()
	w.none(t)
	if !w.dropped {
		t.Error("the transport was not told that there is no response")
	}
}

func (w *writer) none(t *testing.T) {
	t.Helper()
	select {
	case resp := <-w.responses:
		t.Fatalf("got a response, %v %x, want none", resp.Code, resp.Payload)
	default:
	}
}

func wait[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: did not happen", what)
		panic("unreachable")
	}
}

// serveOne passes a request from an address to a handler, as a transport does.
func serveOne(ctx context.Context, h coap.Handler, r *coap.Request, from netip.AddrPort, w coap.ResponseWriter) {
	in := r.Clone().WithContext(ctx)
	in.RemoteAddr = from
	h.ServeCOAP(w, in)
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("error: got %v, want %v", got, want)
	}
}

func wantResponse(t *testing.T, resp *coap.Response, err error, code coap.Code, payload string) {
	t.Helper()
	if err != nil || resp.Code != code || string(resp.Payload) != payload {
		got := ""
		if resp != nil {
			got = fmt.Sprintf("%v %.40q, %d bytes", resp.Code, resp.Payload, len(resp.Payload))
		}
		t.Fatalf("got %s, error %v, want %v %.40q, %d bytes", got, err, code, payload, len(payload))
	}
}

// respondWith answers everything alike.
func respondWith(code coap.Code, payload string) coap.HandlerFunc {
	return func(w coap.ResponseWriter, _ *coap.Request) {
		_ = w.Respond(&coap.Response{Code: code, Payload: []byte(payload)})
	}
}

func asError[T error](err error, target *T) bool { return errors.As(err, target) }
