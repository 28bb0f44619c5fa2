package acecoap

import (
	"context"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/coap"
)

// TokenEndpoint returns the token endpoint of an AS (RFC 9200, Section 5.8) as
// a handler for requests inside OSCORE or another channel that authenticates
// the client: the subject of the request's Identity is the name of the client.
// Without Identity nobody gets a token.
//
// The handler waits for the ledger. observe, unless it is nil, is called after
// each request with the client's name and the error, nil if a token was
// issued; the error holds no secret. The handler is safe for concurrent use.
func TokenEndpoint(s *as.Server, observe func(client string, err error)) coap.Handler {
	return endpoint(s.Token, observe)
}

// endpoint makes a handler of an endpoint of the AS, which takes the subject that
// the channel has authenticated and a payload.
func endpoint(serve func(context.Context, string, []byte) ([]byte, error), observe func(string, error)) coap.Handler {
	if observe == nil {
		observe = func(string, error) {}
	}
	return coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		if r.Code != coap.POST {
			_ = w.Respond(r.NewResponse(coap.MethodNotAllowed))
			return
		}
		if !acceptsACE(r) {
			_ = w.Respond(r.NewResponse(coap.UnsupportedContentFormat))
			return
		}
		subject := ""
		if r.Identity != nil {
			subject = r.Identity.Subject()
		}
		payload, err := serve(r.Context(), subject, r.Payload)
		observe(subject, err)
		response := r.NewResponse(coap.Created)
		if err != nil {
			var code uint8
			code, payload = as.ErrorResponse(err)
			response.Code = coap.Code(code)
		}
		setPayload(response, payload, ace.ContentFormat)
		_ = w.Respond(response)
	})
}

// acceptsACE reports whether the payload of a request is application/ace+cbor
// (RFC 9200, Section 8.16), which a request without Content-Format may be too.
func acceptsACE(r *coap.Request) bool {
	format, ok := r.Options.Uint(coap.ContentFormat)
	return !ok || format == uint32(ace.ContentFormat)
}

func setPayload(r *coap.Response, payload []byte, format uint16) {
	if len(payload) == 0 {
		return
	}
	r.Payload = payload
	r.Options.SetUint(coap.ContentFormat, uint32(format))
}
