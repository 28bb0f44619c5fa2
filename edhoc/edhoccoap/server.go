package edhoccoap

import (
	"context"
	"errors"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

// A Server is the EDHOC resource of a Responder: a coap.Handler. It is safe for
// concurrent use.
type Server struct {
	cfg   Config
	table *table
	echo  *echo
}

// NewServer checks the Config.
func NewServer(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	e, err := newEcho(cfg.Rand)
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, table: newTable(cfg.Lifetime, cfg.MaxPending, cfg.MaxPeer), echo: e}, nil
}

// Pending is the number of handshakes that wait for message_3. Those that are too old
// end here too, if no message has come that would have ended them.
func (s *Server) Pending() int { return s.table.load(s.cfg.Now()) }

// Close ends the handshakes that wait.
func (s *Server) Close() { s.table.clear() }

// ServeCOAP answers message_1 and message_3 (RFC 9528, Appendix A.2.1).
//
//spec:9528-A.2-1
//spec:9528-A.2-2
//spec:9528-A.2-4
func (s *Server) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	if r.Code != coap.POST {
		respond(w, coap.MethodNotAllowed, nil)
		return
	}
	if f, ok := r.Options.Uint(coap.ContentFormat); ok && f != formatCIDEDHOC {
		respond(w, coap.UnsupportedContentFormat, nil)
		return
	}
	if len(r.Payload) > 0 && r.Payload[0] == newSession {
		s.message1(w, r, r.Payload[1:])
		return
	}
	cR, msg3, ok := edhoc.ReadConnID(r.Payload)
	if !ok {
		respond(w, coap.BadRequest, nil)
		return
	}
	e, err := s.message3(r, cR, msg3, false)
	switch {
	case errors.Is(err, errBusy):
		s.busy(w)
	case err != nil:
		respond(w, coap.BadRequest, nil)
	default:
		respond(w, e.code, e.answer)
	}
}

func (s *Server) busy(w coap.ResponseWriter) {
	resp := &coap.Response{Code: coap.ServiceUnavailable}
	resp.Options.AddUint(coap.MaxAge, 2)
	_ = w.Respond(resp)
}

// message1 answers message_1 with message_2.
func (s *Server) message1(w coap.ResponseWriter, r *coap.Request, msg1 []byte) {
	now := s.cfg.Now()
	shown := s.echo.shown(r, now)
	if !shown && s.table.load(now) >= s.cfg.EchoAbove {
		s.cfg.Observer.challenged(r.RemoteAddr)
		s.echo.challenge(w, r, now)
		return
	}
	if s.table.room(r.RemoteAddr.Addr()) != nil {
		s.busy(w)
		return
	}
	msg2, err := s.compose(r, msg1, shown)
	switch {
	case err == nil:
		respond(w, coap.Changed, msg2)
	case errors.Is(err, idalloc.ErrUnvalidated):
		s.cfg.Observer.challenged(r.RemoteAddr)
		s.echo.challenge(w, r, now)
	case errors.Is(err, idalloc.ErrExhausted), errors.Is(err, errFull):
		s.cfg.Observer.failed(r.RemoteAddr, err)
		s.busy(w)
	default:
		s.cfg.Observer.failed(r.RemoteAddr, err)
		code, msg := refusal(err)
		respond(w, code, msg)
	}
}

