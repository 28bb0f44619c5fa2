// Package oscore implements Object Security for Constrained RESTful Environments,
// RFC 8613, with its Appendices B.1 and B.2. It is pure: messages in, messages out,
// no socket, no clock, no logger, and it knows no CoAP library.
//
//	        Client                                       Server
//	Message                                                         Message
//	   | Association.ProtectRequest                                     ^
//	   v                                            Contexts.VerifyRequest |
//	Protected ------------------ OSCORE request ----------------> Protected
//	ClientExchange                                           ServerExchange
//	Protected <----------------- OSCORE response ---------------- Protected
//	   | ClientExchange.VerifyResponse                                  ^
//	   v                               ServerExchange.ProtectResponse   |
//	Message                                                         Message
//
// The four verbs are the headings of Section 8. A [Context] is the Common, Sender
// and Recipient Context of Section 3.1. An [Association] is one peer: its input
// parameters and the Context in use, which the protocol of Appendix B.2 replaces.
// [Contexts] is an endpoint's table of associations.
//
// Whoever receives a request answers an error with [ErrorMessage], which is the
// one message to send whatever the error is. Whoever receives a response and gets a
// [*Retry] protects the original request again and sends that.
//
// Every value is safe in its plain use. A server that handles one request at a
// time in each of its workers saves all allocations with a [Scratch] each.
package oscore
