package edhocrunner

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/idalloc"
)

// reverseServer is an EDHOC resource in the reverse message flow.
type reverseServer struct {
	edhoc    *edhoccoap.ReverseServer
	ids      *idalloc.Allocator
	direct   *coaptest.Direct
	sessions []*edhoc.Session
	failures []error
}

func newReverseServer(t *testing.T, s setting, message4 bool) *reverseServer {
	t.Helper()
	now := func() time.Time { return time.Unix(1e9, 0) }
	w := new(reverseServer)
	var err error
	w.ids, err = idalloc.New(idalloc.Config{Now: now})
	must(t, err)
	i, err := edhoc.NewInitiator(s.config(t, true))
	must(t, err)
	w.edhoc, err = edhoccoap.NewReverseServer(edhoccoap.ReverseConfig{
		Initiator: i, IDs: w.ids, Now: now, Message4: message4,
		Find: func(_ context.Context, id edhoc.IDCred, _ []edhoc.EADItem) ([]*edhoc.Credential, error) {
			return s.trusted(t, id), nil
		},
		Establish: func(s *edhoc.Session, _ *idalloc.Live) error { w.sessions = append(w.sessions, s); return nil },
		Observer:  edhoccoap.Observer{Failed: func(_ netip.AddrPort, err error) { w.failures = append(w.failures, err) }},
	})
	must(t, err)
	w.direct = &coaptest.Direct{Handler: w.edhoc}
	return w
}

func (w *reverseServer) do(t *testing.T, r *coap.Request) *coap.Response {
	t.Helper()
	resp, err := w.direct.Do(t.Context(), r)
	must(t, err)
	return resp
}

// begin asks for message_1 and makes message_2.
func (w *reverseServer) begin(t *testing.T, p *Peer) []byte {
	t.Helper()
	resp := w.do(t, coap.NewRequest(coap.POST, edhoccoap.Path))
	if f, _ := resp.Options.Uint(coap.ContentFormat); resp.Code != coap.Changed || f != formatEDHOC {
		t.Fatalf("answered with %v, Content-Format %d", resp.Code, f)
	}
	must(t, p.ReadMessage1(resp.Payload))
	msg2, err := p.WriteMessage2()
	must(t, err)
	return msg2
}

// good runs a whole handshake.
func (w *reverseServer) good(t *testing.T, s setting, message4 bool) {
	t.Helper()
	p := s.peer(t, false)
	resp := w.do(t, post()) // an empty payload, with a Content-Format
	must(t, p.ReadMessage1(resp.Payload))
	msg2, err := p.WriteMessage2()
	must(t, err)
	before := len(w.sessions)
	resp = w.do(t, post(Identifier(p.OtherC), msg2))
	must(t, p.ReadMessage3(resp.Payload))
	if message4 {
		if len(w.sessions) != before {
			t.Error("established before message_4")
		}
		msg4, err := p.WriteMessage4()
		must(t, err)
		if resp = w.do(t, post(Identifier(p.OtherC), msg4)); resp.Code != coap.Changed || len(resp.Payload) > 0 {
			t.Errorf("message_4 is answered with %v %x", resp.Code, resp.Payload)
		}
	}
	if len(w.sessions) != before+1 {
		t.Fatalf("%d Sessions, failures %v", len(w.sessions), w.failures)
	}
	agree(t, p, w.sessions[before])
}

