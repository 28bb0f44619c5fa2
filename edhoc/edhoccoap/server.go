package edhoccoap

import (
	"context"
	"errors"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

// A Server is the EDHOC resource of a Responder: a coap.Handler for the forward message
// flow. It is safe for concurrent use.
type Server struct {
	cfg Config
	resource
}

// NewServer checks the Config.
func NewServer(cfg Config) (*Server, error) {
	if cfg.Responder == nil || cfg.Find == nil || cfg.IDs == nil || cfg.Establish == nil {
		return nil, ErrConfig
	}
	if !cfg.AnyID {
		cfg.Responder = cfg.Responder.ForOSCORE()
	}
	l := limits{cfg.MaxPending, cfg.MaxPeer, cfg.EchoAbove, cfg.Lifetime, cfg.Now}.withDefaults()
	r, err := newResource(l, cfg.IDs, cfg.Rand, cfg.Observer)
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, resource: r}, nil
}

// Pending is the number of handshakes that wait for message_3. Those that are too old
// end here too, if no message has come that would have ended them.
func (s *Server) Pending() int { return s.table.load(s.now()) }

// Close ends the handshakes that wait.
func (s *Server) Close() { s.table.clear() }

// ServeCOAP answers message_1 and message_3 (RFC 9528, Appendix A.2.1).
//
//spec:9528-A.2-1
//spec:9528-A.2-2
//spec:9528-A.2-4
func (s *Server) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	if !accepts(w, r) {
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
	a, err := s.message3(r, cR, msg3, false)
	switch {
	case errors.Is(err, errBusy):
		busy(w)
	case err != nil:
		respond(w, coap.BadRequest, nil)
	default:
		respond(w, a.code, a.payload)
	}
}

// message1 answers message_1 with message_2. One that comes again from the same address
// gets the message_2 that there is.
func (s *Server) message1(w coap.ResponseWriter, r *coap.Request, msg1 []byte) {
	shown, ok := s.admit(w, r)
	if !ok {
		return
	}
	hash := hashOf(msg1)
	if msg2, ok := s.table.again(r.RemoteAddr.Addr(), hash, s.now()); ok {
		s.opened(w, r, msg2, shown, nil)
		return
	}
	if !s.room(w, r, shown) {
		return
	}
	msg2, err := s.compose(r, hash, msg1, shown)
	s.opened(w, r, msg2, shown, err)
}

// compose makes message_2 and a handshake that waits.
//
//spec:9668-4.1.2-1
func (s *Server) compose(r *coap.Request, hash digest, msg1 []byte, shown bool) (msg2 []byte, err error) {
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
	pending, err := s.allocate(r, shown, idalloc.ID(v1.CI))
	if err != nil {
		return nil, err
	}
	cR := edhoc.ConnID(pending.ID())
	msg2, st, err := v1.ComposeMessage2(cR, ead2...)
	if err != nil {
		_ = pending.Abort()
		return nil, err
	}
	other, err := s.table.add(&entry{
		id: cR, peer: r.RemoteAddr.Addr(), since: s.now(), state: st, pending: pending, first: hash, opening: msg2,
	})
	if err != nil || other != nil {
		st.Discard()
		_ = pending.Abort()
		return other, err
	}
	return msg2, nil
}

// message3 takes a message_3 to the end of its handshake. A message_3 that comes again
// finds its answer. The errors say that there is nothing to answer with.
func (s *Server) message3(r *coap.Request, cR edhoc.ConnID, msg3 []byte, combined bool) (*answer, error) {
	e, st, a, err := s.table.take(cR, r.RemoteAddr.Addr(), msg3, s.now())
	switch {
	case err != nil:
		return nil, err
	case a != nil && a.combined != combined:
		return nil, errUnknown
	case a != nil:
		return a, nil
	}
	defer s.table.abandon(e, &a)
	session, msg4, err := s.complete(r, e, st.(*edhoc.AwaitMessage3), msg3, combined)
	if err != nil {
		a = s.failed(r, err)
	} else {
		s.observer.completed(r.RemoteAddr, session)
		a = &answer{code: coap.Changed, payload: msg4, ok: true}
	}
	a.combined = combined
	s.table.finish(e, a, nil)
	return a, nil
}

// complete processes message_3 and establishes what the Session is for. msg4 is nil if
// it is not used.
func (s *Server) complete(r *coap.Request, e *entry, st *edhoc.AwaitMessage3, msg3 []byte, combined bool) (session *edhoc.Session, msg4 []byte, err error) {
	defer func() { _ = e.pending.Abort() }() // unless it was confirmed
	//spec:9668-3.3.1-4
	if combined && s.cfg.Message4 {
		st.Discard()
		return nil, nil, &edhoc.Error{Code: edhoc.CodeUnspecified, Section: "3.9", Reason: "combined request where message_4 is due"}
	}
	v3, ead3, err := s.verify(r.Context(), st, msg3)
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
	if s.cfg.Message4 || s.cfg.Message4Optional && !combined {
		msg4, session, err = v3.ComposeMessage4(ead4...)
	} else {
		session, err = v3.WithoutMessage4()
	}
	if err != nil {
		return nil, nil, err
	}
	if err := confirm(session, e.pending, s.cfg.Establish); err != nil {
		return nil, nil, err
	}
	return session, msg4, nil
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
