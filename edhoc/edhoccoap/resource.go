package edhoccoap

import (
	"crypto/sha256"
	"errors"
	"io"
	"time"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/idalloc"
)

// resource is what an EDHOC resource is in either message flow.
type resource struct {
	table     *table
	echo      *echo
	ids       *idalloc.Allocator
	echoAbove int
	now       func() time.Time
	observer  Observer
}

func newResource(l limits, ids *idalloc.Allocator, random io.Reader, o Observer) (resource, error) {
	e, err := newEcho(random)
	return resource{
		table: newTable(l.lifetime, l.maxPending, l.maxPeer), echo: e, ids: ids,
		echoAbove: l.echoAbove, now: l.now, observer: o,
	}, err
}

// accepts says whether the request may carry an EDHOC message, or answers it.
func accepts(w coap.ResponseWriter, r *coap.Request) bool {
	if r.Code != coap.POST {
		respond(w, coap.MethodNotAllowed, nil)
		return false
	}
	if f, ok := r.Options.Uint(coap.ContentFormat); ok && f != formatCIDEDHOC {
		respond(w, coap.UnsupportedContentFormat, nil)
		return false
	}
	return true
}

// admit says whether a new handshake may cost something, and whether the peer has shown
// its address. If not, the request is answered.
func (s *resource) admit(w coap.ResponseWriter, r *coap.Request) (shown, ok bool) {
	now := s.now()
	shown = s.echo.shown(r, now)
	if !shown && s.table.load(now) >= s.echoAbove {
		s.challenge(w, r)
		return false, false
	}
	return shown, true
}

// room says whether there is room for another handshake of the peer, before anything is
// computed for it. If not, the request is answered.
func (s *resource) room(w coap.ResponseWriter, r *coap.Request, shown bool) bool {
	switch {
	case s.table.room(r.RemoteAddr.Addr(), s.now()) != nil:
		busy(w)
	case !shown && s.ids.RefusesUnvalidated():
		s.challenge(w, r)
	default:
		return true
	}
	return false
}

func (s *resource) challenge(w coap.ResponseWriter, r *coap.Request) {
	s.observer.challenged(r.RemoteAddr)
	s.echo.challenge(w, r, s.now())
}

// allocate gives an identifier that is not avoid.
func (s *resource) allocate(r *coap.Request, shown bool, avoid ...idalloc.ID) (*idalloc.Pending, error) {
	allocate := s.ids.AllocateUnvalidated
	if shown {
		allocate = s.ids.Allocate
	}
	return allocate(idalloc.Holder{Source: idalloc.SourceEDHOC, Ref: r.RemoteAddr.String()}, avoid...)
}

// opened answers with the first message of ours, or says why there is none. A long one
// is for who has shown an address.
func (s *resource) opened(w coap.ResponseWriter, r *coap.Request, msg []byte, shown bool, err error) {
	switch {
	case err == nil:
		resp := response(coap.Changed, msg)
		resp.AddressShown = shown
		_ = w.Respond(resp)
	case errors.Is(err, idalloc.ErrUnvalidated):
		s.challenge(w, r)
	case errors.Is(err, idalloc.ErrExhausted), errors.Is(err, errFull):
		s.observer.failed(r.RemoteAddr, err)
		busy(w)
	default:
		s.observer.failed(r.RemoteAddr, err)
		code, msg := refusal(err)
		respond(w, code, msg)
	}
}

func busy(w coap.ResponseWriter) {
	resp := &coap.Response{Code: coap.ServiceUnavailable}
	resp.Options.AddUint(coap.MaxAge, 2)
	_ = w.Respond(resp)
}

// failed is the answer to a message that ends its handshake.
func (s *resource) failed(r *coap.Request, err error) *answer {
	s.observer.failed(r.RemoteAddr, err)
	code, msg := refusal(err)
	return &answer{code: code, payload: msg}
}

// confirm takes a Session into use.
func confirm(session *edhoc.Session, pending *idalloc.Pending, establish func(*edhoc.Session, *idalloc.Live) error) error {
	live, err := pending.Confirm()
	if err == nil {
		if err = establish(session, live); err != nil {
			_ = live.Release()
		}
	}
	if err != nil {
		session.Erase()
	}
	return err
}

func hashOf(msg []byte) digest { return sha256.Sum256(msg) }
