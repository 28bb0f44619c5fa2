package edhocrunner

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/edhoc/oscorekeys"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/internal/secret"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// The Content-Formats of RFC 9528, Section 10.9.
const (
	formatEDHOC    = 64
	formatCIDEDHOC = 65
)

// server is a whole CoAP server with an EDHOC resource and OSCORE, without a network.
type server struct {
	edhoc    *edhoccoap.Server
	contexts *oscore.Contexts
	ids      *idalloc.Allocator
	direct   *coaptest.Direct
	failures []error
	executed int // requests inside OSCORE
}

func newServer(t *testing.T, s setting, change func(*edhoccoap.Config)) *server {
	t.Helper()
	now := func() time.Time { return time.Unix(1e9, 0) }
	w := &server{contexts: new(oscore.Contexts)}
	var err error
	w.ids, err = idalloc.New(idalloc.Config{Now: now})
	must(t, err)
	r, err := edhoc.NewResponder(s.config(t, false))
	must(t, err)
	cfg := edhoccoap.Config{
		Responder: r, IDs: w.ids, Now: now, Establish: edhoccoap.Install(w.contexts, oscorekeys.Lengths{}, nil),
		Find: func(_ context.Context, id edhoc.IDCred, _ []edhoc.EADItem) ([]*edhoc.Credential, error) {
			return s.trusted(t, id), nil
		},
		Observer: edhoccoap.Observer{Failed: func(_ netip.AddrPort, err error) { w.failures = append(w.failures, err) }},
	}
	if change != nil {
		change(&cfg)
	}
	w.edhoc, err = edhoccoap.NewServer(cfg)
	must(t, err)
	mux := new(coap.Mux)
	mux.Handle(edhoccoap.Path, w.edhoc)
	protected := coap.HandlerFunc(func(rw coap.ResponseWriter, r *coap.Request) {
		w.executed++
		_ = rw.Respond(&coap.Response{Code: coap.Content, Payload: []byte(r.Path())})
	})
	h := w.edhoc.Combined(oscorecoap.Handler(w.contexts, protected, mux, oscorecoap.Config{Now: now}), coap.BlockwiseConfig{Now: now})
	w.direct = &coaptest.Direct{Handler: coap.HandlerFunc(func(rw coap.ResponseWriter, r *coap.Request) {
		// As a coap.Endpoint does that is configured for both.
		if coap.CheckOptions(r, coap.OSCORE, coap.EDHOC) != 0 {
			_ = rw.Respond(&coap.Response{Code: coap.BadOption})
			return
		}
		h.ServeCOAP(rw, r)
	})}
	return w
}

func (w *server) do(t *testing.T, r *coap.Request) *coap.Response {
	t.Helper()
	resp, err := w.direct.Do(t.Context(), r)
	must(t, err)
	return resp
}

// post is a request to the EDHOC resource (RFC 9528, Appendix A.2.1).
func post(payload ...[]byte) *coap.Request {
	r := coap.NewRequest(coap.POST, edhoccoap.Path)
	r.Options.AddUint(coap.ContentFormat, formatCIDEDHOC)
	r.Payload = Sequence(payload...)
	return r
}

// begin runs the first half of a handshake.
func (w *server) begin(t *testing.T, p *Peer) {
	t.Helper()
	msg1, err := p.WriteMessage1()
	must(t, err)
	resp := w.do(t, post([]byte{0xf5}, msg1))
	if f, _ := resp.Options.Uint(coap.ContentFormat); resp.Code != coap.Changed || f != formatEDHOC {
		t.Fatalf("message_1 is answered with %v, Content-Format %d", resp.Code, f)
	}
	must(t, p.ReadMessage2(resp.Payload))
}

// protect makes the client's association of the keys that the runner has, and a request.
func protect(t *testing.T, p *Peer) (*oscore.Association, *oscore.ClientExchange, *coap.Request) {
	t.Helper()
	ms, err := p.Export(0, nil, 16)
	must(t, err)
	salt, err := p.Export(1, nil, 8)
	must(t, err)
	a, err := oscore.NewAssociation(oscore.Config{Params: oscore.Params{
		MasterSecret: secret.Bytes(ms), MasterSalt: salt, SenderID: p.OtherC, RecipientID: p.C,
	}})
	must(t, err)
	exchange, r := request(t, a)
	return a, exchange, r
}

