// Package as is the authorization server of ACE-OAuth: its token endpoint and its
// introspection endpoint as functions of bytes (RFC 9200, Sections 5.8 and 5.9; RFC
// 9203, Section 3), for the grant type client_credentials.
//
//	who, payload --> client, request      invalid_client, unauthorized_client,
//	                                      invalid_request, unsupported_grant_type
//	             --> audience, RSs        invalid_request
//	             --> profile, key         incompatible_ace_profiles, unsupported_pop_key
//	             --> policy, scope        invalid_scope
//	             --> token                ids are durable before they are used
//	             --> Ledger.Record        5.00, and no token leaves
//	payload      <-- answer
//
// At introspection an RS asks about a token: what the ledger knows as live and for
// this RS, and what the RS's key opens, is active.
//
// The caller has authenticated the client or RS, over a channel that is encrypted,
// protected against replay, and binds answers to requests (RFC 9200, Section
// 6.5).
package as
