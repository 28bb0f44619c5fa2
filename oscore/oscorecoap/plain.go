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
		case !r.Multicast: // no errors to a group (RFC 7252, Section 8.1)
			_ = w.Respond(r.NewResponse(coap.Unauthorized))
		}
	})
}

// recognize refuses requests with a critical option that is not listed
// (RFC 7252, Section 5.4.1). The transport has seen the outer options only.
func recognize(listed []coap.OptionID, next coap.Handler) coap.Handler {
	return coap.HandlerFunc(func(w coap.ResponseWriter, r *coap.Request) {
		for _, o := range r.Options {
			if o.ID.Critical() && !slices.Contains(listed, o.ID) {
				_ = w.Respond(r.NewResponse(coap.BadOption))
				return
			}
		}
		next.ServeCOAP(w, r)
	})
}
