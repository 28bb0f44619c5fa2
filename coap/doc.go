// Package coap is an endpoint of the Constrained Application Protocol
// (RFC 7252) in the shape of net/http.
//
//	Handler, ResponseWriter, Request, Response   serve, as http.Handler does
//	Mux                                          paths, methods, /.well-known/core
//	Doer, Observer                               send, as http.Client does
//	Endpoint (Listen, ListenDTLS), Client (Dial) UDP and DTLS: client and server on one socket
//	Conn, StreamServer, WebSocketHandler         TCP, TLS, WebSockets (RFC 8323)
//	Blockwise, BlockwiseClient                   RFC 7959 around either
//	Pool                                         handlers that may wait
//
// One goroutine reads each socket and calls the handlers. No goroutine and no
// growing state belongs to a peer:
//
//	datagram -> lane -> dedup (peer, Message ID) -> known: the same answer again
//	                      | new
//	                      v
//	             exchange: options, No-Response, Echo -> Handler -> Response
//	                      |                                           |
//	                      v          answered at once                 v
//	             left to the handler <- or not ->  acknowledgement with the response
//	             Empty acknowledgement, later a separate response (transmission)
//
// A request in the plain path costs no allocation. A handler that may wait is
// wrapped by Pool.Handler; it is the only place where requests queue.
//
// The wire format is our own code. go-coap's udp/coder was looked at for it
// and found too lax for an endpoint that stands in the open: it takes a
// payload marker without payload, bytes behind an Empty message, and drops
// options of a wrong length, critical ones included; and it knows no extended
// tokens (RFC 8974). recvmmsg and sendmmsg are called directly as well: those
// of golang.org/x/net allocate twice for each datagram.
//
// What the package does not do is listed in docs/reference/coap.md.
package coap
