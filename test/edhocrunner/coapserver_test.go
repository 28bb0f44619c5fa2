package edhocrunner

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/edhoc/edhoccoap"
	"github.com/ostiary/ostiary/idalloc"
)

// badServer is an EDHOC resource that the runner plays: the answers to message_1 and to
// message_3 can be made wrong. What comes else, an error message, is kept.
type badServer struct {
	t        *testing.T
	s        setting
	bug      func(p *Peer)
	answers  [2]func(resp *coap.Response)
	message4 bool

	peer  *Peer
	count int
	told  [][]byte // what came instead of message_3, or after it
}

func (b *badServer) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	resp := r.NewResponse(coap.Changed)
	n := b.count
	switch b.count++; {
	case len(r.Payload) > 0 && r.Payload[0] == 0xf5:
		b.count = 1
		b.peer = b.s.peer(b.t, false)
		if b.bug != nil {
			b.bug(b.peer)
		}
		must(b.t, b.peer.ReadMessage1(r.Payload[1:]))
		msg2, err := b.peer.WriteMessage2()
		must(b.t, err)
		b.fill(resp, msg2, b.answers[0])
	case n == 1 && b.isError(r.Payload):
	case n == 1:
		must(b.t, b.peer.ReadMessage3(bytes.TrimPrefix(r.Payload, Identifier(b.peer.C))))
		var msg4 []byte
		if b.message4 {
			var err error
			msg4, err = b.peer.WriteMessage4()
			must(b.t, err)
		}
		b.fill(resp, msg4, b.answers[1])
	default:
		b.isError(r.Payload)
	}
	_ = w.Respond(resp)
}

// isError keeps an error message behind C_R.
func (b *badServer) isError(payload []byte) bool {
	msg, ok := bytes.CutPrefix(payload, Identifier(b.peer.C))
	if !ok {
		b.t.Errorf("%x does not begin with C_R", payload)
	}
	if _, err := ReadError(msg); err != nil {
		return false
	}
	b.told = append(b.told, msg)
	return true
}

func (b *badServer) fill(resp *coap.Response, msg []byte, change func(*coap.Response)) {
	if msg != nil {
		resp.Options.AddUint(coap.ContentFormat, formatEDHOC)
		resp.Payload = msg
	}
	if change != nil {
		change(resp)
	}
}

// A coapServerMisbehaviour is a fault of a server, in the answer to message_1 or message_3.
type coapServerMisbehaviour struct {
	name     string
	bug      func(p *Peer)
	answer1  func(resp *coap.Response)
	answer3  func(resp *coap.Response)
	message4 bool
	section  string    // of the *edhoc.Error
	peer     int64     // code of the *edhoc.PeerError
	code     coap.Code // of the *edhoccoap.AnswerError
	told     int64     // code of the error message that the server gets, 0 for none
}

