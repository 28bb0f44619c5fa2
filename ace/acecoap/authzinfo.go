package acecoap

import (
	"maps"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/oscoreprofile"
	"github.com/ostiary/ostiary/ace/rs"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
	"github.com/ostiary/ostiary/oscore/oscorecoap"
)

// noContentFormat stands for a request without Content-Format; it is reserved
// (RFC 7252, Section 12.3).
const noContentFormat = 65535

// plain serves the requests without OSCORE: authz-info, what has a handler for
// them, what is public, and for all else the AS Request Creation Hints (RFC 9200,
// Section 5.3).
func (s *ResourceServer) plain(app coap.Handler) coap.Handler {
	open := map[string]coap.Handler{}
	for _, path := range s.cfg.Public {
		open[path] = app
	}
	maps.Copy(open, s.cfg.Clear)
	open[AuthzInfoPath] = coap.Blockwise(s.upload(), s.cfg.OSCORE.Blockwise)
	refuse := oscorecoap.Plain(nil)
	return coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		switch h := open[r.Path()]; {
		case h != nil:
			h.ServeCOAP(w, r)
		case r.Multicast: // no errors to a group (RFC 7252, Section 8.1)
			refuse.ServeCOAP(w, r)
		default:
			s.hint(w, r)
		}
	})
}

// protected serves the requests inside OSCORE that authorize has let through.
func (s *ResourceServer) protected(app coap.Handler) coap.Handler {
	upload := s.upload()
	return coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if r.Path() == AuthzInfoPath {
			upload.ServeCOAP(w, r)
			return
		}
		app.ServeCOAP(w, r)
	})
}

// upload is the handler of authz-info, where it may wait.
func (s *ResourceServer) upload() coap.Handler {
	h := coap.Handler(coap.HandlerFunc(s.post))
	if s.cfg.Pool != nil {
		h = s.cfg.Pool.Handler(h)
	}
	return h
}

// post is the authz-info endpoint (RFC 9203, Sections 4.1 and 4.2).
func (s *ResourceServer) post(w coap.ResponseWriter, r *coap.Request) {
	if r.Code != coap.POST {
		_ = w.Respond(r.NewResponse(coap.MethodNotAllowed))
		return
	}
	p := oscoreprofile.Post{Payload: r.Payload, ContentFormat: noContentFormat}
	if format, ok := r.Options.Uint(coap.ContentFormat); ok && format < noContentFormat {
		p.ContentFormat = uint16(format)
	}
	p.Association, _ = r.Identity.(*oscore.Association)
	p.AddressProved = s.proof.given(r)
	// What costs the AS a request, and what clients with a true address have of its
	// rate, is not to be had with a forged one (RFC 9200, Section 6.10).
	if s.cfg.Tokens.Introspect.Ask != nil && p.Association == nil && !p.AddressProved {
		_ = w.Respond(s.proof.demand(r))
		return
	}
	answer, err := s.profile.Post(p, s.cfg.Now())
	if s.cfg.Observer.Posted != nil {
		s.cfg.Observer.Posted(r, err)
	}
	if wanted(p, err) {
		_ = w.Respond(s.proof.demand(r))
		return
	}
	respond(w, r, answer)
}

// hint refuses a request without OSCORE.
func (s *ResourceServer) hint(w coap.ResponseWriter, r *coap.Request) {
	answer := rs.Response{Code: rs.Unauthorized, ContentFormat: ace.ContentFormat}
	// Without randomness for a cnonce the answer has no hints.
	answer.Payload, _ = s.tokens.Hints(uint8(r.Code), localPart(r), s.cfg.Now())
	respond(w, r, answer)
}

func respond(w coap.ResponseWriter, r *coap.Request, answer rs.Response) {
	out := r.NewResponse(coap.Code(answer.Code))
	setPayload(out, answer.Payload, answer.ContentFormat)
	_ = w.Respond(out)
}
