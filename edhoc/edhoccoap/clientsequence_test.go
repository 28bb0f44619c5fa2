package edhoccoap

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// reply is what a server, or who says to be one, may answer with.
type reply int

const (
	replyRight   reply = iota // the message of the server that is due, if one is
	replyOld                  // the same of another handshake
	replyM4                   // a message_4 of another handshake
	replyError                // an EDHOC error message
	replyOSCORE               // an OSCORE response
	replyChanged              // 2.04 with nothing in it
	reply4xx                  //
	reply5xx                  //
	replyEmpty                // no code and nothing else
	replyGarbage              // 2.04 with what is no message
	replyHidden               // an EDHOC error message as 2.04
	replies
)

var errGone = errors.New("network is gone")

// scripted answers requests with what a script says, and then not at all.
type scripted struct {
	t      *testing.T
	script []int
	right  func(r *coap.Request) *coap.Response // a real server
	old    func(n int) []byte                   // a message to answer the n-th request with
	asked  int
}

func (s *scripted) Do(_ context.Context, r *coap.Request) (*coap.Response, error) {
	n := s.asked
	s.asked++
	if n >= len(s.script) {
		return nil, errGone
	}
	resp := &coap.Response{Code: coap.Changed}
	edhocMessage := func(msg []byte) {
		resp.Options.AddUint(coap.ContentFormat, formatEDHOC)
		resp.Payload = msg
	}
	switch reply(s.script[n]) {
	case replyRight:
		return s.right(r), nil
	case replyOld:
		edhocMessage(s.old(n))
	case replyM4:
		edhocMessage([]byte{0x48, 1, 2, 3, 4, 5, 6, 7, 8})
	case replyError:
		resp.Code = coap.BadRequest
		edhocMessage([]byte{0x01, 0x60})
	case replyOSCORE:
		resp.Options.Set(coap.OSCORE, nil)
		resp.Payload = []byte{1, 2, 3, 4, 5, 6, 7, 8, 9}
	case reply4xx:
		resp.Code = coap.NotFound
	case reply5xx:
		resp.Code = coap.ServiceUnavailable
	case replyEmpty:
		resp.Code = 0
	case replyGarbage:
		edhocMessage([]byte{0xff, 0x00})
	case replyHidden:
		edhocMessage([]byte{0x01, 0x60})
	}
	return resp, nil
}

// explore runs a client against every script up to that length, as far as the client
// asks, and returns how many there were. run reports whether there was a Session.
func explore(t *testing.T, length int, run func(s *scripted) bool, wants func(script []reply) bool) int {
	n := 0
	var try func(script []int)
	try = func(script []int) {
		n++
		s := &scripted{t: t, script: script}
		got := run(s)
		all := make([]reply, len(script))
		for i, r := range script {
			all[i] = reply(r)
		}
		if want := wants(all); got != want {
			t.Errorf("answers %v: a Session %t, want %t", script, got, want)
		}
		if s.asked > 3 {
			t.Errorf("answers %v: %d requests", script, s.asked)
		}
		if s.asked <= len(script) || len(script) == length || t.Failed() {
			return
		}
		for r := range int(replies) {
			try(append(slices.Clone(script), r))
		}
	}
	try(nil)
	return n
}

// wantClear checks what Establish says, and that nothing is left without a Session.
func wantClear(t *testing.T, s *scripted, ids *idalloc.Allocator, session *edhoc.Session, live *idalloc.Live, err error) bool {
	t.Helper()
	var ours *edhoc.Error
	var peer *edhoc.PeerError
	var refused *AnswerError
	pending, busy := busyIDs(ids)
	switch {
	case err == nil && session != nil && live != nil && pending == 0 && busy == 1:
		must(t, live.Release())
		session.Erase()
		return true
	case err == nil || session != nil || live != nil:
		t.Errorf("answers %v: %v, %v, %v", s.script, session, live, err)
	case pending != 0 || busy != 0:
		t.Errorf("answers %v: %d pending, %d live identifiers", s.script, pending, busy)
	case !errors.As(err, &ours) && !errors.As(err, &peer) && !errors.As(err, &refused) && !errors.Is(err, errGone):
		t.Errorf("answers %v: %v", s.script, err)
	}
	return false
}