// compose makes message_2 and a handshake that waits.
//
//spec:9668-4.1.2-1
func (s *Server) compose(r *coap.Request, msg1 []byte, shown bool) (msg2 []byte, err error) {
	v1, err := s.cfg.Responder.ProcessMessage1(msg1)
	if err != nil {
		return nil, err
	}
	defer v1.Discard() // unless it was used
	var ead2 []edhoc.EADItem
	if s.cfg.Propose != nil {
		if ead2, err = s.cfg.Propose(r.Context(), v1); err != nil {
			return nil, err
		}
	}
	allocate := s.cfg.IDs.AllocateUnvalidated
	if shown {
		allocate = s.cfg.IDs.Allocate
	}
	pending, err := allocate(idalloc.Holder{Source: idalloc.SourceEDHOC, Ref: r.RemoteAddr.String()}, idalloc.ID(v1.CI))
	if err != nil {
		return nil, err
	}
	cR := edhoc.ConnID(pending.ID())
	msg2, state, err := v1.ComposeMessage2(cR, ead2...)
	if err == nil {
		err = s.table.add(&entry{cR: cR, peer: r.RemoteAddr.Addr(), since: s.cfg.Now(), state: state, pending: pending})
		if err != nil {
			state.Discard()
		}
	}
	if err != nil {
		_ = pending.Abort()
		return nil, err
	}
	return msg2, nil
}

var (
	errBusy    = errors.New("edhoccoap: the message is being processed")
	errUnknown = errors.New("edhoccoap: no such handshake")
)

// message3 takes a message_3 to the end of its handshake. A message_3 that comes again
// finds the entry as it was left. The errors say that there is nothing to answer with.
func (s *Server) message3(r *coap.Request, cR edhoc.ConnID, msg3 []byte, combined bool) (*entry, error) {
	e, state, done := s.table.take(cR, msg3, s.cfg.Now())
	switch {
	case e == nil:
		return nil, errUnknown
	case done && e.combined == combined:
		return e, nil
	case state == nil:
		s.table.mu.Lock()
		defer s.table.mu.Unlock()
		if !e.over {
			return nil, errBusy
		}
		return nil, errUnknown
	}
	session, answer, err := s.complete(r, e, state, msg3, combined)
	if err != nil {
		s.cfg.Observer.failed(r.RemoteAddr, err)
		code, msg := refusal(err)
		s.table.finish(e, false, combined, code, msg)
		return e, nil
	}
	s.cfg.Observer.completed(r.RemoteAddr, session)
	s.table.finish(e, true, combined, coap.Changed, answer)
	return e, nil
}

// complete processes message_3 and establishes what the Session is for. answer is
// message_4, if it is used.
func (s *Server) complete(r *coap.Request, e *entry, state *edhoc.AwaitMessage3, msg3 []byte, combined bool) (session *edhoc.Session, answer []byte, err error) {
	defer func() { _ = e.pending.Abort() }() // unless it was confirmed
	//spec:9668-3.3.1-4
	if combined && s.cfg.Message4 {
		state.Discard()
		return nil, nil, &edhoc.Error{Code: edhoc.CodeUnspecified, Section: "3.9", Reason: "combined request where message_4 is due"}
	}
	v3, ead3, err := s.verify(r.Context(), state, msg3)
	if err != nil {
		return nil, nil, err
	}
	defer v3.Discard() // unless it was used
	var ead4 []edhoc.EADItem
	if s.cfg.Accept != nil {
		if ead4, err = s.cfg.Accept(r.Context(), v3, ead3); err != nil {
			return nil, nil, err
		}
	}
	if s.cfg.Message4 {
		answer, session, err = v3.ComposeMessage4(ead4...)
	} else {
		session, err = v3.WithoutMessage4()
	}
	if err != nil {
		return nil, nil, err
	}
	live, err := e.pending.Confirm()
	if err == nil {
		if err = s.cfg.Establish(session, live); err != nil {
			_ = live.Release()
		}
	}
	if err != nil {
		session.Erase()
		return nil, nil, err
	}
	return session, answer, nil
}

func (s *Server) verify(ctx context.Context, state *edhoc.AwaitMessage3, msg3 []byte) (*edhoc.VerifiedMessage3, []edhoc.EADItem, error) {
	r3, err := state.ProcessMessage3(msg3)
	if err != nil {
		return nil, nil, err
	}
	defer r3.Discard() // unless it was used
	candidates, err := s.cfg.Find(ctx, r3.IDCredI, r3.EAD3)
	if err != nil {
		return nil, nil, err
	}
	v3, err := r3.Verify(candidates...)
	return v3, r3.EAD3, err
}