// request protects a GET for /temp.
func request(t *testing.T, a *oscore.Association) (*oscore.ClientExchange, *coap.Request) {
	t.Helper()
	out, exchange, err := a.ProtectRequest(oscore.Message{Code: oscore.Code(coap.GET), Options: []oscore.Option{{Number: 11, Value: []byte("temp")}}})
	must(t, err)
	outer, err := out.Message()
	must(t, err)
	r := coap.NewRequest(coap.Code(outer.Code), "/")
	for _, o := range outer.Options {
		r.Options.Set(coap.OptionID(o.Number), o.Value)
	}
	r.Payload = outer.Payload
	return exchange, r
}

// wantContent checks that the response is protected and is the answer.
func wantContent(t *testing.T, exchange *oscore.ClientExchange, resp *coap.Response) {
	t.Helper()
	m := oscore.Message{Code: oscore.Code(resp.Code), Payload: resp.Payload}
	for _, o := range resp.Options {
		m.Options = append(m.Options, oscore.Option{Number: uint16(o.ID), Value: o.Value})
	}
	protected, err := oscore.ParseProtected(m)
	if err != nil {
		t.Fatalf("%v %x is not protected: %v", resp.Code, resp.Payload, err)
	}
	inner, err := exchange.VerifyResponse(protected)
	must(t, err)
	if coap.Code(inner.Code) != coap.Content || string(inner.Payload) != "/temp" {
		t.Errorf("got %v %q", coap.Code(inner.Code), inner.Payload)
	}
}

// A coapMisbehaviour is a fault of a client, in one of the three requests that it can make.
type coapMisbehaviour struct {
	name   string
	at     stage
	bug    func(p *Peer)
	change func(p *Peer, r *coap.Request)
	config func(c *edhoccoap.Config)
	code   coap.Code
	sent   int64 // the error message in the answer, 0 for none
	waits  bool  // the handshake goes on
	ok     bool  // the handshake completes, whatever became of the request
}

type stage int

const (
	first    stage = iota // POST true, message_1
	third                 // POST C_R, message_3
	combined              // OSCORE and EDHOC, message_3, ciphertext
)

