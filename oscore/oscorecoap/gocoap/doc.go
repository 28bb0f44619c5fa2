// Package gocoap runs a coap.Handler on a UDP server of
// github.com/plgd-dev/go-coap/v3, and sends requests over one: for programs
// that use go-coap already. Others take coap.Server and coap.Client, which are
// faster and do all of what is missing here.
//
//	datagram -> go-coap: socket, codec -> request monitor -> Handler
//	                                                            |
//	datagram <- go-coap: codec, socket <----- Respond <---------+
//
// go-coap offers two hooks for received messages. WithProcessReceivedMessageFunc
// is called behind a queue of each peer, which blocks the one goroutine that
// reads the socket when it is full; WithRequestMonitor is called in front of
// it. This package takes the second and does the message layer itself, because
// go-coap's would break promises of this module:
//
//   - Its cache of answers to duplicates dies with its connection, and that
//     dies of one malformed datagram with a forged source: a duplicate would
//     be executed a second time. Here the cache belongs to the endpoint.
//   - A handler that is slow for one peer fills that peer's queue and then
//     stalls all peers. Here each request has its own goroutine, so many at
//     most for each peer and for all; beyond that a request is dropped, and
//     the peer's retransmission takes its place.
//   - It accepts a request with a critical option nobody knows. Here it is
//     refused with 4.02 (RFC 7252, Section 5.4.1).
//   - Its block-wise transfer works on messages as they are on the wire, and
//     knows no FETCH. It is switched off. Wrap a Handler in coap.Blockwise;
//     inside OSCORE, package oscorecoap has its own.
//   - It retransmits by a timer of four seconds that does not back off, and
//     answers a CoAP ping with an acknowledgement instead of a Reset message.
//
// What remains of go-coap, and cannot be mended from outside: a goroutine and
// about 11 kB for each remote address heard of in the last 16 seconds, forged
// ones included; some 70 allocations for a request; an option of a known number
// and illegal length disappears before anybody can refuse it; a payload marker
// without payload is no error; a malformed Confirmable message gets no Reset
// message; no extended tokens (RFC 8974). Nor does anything here ask a peer to
// show its address before a long answer in clear (RFC 9175, Section 2.4): what a
// handler says to anybody should be short.
package gocoap
