package edhoccoap

import (
	"errors"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/oscore"
)

// Combined returns a handler for combined requests (RFC 9668, Section 3.3) around next,
// the handler of OSCORE, such as an oscorecoap.Server, which refuses or authorizes what
// is inside as it does any other request. Requests without the EDHOC option go to next
// as they are. The endpoint is configured to understand the EDHOC option.
//
//spec:9668-7-1
func (s *Server) Combined(next coap.Handler, cfg coap.BlockwiseConfig) coap.Handler {
	whole := coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) { s.combined(w, r, next) })
	fragmented := coap.Blockwise(whole, cfg)
	return coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		//spec:9668-3.1-3
		switch {
		case !r.Options.Has(coap.EDHOC):
			next.ServeCOAP(w, r)
		case r.Options.Has(coap.Block1) || r.Options.Has(coap.Block2):
			fragmented.ServeCOAP(w, r) // Step 0
		default:
			s.combined(w, r, next)
		}
	})
}

// combined takes the steps of RFC 9668, Section 3.3.1.
//
//spec:9668-3.3.1-1
func (s *Server) combined(w coap.ResponseWriter, r *coap.Request, next coap.Handler) {
	// Step 1 and 2.
	msg3, ciphertext, ok := splitMessage3(r.Payload)
	kid, found := kidOf(r)
	//spec:9668-3.3.1-2
	//spec:9668-3.3.1-3
	if !ok || !found {
		respond(w, coap.BadRequest, nil)
		return
	}
	// Steps 3 to 5.
	a, err := s.message3(r, edhoc.ConnID(kid), msg3, true)
	switch {
	case errors.Is(err, errBusy):
		busy(w)
		return
	case err != nil:
		//spec:9668-3.3.1-7
		//spec:9668-3.3.1-8
		respond(w, coap.BadRequest, edhoc.ErrorMessage(&edhoc.Error{Code: edhoc.CodeUnspecified}))
		return
	case !a.ok:
		//spec:9668-3.3.1-7
		//spec:9668-3.3.1-8
		respond(w, a.code, onlyCode1(a.payload))
		return
	}
	// Steps 6 to 9.
	inner := r.Clone()
	inner.Payload = ciphertext
	//spec:9668-3.3.1-5
	inner.Options.Remove(coap.EDHOC)
	//spec:9668-3.3.1-6
	//spec:9668-7-2
	next.ServeCOAP(w, inner)
}

// kidOf gives the 'kid' of an OSCORE message.
func kidOf(r *coap.Request) ([]byte, bool) {
	m := oscore.Message{Code: oscore.Code(r.Code), Payload: r.Payload}
	for _, o := range r.Options {
		m.Options = append(m.Options, oscore.Option{Number: uint16(o.ID), Value: o.Value})
	}
	p, err := oscore.ParseProtected(m)
	if err != nil {
		return nil, false
	}
	return p.KID()
}

// onlyCode1 is the error message with code 1, whatever failed (RFC 9668, Section
// 3.3.1).
func onlyCode1(msg []byte) []byte {
	if e, err := edhoc.ParseError(msg); err != nil || e.Code == edhoc.CodeUnspecified {
		return msg
	}
	return edhoc.ErrorMessage(&edhoc.Error{Code: edhoc.CodeUnspecified})
}