func coapMisbehaviours() []coapMisbehaviour {
	code := func(c coap.Code) func(*Peer, *coap.Request) { return func(_ *Peer, r *coap.Request) { r.Code = c } }
	format := func(f uint32) func(*Peer, *coap.Request) {
		return func(_ *Peer, r *coap.Request) { r.Options.SetUint(coap.ContentFormat, f) }
	}
	payload := func(change func(p *Peer, b []byte) []byte) func(*Peer, *coap.Request) {
		return func(p *Peer, r *coap.Request) { r.Payload = change(p, r.Payload) }
	}
	plain := func(change func(b []byte) []byte) func(*Peer, *coap.Request) {
		return payload(func(_ *Peer, b []byte) []byte { return change(b) })
	}
	msg3 := func(p *Peer) []byte { return p.Values["message_3"] }
	option := func(id coap.OptionID, v []byte) func(*Peer, *coap.Request) {
		return func(_ *Peer, r *coap.Request) { r.Options.Set(id, v) }
	}
	without := func(id coap.OptionID) func(*Peer, *coap.Request) {
		return func(_ *Peer, r *coap.Request) { r.Options.Remove(id) }
	}
	needed := func(c *edhoccoap.Config) { c.Message4 = true }
	return []coapMisbehaviour{
		{name: "GET", at: first, change: code(coap.GET), code: coap.MethodNotAllowed},
		{name: "PUT", at: first, change: code(coap.PUT), code: coap.MethodNotAllowed},
		{name: "DELETE", at: first, change: code(coap.DELETE), code: coap.MethodNotAllowed},
		{name: "FETCH", at: first, change: code(coap.FETCH), code: coap.MethodNotAllowed},
		{name: "Content-Format of messages without prefix", at: first, change: format(formatEDHOC), code: coap.UnsupportedContentFormat},
		{name: "Content-Format of texts", at: first, change: format(0), code: coap.UnsupportedContentFormat},
		{name: "Content-Format of CBOR", at: first, change: format(60), code: coap.UnsupportedContentFormat},
		{name: "true is missing", at: first, change: plain(func(b []byte) []byte { return b[1:] }), code: coap.BadRequest},
		{name: "false instead of true", at: first, change: plain(func(b []byte) []byte { b[0] = 0xf4; return b }), code: coap.BadRequest},
		{name: "null instead of true", at: first, change: plain(func(b []byte) []byte { b[0] = 0xf6; return b }), code: coap.BadRequest},
		{name: "true in two bytes", at: first, change: plain(func(b []byte) []byte { return append([]byte{0xf8, 0xf5}, b[1:]...) }), code: coap.BadRequest},
		{name: "true twice", at: first, change: plain(front(0xf5)), code: coap.BadRequest, sent: 1},
		{name: "true alone", at: first, change: plain(func(b []byte) []byte { return b[:1] }), code: coap.BadRequest, sent: 1},
		{name: "no payload", at: first, change: plain(none), code: coap.BadRequest},
		{name: "C_I instead of true", at: first, change: plain(func(b []byte) []byte { b[0] = 0x37; return b }), code: coap.BadRequest},
		{name: "message_1 cut off", at: first, change: plain(shorter), code: coap.BadRequest, sent: 1},
		{name: "METHOD that is not supported", at: first, bug: items("message_1", replace(atMethod, Int(0))), code: coap.BadRequest, sent: 1},
		{name: "wrong suite", at: first, bug: items("message_1", replace(atSuitesI, Int(3))), code: coap.BadRequest, sent: 2},
		{name: "G_X that is no point", at: first, bug: value("G_X", shorter), code: coap.BadRequest, sent: 1},
		{name: "critical EAD item", at: first, bug: items("message_1", add(Int(-9))), code: coap.BadRequest, sent: 1},
		{name: "C_I too long for OSCORE", at: first, bug: func(p *Peer) { p.C = []byte("12345678") }, code: coap.BadRequest, sent: 1},
		{name: "message_1 in an OSCORE message", at: first, change: option(coap.OSCORE, []byte{0x09, 0x00, 0x05}), code: coap.Unauthorized},
		{name: "message_1 with an EDHOC option", at: first, change: option(coap.EDHOC, nil), code: coap.BadRequest},
		{name: "message_1 with an unknown critical option", at: first, change: option(65001, nil), code: coap.BadOption},
		{name: "error message instead of message_1", at: first, change: plain(constant(Sequence([]byte{0xf5}, Int(1), Text("no")))), code: coap.Changed},

		{name: "GET", at: third, change: code(coap.GET), code: coap.MethodNotAllowed, waits: true},
		{name: "Content-Format of messages without prefix", at: third, change: format(formatEDHOC), code: coap.UnsupportedContentFormat, waits: true},
		{name: "no payload", at: third, change: plain(none), code: coap.BadRequest, waits: true},
		{name: "C_R is missing", at: third, change: payload(func(p *Peer, _ []byte) []byte { return msg3(p) }), code: coap.BadRequest, waits: true},
		{name: "C_R of nobody", at: third, change: payload(func(p *Peer, _ []byte) []byte { return Sequence(Bytes([]byte("nobody")), msg3(p)) }), code: coap.BadRequest, waits: true},
		{name: "C_R as a byte string that has an integer", at: third, change: payload(func(p *Peer, _ []byte) []byte { return Sequence(Bytes(p.OtherC), msg3(p)) }), code: coap.BadRequest, waits: true},
		{name: "C_R in a head that is too long", at: third, change: payload(func(p *Peer, _ []byte) []byte { return Sequence(Wide(p.OtherC, 1), msg3(p)) }), code: coap.BadRequest, waits: true},
		{name: "C_R as a text", at: third, change: payload(func(p *Peer, _ []byte) []byte { return Sequence(Text(string(p.OtherC)), msg3(p)) }), code: coap.BadRequest, waits: true},
		{name: "C_I instead of C_R", at: third, change: payload(func(p *Peer, _ []byte) []byte { return Sequence(Identifier(p.C), msg3(p)) }), code: coap.BadRequest, waits: true},
		{name: "true before message_3", at: third, change: payload(func(p *Peer, _ []byte) []byte { return Sequence([]byte{0xf5}, msg3(p)) }), code: coap.BadRequest, sent: 1, waits: true},
		{name: "C_R alone", at: third, change: payload(func(p *Peer, _ []byte) []byte { return p.OtherC }), code: coap.BadRequest, sent: 1},
		{name: "C_R twice", at: third, change: payload(func(p *Peer, b []byte) []byte { return Sequence(p.OtherC, b) }), code: coap.Changed}, // an error message, if of an unknown code
		{name: "message_3 cut off", at: third, change: plain(shorter), code: coap.BadRequest, sent: 1},
		{name: "message_3 flipped", at: third, change: plain(flip(-1)), code: coap.BadRequest, sent: 1},
		{name: "message_3 and more", at: third, change: plain(back(1, 2, 3)), code: coap.BadRequest, sent: 1},
		{name: "message_1 instead of message_3", at: third, change: payload(func(p *Peer, _ []byte) []byte { return Sequence(p.OtherC, p.Values["message_1"]) }), code: coap.BadRequest, sent: 1},
		{name: "message_2 instead of message_3", at: third, change: payload(func(p *Peer, _ []byte) []byte { return Sequence(p.OtherC, p.Values["message_2"]) }), code: coap.BadRequest, sent: 1},
		{name: "kid of nobody", at: third, bug: items("PLAINTEXT_3", replace(0, Bytes([]byte("nobody")))), code: coap.BadRequest, sent: 3},
		{name: "MAC_3 flipped", at: third, bug: value("Signature_or_MAC_3", flip(0)), code: coap.BadRequest, sent: 1},
		{name: "credential of the server itself", at: third, bug: before("message_3", func(p *Peer) { p.Own = p.Other }), code: coap.BadRequest, sent: 1},
		{name: "critical EAD item", at: third, bug: items("PLAINTEXT_3", add(Int(-9))), code: coap.BadRequest, sent: 1},
		{name: "error message instead of message_3", at: third, change: payload(func(p *Peer, _ []byte) []byte { return Sequence(p.OtherC, Int(1), Text("no")) }), code: coap.Changed},
		{name: "error message of nobody", at: third, change: plain(constant(Sequence(Bytes([]byte("nobody")), Int(1), Text("no")))), code: coap.BadRequest, waits: true},
		{name: "message_3 with an EDHOC option", at: third, change: option(coap.EDHOC, nil), code: coap.BadRequest, waits: true},

		{name: "EDHOC option without OSCORE", at: combined, change: without(coap.OSCORE), code: coap.BadRequest, waits: true},
		{name: "EDHOC option twice", at: combined, change: func(_ *Peer, r *coap.Request) { r.Options.Add(coap.EDHOC, nil) }, code: coap.BadOption, waits: true},
		{name: "no EDHOC option", at: combined, change: without(coap.EDHOC), code: coap.Unauthorized, waits: true},
		{name: "unknown critical option", at: combined, change: option(65001, nil), code: coap.BadOption, waits: true},
		{name: "message_4 is due", at: combined, config: needed, code: coap.BadRequest, sent: 1},
		{name: "kid of nobody in OSCORE", at: combined, change: option(coap.OSCORE, []byte{0x09, 0x00, 'x', 'y'}), code: coap.BadRequest, sent: 1, waits: true},
		{name: "no kid in OSCORE", at: combined, change: option(coap.OSCORE, []byte{0x01, 0x00}), code: coap.BadRequest, waits: true},
		{name: "empty OSCORE option", at: combined, change: option(coap.OSCORE, nil), code: coap.BadRequest, waits: true},
		{name: "reserved bits in OSCORE", at: combined, change: option(coap.OSCORE, []byte{0xe9, 0x00, 0x05}), code: coap.BadRequest, waits: true},
		{name: "message_3 alone", at: combined, change: payload(func(p *Peer, _ []byte) []byte { return msg3(p) }), code: coap.BadRequest, waits: true},
		{name: "OSCORE ciphertext alone", at: combined, change: plain(constant([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9})), code: coap.BadRequest, waits: true},
		{name: "no payload", at: combined, change: plain(none), code: coap.BadRequest, waits: true},
		{name: "message_3 as a text", at: combined, change: plain(func(b []byte) []byte { b[0] |= 0x20; return b }), code: coap.BadRequest, waits: true},
		{name: "message_3 in a head that is too long", at: combined, change: payload(func(p *Peer, b []byte) []byte { return append(Wide(msg3(p), 1), b[len(msg3(p)):]...) }), code: coap.BadRequest, waits: true},
		{name: "message_3 of indefinite length", at: combined, change: payload(func(p *Peer, b []byte) []byte { return append(Indefinite(msg3(p)), b[len(msg3(p)):]...) }), code: coap.BadRequest, waits: true},
		{name: "C_R before message_3", at: combined, change: payload(func(p *Peer, b []byte) []byte { return Sequence(p.OtherC, b) }), code: coap.BadRequest, waits: true},
		{name: "ciphertext before message_3", at: combined, change: payload(func(p *Peer, b []byte) []byte { return Sequence([]byte{1, 2, 3}, msg3(p)) }), code: coap.BadRequest, waits: true},
		{name: "message_3 flipped", at: combined, change: plain(flip(3)), code: coap.BadRequest, sent: 1},
		{name: "message_3 empty", at: combined, change: payload(func(p *Peer, b []byte) []byte { return Sequence(Bytes(nil), b[len(msg3(p)):]) }), code: coap.BadRequest, sent: 1},
		{name: "message_2 instead of message_3", at: combined, change: payload(func(p *Peer, b []byte) []byte {
			return Sequence(p.Values["message_2"], b[len(msg3(p)):])
		}), code: coap.BadRequest, sent: 1},
		{name: "kid of nobody", at: combined, bug: items("PLAINTEXT_3", replace(0, Bytes([]byte("nobody")))), code: coap.BadRequest, sent: 1}, // not 3
		{name: "MAC_3 flipped", at: combined, bug: value("Signature_or_MAC_3", flip(0)), code: coap.BadRequest, sent: 1},
		{name: "credential of the server itself", at: combined, bug: before("message_3", func(p *Peer) { p.Own = p.Other }), code: coap.BadRequest, sent: 1},
		{name: "critical EAD item", at: combined, bug: items("PLAINTEXT_3", add(Int(-9))), code: coap.BadRequest, sent: 1},
		{name: "PRK_out of another label", at: combined, bug: label("PRK_out", 8), code: coap.BadRequest, ok: true},
		{name: "PRK_exporter of another label", at: combined, bug: label("PRK_exporter", 11), code: coap.BadRequest, ok: true},
		{name: "OSCORE ciphertext flipped", at: combined, change: plain(flip(-1)), code: coap.BadRequest, ok: true},
		{name: "OSCORE ciphertext cut off", at: combined, change: plain(shorter), code: coap.BadRequest, ok: true},
		{name: "OSCORE ciphertext of a byte", at: combined, change: payload(func(p *Peer, _ []byte) []byte { return Sequence(msg3(p), []byte{0}) }), code: coap.BadRequest, ok: true},
		{name: "message_3 twice", at: combined, change: payload(func(p *Peer, b []byte) []byte { return Sequence(msg3(p), b) }), code: coap.BadRequest, ok: true},
		{name: "Partial IV of another request", at: combined, change: func(p *Peer, r *coap.Request) {
			r.Options.Set(coap.OSCORE, append([]byte{0x09, 0x07}, p.OtherC...))
		}, code: coap.BadRequest, ok: true},
	}
}