// What a client can do wrong in the reverse message flow, with message_2 or message_4.
//
//spec:9528-A.2-5
//spec:9528-A.2.3-1
//spec:9528-A.2.3-2
func TestCoAPReverse(t *testing.T) {
	payload := func(change func(p *Peer, msg []byte) []byte) func(*Peer, *coap.Request, []byte) {
		return func(p *Peer, r *coap.Request, msg []byte) { r.Payload = change(p, msg) }
	}
	plain := func(change func([]byte) []byte) func(*Peer, *coap.Request, []byte) {
		return func(_ *Peer, r *coap.Request, _ []byte) { r.Payload = change(r.Payload) }
	}
	for _, m := range []struct {
		name     string
		message4 bool // the fault is in message_4, not in message_2
		bug      func(p *Peer)
		change   func(p *Peer, r *coap.Request, msg []byte)
		code     coap.Code
		sent     int64
		waits    bool
	}{
		{name: "GET", change: func(_ *Peer, r *coap.Request, _ []byte) { r.Code = coap.GET }, code: coap.MethodNotAllowed, waits: true},
		{name: "Content-Format of messages without prefix", change: func(_ *Peer, r *coap.Request, _ []byte) { r.Options.SetUint(coap.ContentFormat, formatEDHOC) }, code: coap.UnsupportedContentFormat, waits: true},
		{name: "C_I is missing", change: payload(func(_ *Peer, msg []byte) []byte { return msg }), code: coap.BadRequest, waits: true},
		{name: "C_I of nobody", change: payload(func(_ *Peer, msg []byte) []byte { return Sequence(Bytes([]byte("nobody")), msg) }), code: coap.BadRequest, waits: true},
		{name: "C_R instead of C_I", change: payload(func(p *Peer, msg []byte) []byte { return Sequence(Identifier(p.C), msg) }), code: coap.BadRequest, waits: true},
		{name: "true before message_2", change: payload(func(_ *Peer, msg []byte) []byte { return Sequence([]byte{0xf5}, msg) }), code: coap.BadRequest, waits: true},
		{name: "C_I as a byte string that has an integer", change: payload(func(p *Peer, msg []byte) []byte { return Sequence(Bytes(p.OtherC), msg) }), code: coap.BadRequest, waits: true},
		{name: "C_I alone", change: payload(func(p *Peer, _ []byte) []byte { return Identifier(p.OtherC) }), code: coap.BadRequest, sent: 1},
		{name: "message_1 back", change: payload(func(p *Peer, _ []byte) []byte { return Sequence(p.OtherC, p.Values["message_1"]) }), code: coap.BadRequest, sent: 1},
		{name: "message_2 cut off", change: plain(shorter), code: coap.BadRequest, sent: 1},
		{name: "message_2 twice", change: payload(func(p *Peer, msg []byte) []byte { return Sequence(p.OtherC, msg, msg) }), code: coap.BadRequest, sent: 1},
		{name: "kid of nobody", bug: items("PLAINTEXT_2", replace(1, Bytes([]byte("nobody")))), code: coap.BadRequest, sent: 3},
		{name: "MAC_2 flipped", bug: value("Signature_or_MAC_2", flip(0)), code: coap.BadRequest, sent: 1},
		{name: "credential of the server itself", bug: before("message_2", func(p *Peer) { p.Own = p.Other }), code: coap.BadRequest, sent: 1},
		{name: "C_R is C_I", bug: before("message_2", func(p *Peer) { p.C = p.OtherC }), code: coap.BadRequest, sent: 1},
		{name: "critical EAD item", bug: items("PLAINTEXT_2", add(Int(-9))), code: coap.BadRequest, sent: 1},
		{name: "error 1 instead of message_2", change: payload(func(p *Peer, _ []byte) []byte { return Sequence(p.OtherC, Int(1), Text("no")) }), code: coap.Changed},
		{name: "error 2 instead of message_2", change: payload(func(p *Peer, _ []byte) []byte { return Sequence(p.OtherC, Int(2), Int(2)) }), code: coap.Changed},

		{name: "message_4 flipped", message4: true, change: plain(flip(-1)), code: coap.BadRequest, sent: 1},
		{name: "message_4 of K_3", message4: true, bug: label("K_4", 3), code: coap.BadRequest, sent: 1},
		{name: "message_3 back instead of message_4", message4: true, change: payload(func(p *Peer, _ []byte) []byte { return Sequence(p.OtherC, p.Values["message_3"]) }), code: coap.BadRequest, sent: 1},
		{name: "no message_4", message4: true, change: payload(func(p *Peer, _ []byte) []byte { return p.OtherC }), code: coap.BadRequest, sent: 1},
		{name: "C_I of nobody before message_4", message4: true, change: payload(func(_ *Peer, msg []byte) []byte { return Sequence(Bytes([]byte("nobody")), msg) }), code: coap.BadRequest, waits: true},
		{name: "error 1 instead of message_4", message4: true, change: payload(func(p *Peer, _ []byte) []byte { return Sequence(p.OtherC, Int(1), Text("no")) }), code: coap.Changed},
		{name: "critical EAD item in message_4", message4: true, bug: items("PLAINTEXT_4", add(Int(-9))), code: coap.BadRequest, sent: 1},
	} {
		t.Run(m.name, func(t *testing.T) {
			s := setting{method: 3, suite: 2}
			w := newReverseServer(t, s, m.message4)
			p := s.peer(t, false)
			if m.bug != nil {
				m.bug(p)
			}
			msg := w.begin(t, p)
			if m.message4 {
				must(t, p.ReadMessage3(w.do(t, post(Identifier(p.OtherC), msg)).Payload))
				var err error
				msg, err = p.WriteMessage4()
				must(t, err)
			}
			r := post(Identifier(p.OtherC), msg)
			if m.change != nil {
				m.change(p, r, msg)
			}
			resp := w.do(t, r)
			sent := int64(0)
			if len(resp.Payload) > 0 {
				e, err := ReadError(resp.Payload)
				must(t, err)
				sent = e.Code
			}
			f, ok := resp.Options.Uint(coap.ContentFormat)
			if resp.Code != m.code || sent != m.sent || (sent != 0) != (ok && f == formatEDHOC) {
				t.Errorf("got %v %x, Content-Format %d; want %v, error %d", resp.Code, resp.Payload, f, m.code, m.sent)
			}
			held := map[idalloc.State]int{}
			for _, h := range w.ids.Holdings() {
				held[h.State]++
			}
			pending := 0
			if m.waits {
				pending = 1
			}
			if len(w.sessions) != 0 || w.edhoc.Pending() != pending || held[idalloc.StateLive] != 0 || held[idalloc.StatePending] != pending {
				t.Errorf("%d Sessions, %d pending, identifiers held: %v", len(w.sessions), w.edhoc.Pending(), held)
			}
			if m.waits { // the handshake goes on
				if resp := w.do(t, post(Identifier(p.OtherC), msg)); resp.Code != coap.Changed {
					t.Errorf("then: %v %x", resp.Code, resp.Payload)
				}
			}
			w.good(t, s, m.message4)
		})
	}
}