func coapServerMisbehaviours() []coapServerMisbehaviour {
	code := func(c coap.Code) func(*coap.Response) { return func(r *coap.Response) { r.Code = c } }
	answer := func(c coap.Code, format uint32, payload ...[]byte) func(*coap.Response) {
		return func(r *coap.Response) {
			r.Code, r.Options, r.Payload = c, nil, Sequence(payload...)
			if format > 0 {
				r.Options.AddUint(coap.ContentFormat, format)
			}
		}
	}
	payload := func(change func([]byte) []byte) func(*coap.Response) {
		return func(r *coap.Response) { r.Payload = change(bytes.Clone(r.Payload)) }
	}
	protected := func(r *coap.Response) { r.Options.Set(coap.OSCORE, nil) }
	return []coapServerMisbehaviour{
		{name: "message_2 in a 2.05", answer1: code(coap.Content), code: coap.Content},
		{name: "message_2 in a 2.01", answer1: code(coap.Created), code: coap.Created},
		{name: "message_2 in a 4.00", answer1: code(coap.BadRequest), code: coap.BadRequest},
		{name: "message_2 in an OSCORE response", answer1: protected, code: coap.Changed},
		{name: "message_2 is missing", answer1: payload(none), section: "5.3.1"},
		{name: "message_2 cut off", answer1: payload(shorter), section: "5.3.1"},
		{name: "C_I before message_2", answer1: payload(front(0x41, 0x99)), section: "5.3.1"},
		{name: "true before message_2", answer1: payload(front(0xf5)), section: "5.3.1"},
		{name: "4.04", answer1: answer(coap.NotFound, 0), code: coap.NotFound},
		{name: "5.03", answer1: answer(coap.ServiceUnavailable, 0), code: coap.ServiceUnavailable},
		{name: "error 1", answer1: answer(coap.BadRequest, formatEDHOC, Int(1), Text("no")), peer: 1},
		{name: "error 1 of the server", answer1: answer(coap.InternalServerError, formatEDHOC, Int(1), Text("no")), peer: 1},
		{name: "error 1 in a 2.04", answer1: answer(coap.Changed, formatEDHOC, Int(1), Text("no")), peer: 1},
		{name: "error 1 as a text", answer1: answer(coap.BadRequest, 1, Int(1), Text("no")), code: coap.BadRequest},
		{name: "error 1 without Content-Format", answer1: answer(coap.BadRequest, 0, Int(1), Text("no")), code: coap.BadRequest},
		{name: "error 1 behind C_I", answer1: answer(coap.BadRequest, formatCIDEDHOC, Int(0), Int(1), Text("no")), code: coap.BadRequest},
		{name: "error 1 without a text", answer1: answer(coap.BadRequest, formatEDHOC, Int(1), Int(1)), code: coap.BadRequest},
		{name: "error 2 with the suite that was used", answer1: answer(coap.BadRequest, formatEDHOC, Int(2), Int(2)), peer: 2},
		{name: "error 2 with suites of nobody", answer1: answer(coap.BadRequest, formatEDHOC, Int(2), Array(Int(77), Int(78))), peer: 2},
		{name: "error 2 with an array of one", answer1: answer(coap.BadRequest, formatEDHOC, Int(2), Array(Int(2))), code: coap.BadRequest},
		{name: "error 3", answer1: answer(coap.BadRequest, formatEDHOC, Int(3), []byte{0xf5}), peer: 3},
		{name: "MAC_2 flipped", bug: value("Signature_or_MAC_2", flip(0)), section: "5.3.3", told: 1},
		{name: "MAC_2 cut off", bug: value("Signature_or_MAC_2", shorter), section: "5.3.2", told: 1},
		{name: "kid of nobody", bug: items("PLAINTEXT_2", replace(1, Bytes([]byte("nobody")))), section: "5.3.3", told: 3},
		{name: "critical EAD item", bug: items("PLAINTEXT_2", add(Int(-9))), section: "3.8", told: 1},
		{name: "credential of the client itself", bug: before("message_2", func(p *Peer) { p.Own = p.Other }), section: "9.2", told: 1},
		{name: "C_R that cannot be read", bug: items("PLAINTEXT_2", replace(0, Text("c"))), section: "5.3.2"},
		{name: "C_R is C_I", bug: before("message_2", func(p *Peer) { p.C = p.OtherC }), section: "3.3.3", told: 1},

		{name: "message_4 is missing", answer3: payload(none), message4: true, section: "5.5.1", told: 1},
		{name: "message_4 flipped", answer3: payload(flip(-1)), message4: true, section: "5.5.3", told: 1},
		{name: "message_4 in a 2.05", answer3: code(coap.Content), message4: true, code: coap.Content},
		{name: "message_4 in an OSCORE response", answer3: protected, message4: true, code: coap.Changed},
		{name: "message_4 of K_3", bug: label("K_4", 3), message4: true, section: "5.5.3", told: 1},
		{name: "critical EAD item in message_4", bug: items("PLAINTEXT_4", add(Int(-9))), message4: true, section: "3.8", told: 1},
		{name: "error 1 instead of message_4", answer3: answer(coap.BadRequest, formatEDHOC, Int(1), Text("no")), message4: true, peer: 1},
		{name: "error 3 in a 2.04 instead of message_4", answer3: answer(coap.Changed, formatEDHOC, Int(3), []byte{0xf5}), message4: true, peer: 3},
		{name: "error 1 after message_3", answer3: answer(coap.BadRequest, formatEDHOC, Int(1), Text("no")), peer: 1},
		{name: "error 3 after message_3", answer3: answer(coap.BadRequest, formatEDHOC, Int(3), []byte{0xf5}), peer: 3},
		{name: "error 1 in a 2.04 after message_3", answer3: answer(coap.Changed, formatEDHOC, Int(1), Text("no")), peer: 1},
		{name: "4.00 after message_3", answer3: answer(coap.BadRequest, 0), code: coap.BadRequest},
		{name: "2.05 after message_3", answer3: answer(coap.Content, 0), code: coap.Content},
	}
}