// What a client can do wrong with the EDHOC resource and with combined requests (ED-18):
// the response, in clear, the error message in it, and what is left at the server. A good
// client comes afterwards.
//
//spec:9528-A.2.3-1
//spec:9528-A.2.3-2
//spec:9668-3.1-3
//spec:9668-3.3.1-2
//spec:9668-3.3.1-3
//spec:9668-3.3.1-4
//spec:9668-3.3.1-7
//spec:9668-3.3.1-8
func TestCoAP(t *testing.T) {
	all := coapMisbehaviours()
	t.Logf("%d misbehaviours", len(all))
	for _, m := range all {
		t.Run([]string{"message_1/", "message_3/", "combined/"}[m.at]+m.name, func(t *testing.T) {
			s := setting{method: 3, suite: 2}
			w := newServer(t, s, m.config)
			p, r := m.request(t, s, w)
			m.check(t, w, p, w.do(t, r))
			if m.waits {
				w.finish(t, p)
			} else if m.config == nil {
				w.again(t, s)
			}
		})
	}
}

// request makes the bad request, after what goes before it.
func (m coapMisbehaviour) request(t *testing.T, s setting, w *server) (*Peer, *coap.Request) {
	t.Helper()
	p := s.peer(t, true)
	p.C = []byte("client")
	if m.bug != nil {
		m.bug(p)
	}
	var r *coap.Request
	if m.at == first {
		msg1, err := p.WriteMessage1()
		must(t, err)
		r = post([]byte{0xf5}, msg1)
	} else {
		w.begin(t, p)
		msg3, err := p.WriteMessage3()
		must(t, err)
		if r = post(p.OtherC, msg3); m.at == combined {
			_, _, r = protect(t, p)
			r.Options.Set(coap.EDHOC, nil)
			r.Payload = Sequence(msg3, r.Payload)
		}
	}
	if m.change != nil {
		m.change(p, r)
	}
	return p, r
}

