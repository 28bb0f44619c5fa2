// Package acecoap binds ACE (RFC 9200) with the OSCORE profile (RFC 9203) to
// CoAP: the token endpoint of an authorization server, and a resource server
// around an application's handlers.
//
//	rs, err := acecoap.NewResourceServer(cfg, app) // app is a coap.Handler
//	...
//	server.Handler = rs
//
// From the datagram to app it is the pipeline of package oscorecoap; what ACE
// adds is in [ResourceServer.authorize] and the authz-info endpoint.
package acecoap
