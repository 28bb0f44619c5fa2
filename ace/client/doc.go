// Package client is the client's part of ACE-OAuth with the OSCORE profile (RFC
// 9200, RFC 9203): it gets an access token from an authorization server, posts it
// to a resource server and talks to it over OSCORE.
//
//	C                                   AS            RS
//	Token ------- over OSCORE --------->|              |
//	Access <----- token, cnf -----------|              |
//	Upload ------- POST /authz-info: token, N1, ID1 -->|
//	Session <----------------- N2, ID2 ----------------|
//	Session.Do <========= OSCORE requests ============>|
//	Session.Renew:  RFC 8613, Appendix B.2 with the next request
//	Session.Update: another token for the same context
//	Session.Repost: the same token again, a new context
//
// The package does cryptography and no input or output: a [Transport] carries CoAP
// messages.
//
// A [Session] must not survive the process: its sequence numbers do not. After a
// restart the application calls Upload again, with an [Access] that it kept (in a
// safe place: it holds the Master Secret) or a new one; N1 and N2 then make a
// context with other keys.
package client
