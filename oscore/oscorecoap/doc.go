// Package oscorecoap puts OSCORE (RFC 8613, Section 8) into CoAP: as a
// [coap.Handler] around a server's handlers, and as a [coap.Doer] and
// [coap.Observer] around a client. It works on any transport that has those.
//
//	coap.Request -+- no OSCORE option ------------------> plain handler
//	              |
//	              +- seen before -> the same bytes again, nothing else happens
//	              v
//	   oscore.Contexts.VerifyRequestFrom, and on its way the throttle
//	              |                     4.00, 4.01, 4.02 unprotected; a challenge
//	              v association, request, exchange
//	   Config.Authorize                 4.01, 4.03, 4.05 protected
//	              v grant
//	   inner block-wise transfer -> protected handler
//	              v
//	   oscore.ServerExchange.ProtectResponse -> coap.Response
//
// All of that is one function, Server.pipeline in pipeline.go.
//
// [Client] goes the other way, repeats a request when the server asks for that
// (Appendices B.1.2 and B.2), and sends nothing that is not protected.
package oscorecoap
