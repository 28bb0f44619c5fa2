// Package rs is the resource server's part of ACE-OAuth (RFC 9200, Sections 5.3
// and 5.10): it verifies access tokens, keeps them, and says which requests they
// allow.
//
//	authz-info:  token --Verify--> *Token --Add--> unconfirmed
//	                                                   | first request verifies: Confirm
//	                                                   v
//	requests:    subject, method, path --Authorize--> Grant  or 4.01, 4.03, 4.05
//	                                                   |
//	update:      token --Verify--> *Token --Update-----+
//	                                                   v
//	expired, replaced, revoked, evicted, removed: observations end, then the
//	security association
//
// A posted token proves nothing: whoever saw it on its way can post it again. It
// is unconfirmed until a request over the security association made from it
// verifies, and until then it takes nothing from anybody. Then it replaces the
// client's former token: there is one for each client (RFC 9203, Section 7).
//
// Beside the tokens stand the rights that the owner of the RS gives without one,
// see [Standing].
//
// A subject names one security association, not one client. The package knows no
// security protocol: package oscoreprofile makes the associations of RFC 9203 and
// has the authz-info endpoint.
package rs
