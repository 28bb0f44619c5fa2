// Package coap is an endpoint of the Constrained Application Protocol
// (RFC 7252) in the shape of net/http.
//
//	Handler, ResponseWriter, Request, Response   serve, as http.Handler does
//	Mux                                          paths, methods, /.well-known/core
//	Doer, Observer                               send, as http.Client does
//	Blockwise, BlockwiseClient                   RFC 7959 around either
//	Pool                                         handlers that may wait
//
// Handlers run in the goroutine that reads the socket; no goroutine and no
// growing state belongs to a peer. A handler that may wait is wrapped by
// Pool.Handler.
package coap