// A client and every sequence of answers: it has a Session when the server has proved
// itself, and only then; with message_4, when that has come.
func TestClientSequences(t *testing.T) {
	for _, m4 := range []bool{false, true} {
		w := newWorld(t, func(w *world) { w.cfg.Message4, w.cfg.EchoAbove, w.cfg.MaxPeer = m4, -1, 1<<20; w.anyIDs() })
		old := w.messages()
		n := explore(t, 4, func(s *scripted) bool {
			s.right, s.old = w.answer, func(int) []byte { return old }
			c := *w.client
			c.Doer, c.Message4 = s, m4
			c.IDs, _ = idalloc.New(idalloc.Config{Now: w.clock.Now})
			session, live, err := c.Establish(t.Context())
			return wantClear(t, s, c.IDs, session, live, err)
		}, func(script []reply) bool {
			switch {
			case len(script) < 2 || script[0] != replyRight:
				return false
			case m4:
				return script[1] == replyRight
			}
			// Nothing is due: what a 2.04 has in it is no matter, unless it is an error.
			return slices.Contains([]reply{replyRight, replyOld, replyM4, replyChanged, replyGarbage}, script[1])
		})
		t.Logf("message_4 %t: %d sequences", m4, n)
	}
}

// A combined request and every answer: the application never takes it for the server's.
func TestCombinedAnswers(t *testing.T) {
	w := newWorld(t, func(w *world) { w.anyIDs() })
	old := w.messages()
	for r := replyOld; r < replies; r++ {
		h, err := w.client.Begin(t.Context())
		must(t, err)
		session, live, d, err := h.Combine(&scripted{t: t, script: []int{int(r)}, old: func(int) []byte { return old }})
		must(t, err)
		if session.Confirmed() {
			t.Error("confirmed")
		}
		resp, err := w.oscoreClient(session, live, d).Do(t.Context(), coap.NewRequest(coap.GET, "/temp"))
		if err == nil {
			t.Errorf("answer %d: %v", r, resp)
		}
		var u *oscorecoap.UnprotectedError
		if told := errors.As(err, &u) && Refused(u.Response) != nil; told != (r == replyError) {
			t.Errorf("answer %d: %v", r, err)
		}
	}
}

// The same for the client of the reverse message flow: the server has proved itself with
// message_3, and nothing but a refusal matters after message_4.
func TestReverseClientSequences(t *testing.T) {
	for _, m4 := range []bool{false, true} {
		w := newReversed(t, func(r *reversed) {
			r.anyIDs()
			r.cfg.Message4, r.cfg.EchoAbove, r.cfg.MaxPeer, r.cfg.IDs, r.server.ids = m4, -1, 1<<20, r.ids, r.ids
		})
		msg1, msg3 := w.msg1(0), []byte{0x52, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}
		n := explore(t, 4, func(s *scripted) bool {
			s.right = w.answer
			s.old = func(n int) []byte { return [][]byte{msg1, msg3, nil}[min(n, 2)] }
			c := *w.client
			c.Doer, c.Message4 = s, m4
			c.IDs, _ = idalloc.New(idalloc.Config{Now: w.clock.Now})
			session, live, err := c.Establish(t.Context())
			return wantClear(t, s, c.IDs, session, live, err)
		}, func(script []reply) bool {
			switch {
			case len(script) < 2 || script[0] != replyRight || script[1] != replyRight:
				return false
			case !m4:
				return true
			}
			return len(script) > 2 && slices.Contains([]reply{replyRight, replyOld, replyM4, replyChanged, replyGarbage}, script[2])
		})
		t.Logf("message_4 %t: %d sequences", m4, n)
	}
}

// anyIDs lifts the bound on identifiers for peers that have not shown their address.
func (w *world) anyIDs() {
	var err error
	w.ids, err = idalloc.New(idalloc.Config{Now: w.clock.Now, MaxUnvalidated: 1 << 16})
	must(w.t, err)
	w.cfg.IDs = w.ids
}

// answer is what the server says to a request.
func (w *world) answer(r *coap.Request) *coap.Response {
	resp, err := w.direct.Do(w.t.(*testing.T).Context(), r)
	must(w.t, err)
	return resp
}

// messages gives the message_2 of a handshake.
func (w *world) messages() (msg2 []byte) {
	msg1, _, err := w.client.Initiator.ComposeMessage1("\x01")
	must(w.t, err)
	return w.post(append([]byte{newSession}, msg1...)).Payload
}

// What a response says is an EDHOC error message if its Content-Format says so.
//
//spec:9528-A.2.3-2
func TestErrorInResponse(t *testing.T) {
	for name, c := range map[string]struct {
		format []uint32
		told   bool
	}{"EDHOC": {[]uint32{formatEDHOC}, true}, "text": {[]uint32{0}, false}, "with a prefix": {[]uint32{formatCIDEDHOC}, false}, "none": {nil, false}} {
		resp := &coap.Response{Code: coap.BadRequest, Payload: []byte{0x01, 0x60}}
		for _, f := range c.format {
			resp.Options.AddUint(coap.ContentFormat, f)
		}
		_, err := messageIn(resp)
		var peer *edhoc.PeerError
		var refused *AnswerError
		if errors.As(err, &peer) != c.told || errors.As(err, &refused) == c.told {
			t.Errorf("%s: %v", name, err)
		}
	}
}
