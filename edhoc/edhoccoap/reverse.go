package edhoccoap

import (
	"context"
	"errors"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

// A ReverseServer is the EDHOC resource of an Initiator: a coap.Handler for the reverse
// message flow (RFC 9528, Appendix A.2.2), in which the client asks for message_1. There
// is no combined request in this flow (RFC 9668, Section 3). It is safe for concurrent
// use.
type ReverseServer struct {
	cfg ReverseConfig
	resource
	hints *hints
}

// NewReverseServer checks the ReverseConfig.
func NewReverseServer(cfg ReverseConfig) (*ReverseServer, error) {
	if cfg.Initiator == nil || cfg.Find == nil || cfg.IDs == nil || cfg.Establish == nil {
		return nil, ErrConfig
	}
	if !cfg.AnyID {
		cfg.Initiator = cfg.Initiator.ForOSCORE()
	}
	l := limits{cfg.MaxPending, cfg.MaxPeer, cfg.EchoAbove, cfg.Lifetime, cfg.Now}.withDefaults()
	r, err := newResource(l, cfg.IDs, cfg.Rand, cfg.Observer)
	if err != nil {
		return nil, err
	}
	return &ReverseServer{cfg: cfg, resource: r, hints: newHints(l.maxPending, l.lifetime)}, nil
}

// Pending is the number of handshakes that wait for message_2 or message_4. Those that
// are too old end here too.
func (s *ReverseServer) Pending() int { return s.table.load(s.now()) }

// Close ends the handshakes that wait.
func (s *ReverseServer) Close() { s.table.clear() }

// ServeCOAP answers an empty request, message_2 and message_4.
//
//spec:9528-A.2-1
//spec:9528-A.2-4
//spec:9528-A.2-5
func (s *ReverseServer) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	if !accepts(w, r) {
		return
	}
	if len(r.Payload) == 0 {
		s.start(w, r)
		return
	}
	cI, msg, ok := edhoc.ReadConnID(r.Payload)
	if !ok {
		respond(w, coap.BadRequest, nil)
		return
	}
	e, st, a, err := s.table.take(cI, r.RemoteAddr.Addr(), msg, s.now())
	switch {
	case errors.Is(err, errBusy):
		busy(w)
		return
	case err != nil:
		respond(w, coap.BadRequest, nil)
		return
	}
	defer s.table.abandon(e, &a)
	switch st := st.(type) {
	case *edhoc.AwaitMessage2:
		a = s.message2(r, e, st, msg)
	case *edhoc.SentMessage3:
		a = s.message4(r, e, st, msg)
	}
	respond(w, a.code, a.payload)
}

// start answers an empty request with message_1.
func (s *ReverseServer) start(w coap.ResponseWriter, r *coap.Request) {
	shown, ok := s.admit(w, r)
	if !ok {
		return
	}
	if !s.room(w, r, shown) {
		return
	}
	msg1, err := s.compose(r, shown)
	s.opened(w, r, msg1, shown, err)
}

// compose makes message_1 and a handshake that waits.
//
//spec:9668-4.1.1-1
func (s *ReverseServer) compose(r *coap.Request, shown bool) (msg1 []byte, err error) {
	var ead1 []edhoc.EADItem
	if s.cfg.Propose != nil {
		if ead1, err = s.cfg.Propose(r.Context(), r.RemoteAddr); err != nil {
			return nil, err
		}
		if len(ead1) > 0 && !shown { // the answer would be much longer than the request
			return nil, idalloc.ErrUnvalidated
		}
	}
	pending, err := s.allocate(r, shown)
	if err != nil {
		return nil, err
	}
	initiator := s.hints.get(r.RemoteAddr, s.now())
	if initiator == nil {
		initiator = s.cfg.Initiator
	}
	cI := edhoc.ConnID(pending.ID())
	msg1, st, err := initiator.ComposeMessage1(cI, ead1...)
	if err == nil {
		_, err = s.table.add(&entry{
			id: cI, peer: r.RemoteAddr.Addr(), since: s.now(), state: st, pending: pending, initiator: initiator,
		})
		if err != nil {
			st.Discard()
		}
	}
	if err != nil {
		_ = pending.Abort()
		return nil, err
	}
	return msg1, nil
}

