package oscorecoap

import (
	"slices"

	"github.com/ostiary/ostiary/coap"
)

// Plain returns a handler for requests without OSCORE. Those for one of the
// paths, as coap.Options.Path has them, go to next; every other is refused
// with 4.01, whether there is such a resource or not.
func Plain(next coap.Handler, paths ...string) coap.Handler {
	paths = slices.Clone(paths)
	return coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		switch {
		case next != nil && slices.Contains(paths, r.Path()):
			next.ServeCOAP(w, r)
		case r.Multicast: // no errors to a group (RFC 7252, Section 8.1)
			drop(w)
		default:
			_ = w.Respond(r.NewResponse(coap.Unauthorized))
		}
	})
}

// checkOptions refuses requests with a critical option that nobody acts upon
// (RFC 7252, Section 5.4.1). The transport has seen the outer options only.
func checkOptions(understood []coap.OptionID, next coap.Handler) coap.Handler {
	return coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		switch coap.CheckOptions(r, understood...) {
		case 0:
			next.ServeCOAP(w, r)
		case coap.ProxyURI, coap.ProxyScheme:
			_ = w.Respond(r.NewResponse(coap.ProxyingNotSupported))
		default:
			_ = w.Respond(r.NewResponse(coap.BadOption))
		}
	})
}