// All of them at one server, one after the other: those that fail leave nothing but
// identifiers that rest, and the handshakes that they did not touch can all be finished.
func TestCoAPOneServer(t *testing.T) {
	s := setting{method: 3, suite: 2}
	w := newServer(t, s, func(c *edhoccoap.Config) {
		var err error
		c.IDs, err = idalloc.New(idalloc.Config{Now: c.Now, MaxUnvalidated: 1000})
		must(t, err)
		c.MaxPeer = 1000
	})
	var waiting []*Peer
	established := 0
	for _, m := range coapMisbehaviours() {
		if m.config != nil {
			continue
		}
		p, r := m.request(t, s, w)
		if resp := w.do(t, r); resp.Code != m.code {
			t.Errorf("%s: %v, want %v", m.name, resp.Code, m.code)
		}
		if m.waits {
			waiting = append(waiting, p)
		}
		if m.ok {
			established++
		}
	}
	if w.edhoc.Pending() != len(waiting) || w.contexts.Len() != established || w.executed != 0 {
		t.Errorf("%d pending, %d contexts, %d executed; want %d and %d", w.edhoc.Pending(), w.contexts.Len(), w.executed, len(waiting), established)
	}
	for _, p := range waiting {
		_, exchange, r := protect(t, p)
		r.Options.Set(coap.EDHOC, nil)
		r.Payload = Sequence(p.Values["message_3"], r.Payload)
		wantContent(t, exchange, w.do(t, r))
	}
	if w.edhoc.Pending() != 0 || w.contexts.Len() != established+len(waiting) || w.executed != len(waiting) {
		t.Errorf("%d pending, %d contexts, %d executed", w.edhoc.Pending(), w.contexts.Len(), w.executed)
	}
}