// message2 answers message_2 with message_3.
func (s *ReverseServer) message2(r *coap.Request, e *entry, st *edhoc.AwaitMessage2, msg2 []byte) *answer {
	msg3, sent, err := s.authenticate(r, e, st, msg2)
	var session *edhoc.Session
	if err == nil && !s.cfg.Message4 {
		if session, err = sent.WithoutMessage4(); err == nil {
			err = confirm(session, e.pending, s.cfg.Establish)
		}
	}
	if err != nil {
		_ = e.pending.Abort()
		a := s.failed(r, err)
		s.table.finish(e, a, nil)
		return a
	}
	a := &answer{code: coap.Changed, payload: msg3}
	if session == nil {
		s.table.finish(e, a, sent)
		return a
	}
	s.observer.completed(r.RemoteAddr, session)
	s.table.finish(e, a, nil)
	return a
}

// authenticate processes message_2 and makes message_3.
func (s *ReverseServer) authenticate(r *coap.Request, e *entry, st *edhoc.AwaitMessage2, msg2 []byte) ([]byte, *edhoc.SentMessage3, error) {
	r2, err := st.ProcessMessage2(msg2)
	if err != nil {
		var peer *edhoc.PeerError
		if errors.As(err, &peer) && peer.Code == edhoc.CodeWrongCipherSuite {
			s.learn(r, e.initiator, peer)
		}
		return nil, nil, err
	}
	defer r2.Discard() // unless it was used
	candidates, err := s.cfg.Find(r.Context(), r2.IDCredR, r2.EAD2)
	if err != nil {
		return nil, nil, err
	}
	v2, err := r2.Verify(candidates...)
	if err != nil {
		return nil, nil, err
	}
	defer v2.Discard() // unless it was used
	var ead3 []edhoc.EADItem
	if s.cfg.Accept != nil {
		if ead3, err = s.cfg.Accept(r.Context(), v2, r2.EAD2); err != nil {
			return nil, nil, err
		}
	}
	return v2.ComposeMessage3(ead3...)
}

// learn has the next handshake with the peer begin with a cipher suite that it says to
// support (RFC 9528, Section 6.3.1). Anybody may have said so: a lie costs the peer a
// round trip, and message_1 lists our suites as before.
func (s *ReverseServer) learn(r *coap.Request, initiator *edhoc.Initiator, peer *edhoc.PeerError) {
	if next, err := initiator.Retry(peer); err == nil {
		s.hints.put(r.RemoteAddr, next, s.now())
	}
}

// message4 answers message_4 with nothing.
func (s *ReverseServer) message4(r *coap.Request, e *entry, st *edhoc.SentMessage3, msg4 []byte) *answer {
	session, err := s.finish(r.Context(), e, st, msg4)
	a := &answer{code: coap.Changed}
	if err != nil {
		a = s.failed(r, err)
	} else {
		s.observer.completed(r.RemoteAddr, session)
	}
	s.table.finish(e, a, nil)
	return a
}

func (s *ReverseServer) finish(ctx context.Context, e *entry, st *edhoc.SentMessage3, msg4 []byte) (*edhoc.Session, error) {
	defer func() { _ = e.pending.Abort() }() // unless it was confirmed
	session, ead4, err := st.ProcessMessage4(msg4)
	if err != nil {
		return nil, err
	}
	if s.cfg.Accept4 != nil {
		if err := s.cfg.Accept4(ctx, ead4); err != nil {
			session.Erase()
			return nil, err
		}
	}
	if err := confirm(session, e.pending, s.cfg.Establish); err != nil {
		return nil, err
	}
	return session, nil
}

// Both returns a handler for one EDHOC resource that serves the two message flows. Each
// keeps its own handshakes and bounds. They have to share the allocator of identifiers,
// by which their messages are told apart.
func Both(forward *Server, reverse *ReverseServer) (coap.Handler, error) {
	if forward == nil || reverse == nil || forward.ids != reverse.ids {
		return nil, ErrConfig
	}
	return coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if reverse.owns(r) {
			reverse.ServeCOAP(w, r)
			return
		}
		forward.ServeCOAP(w, r)
	}), nil
}

// owns says whether a request is of the reverse message flow.
func (s *ReverseServer) owns(r *coap.Request) bool {
	if len(r.Payload) == 0 {
		return true
	}
	cI, _, ok := edhoc.ReadConnID(r.Payload)
	return ok && s.table.has(cI, s.now())
}