// What a server can do wrong in the forward message flow: the client has no Session and
// no identifier, and tells the server where it can. A good server comes afterwards.
//
//spec:9528-5.3.3-2
//spec:9528-5.5.3-2
//spec:9528-A.2-3
func TestCoAPServer(t *testing.T) {
	for _, m := range coapServerMisbehaviours() {
		t.Run(m.name, func(t *testing.T) {
			s := setting{method: 3, suite: 2}
			bad := &badServer{t: t, s: s, bug: m.bug, answers: [2]func(*coap.Response){m.answer1, m.answer3}, message4: m.message4}
			i, err := edhoc.NewInitiator(s.config(t, true))
			must(t, err)
			ids, err := idalloc.New(idalloc.Config{Now: func() time.Time { return time.Unix(1e9, 0) }})
			must(t, err)
			client := &edhoccoap.Client{
				Doer: &coaptest.Direct{Handler: bad}, Initiator: i, IDs: ids, Message4: m.message4,
				Find: func(_ context.Context, id edhoc.IDCred, _ []edhoc.EADItem) ([]*edhoc.Credential, error) {
					return s.trusted(t, id), nil
				},
			}
			session, id, err := client.Establish(t.Context())
			if session != nil || id != nil {
				t.Fatalf("established: %v", session)
			}
			var mine *edhoc.Error
			var peer *edhoc.PeerError
			var answer *edhoccoap.AnswerError
			switch {
			case errors.As(err, &mine) && m.section != "" && mine.Section == m.section:
			case errors.As(err, &peer) && m.peer != 0 && int64(peer.Code) == m.peer:
			case errors.As(err, &answer) && m.code != 0 && answer.Code == m.code:
			default:
				t.Errorf("got %v, want %+v", err, m)
			}
			told := int64(0)
			for _, msg := range bad.told {
				e, err := ReadError(msg)
				must(t, err)
				told = told*10 + e.Code
			}
			if told != m.told {
				t.Errorf("the server is told %x, want code %d", bad.told, m.told)
			}
			for _, h := range ids.Holdings() {
				if h.State == idalloc.StateLive || h.State == idalloc.StatePending {
					t.Errorf("identifier %v is %v", h.ID, h.State)
				}
			}
			if unused := bad.peer.Bugs.unused(bad.peer.seen); len(unused) > 0 {
				t.Errorf("faults that did not happen: %q", unused)
			}
			*bad = badServer{t: t, s: s, message4: m.message4}
			session, id, err = client.Establish(t.Context())
			must(t, err)
			if string(id.ID()) != string(session.CI) || session.Confirmed() != m.message4 {
				t.Errorf("identifier %v, %v", id.ID(), session)
			}
			agree(t, bad.peer, session)
		})
	}
}