// check looks at the response and at what the server has.
func (m coapMisbehaviour) check(t *testing.T, w *server, p *Peer, resp *coap.Response) {
	t.Helper()
	f, ok := resp.Options.Uint(coap.ContentFormat)
	if resp.Code != m.code || resp.Options.Has(coap.OSCORE) || (m.sent != 0) != (ok && f == formatEDHOC) {
		t.Errorf("got %v %q, Content-Format %d, OSCORE %t; want %v", resp.Code, resp.Payload, f, resp.Options.Has(coap.OSCORE), m.code)
	}
	if m.sent != 0 {
		e, err := ReadError(resp.Payload)
		if err != nil || e.Code != m.sent {
			t.Errorf("the peer receives %x: %v, want code %d", resp.Payload, err, m.sent)
		}
		if m.at != first && e.Code == 1 && e.Text != "processing failed" && p.OtherC != nil && !m.waits {
			t.Errorf("the peer learns %q", e.Text)
		}
	} else if m.code != coap.Unauthorized && !m.ok && len(resp.Payload) > 0 {
		t.Errorf("payload %q", resp.Payload)
	}
	contexts, pending := 0, 0
	if m.ok {
		contexts = 1
	}
	if m.waits {
		pending = 1
	}
	if w.contexts.Len() != contexts || w.edhoc.Pending() != pending || w.executed != 0 {
		t.Errorf("%d contexts, %d pending, %d executed", w.contexts.Len(), w.edhoc.Pending(), w.executed)
	}
	held := map[idalloc.State]int{}
	for _, h := range w.ids.Holdings() {
		held[h.State]++
	}
	if held[idalloc.StateLive] != contexts || held[idalloc.StatePending] != pending {
		t.Errorf("identifiers held: %v", held)
	}
	if unused := p.Bugs.unused(p.seen); len(unused) > 0 {
		t.Errorf("faults that did not happen: %q", unused)
	}
}

// finish goes on with a handshake that the fault did not touch.
func (w *server) finish(t *testing.T, p *Peer) {
	t.Helper()
	_, exchange, r := protect(t, p)
	r.Options.Set(coap.EDHOC, []byte("ignored"))
	r.Payload = Sequence(p.Values["message_3"], r.Payload)
	wantContent(t, exchange, w.do(t, r))
	if w.executed != 1 || w.contexts.Len() != 1 {
		t.Errorf("%d executed, %d contexts", w.executed, w.contexts.Len())
	}
}

// again runs another handshake, combined with a request, and another request.
func (w *server) again(t *testing.T, s setting) {
	t.Helper()
	p := s.peer(t, true)
	p.C = []byte("again")
	w.begin(t, p)
	_, err := p.WriteMessage3()
	must(t, err)
	a, exchange, r := protect(t, p)
	r.Options.Set(coap.EDHOC, nil)
	r.Payload = Sequence(p.Values["message_3"], r.Payload)
	wantContent(t, exchange, w.do(t, r))
	exchange, r = request(t, a)
	wantContent(t, exchange, w.do(t, r))
	if w.executed != 2 {
		t.Errorf("%d executed", w.executed)
	}
}

// The sequential flow of the runner with message_4, and what comes again: message_3 gets
// the same message_4, another message_3 nothing.
func TestCoAPSequential(t *testing.T) {
	s := setting{method: 0, suite: 2}
	w := newServer(t, s, func(c *edhoccoap.Config) { c.Message4 = true })
	p := s.peer(t, true)
	w.begin(t, p)
	msg3, err := p.WriteMessage3()
	must(t, err)
	resp := w.do(t, post(p.OtherC, msg3))
	must(t, p.ReadMessage4(resp.Payload))
	second := w.do(t, post(p.OtherC, msg3))
	if second.Code != coap.Changed || !bytes.Equal(second.Payload, resp.Payload) {
		t.Errorf("the same again: %v %x", second.Code, second.Payload)
	}
	if third := w.do(t, post(p.OtherC, flip(-1)(bytes.Clone(msg3)))); third.Code != coap.BadRequest || len(third.Payload) > 0 {
		t.Errorf("another message_3: %v %x", third.Code, third.Payload)
	}
	_, exchange, r := protect(t, p)
	wantContent(t, exchange, w.do(t, r))
	if w.contexts.Len() != 1 || len(w.failures) != 0 {
		t.Errorf("%d contexts, failures %v", w.contexts.Len(), w.failures)
	}
}

// A kid of another handshake that waits is C_R of that one: message_3 does not verify
// there, and the handshake that it belongs to is untouched.
func TestCombinedForAnother(t *testing.T) {
	s := setting{method: 3, suite: 2}
	w := newServer(t, s, nil)
	victim, p := s.peer(t, true), s.peer(t, true)
	p.C = []byte("client")
	w.begin(t, victim)
	w.begin(t, p)
	_, err := p.WriteMessage3()
	must(t, err)
	_, _, r := protect(t, p)
	r.Options.Set(coap.EDHOC, nil)
	r.Options.Set(coap.OSCORE, append([]byte{0x09, 0x00}, victim.OtherC...))
	r.Payload = Sequence(p.Values["message_3"], r.Payload)
	resp := w.do(t, r)
	if e, err := ReadError(resp.Payload); err != nil || e.Code != 1 || resp.Code != coap.BadRequest {
		t.Errorf("got %v %x", resp.Code, resp.Payload)
	}
	w.finish(t, p)
}
