// Package oscoreprofile implements the OSCORE profile of ACE, coap_oscore (RFC
// 9203): how a client and a resource server make an OSCORE security context of an
// access token.
//
//	Client                                                           RS
//	Initiator.Upload                                                  |
//	Upload ------- POST /authz-info: token, N1, ID1 -----> ReceivedPost.Verify
//	   |                                                   VerifiedPost.Respond
//	Upload.ProcessResponse <------ 2.01: N2, ID2 --------- PendingContext
//	Established                                                       | Confirm
//	   |========================= OSCORE request ====================>|
//
// Each step uses its value up: a second one returns [ErrSpent]. Master Salt = salt
// | N1 | N2 (Section 4.3), so that the same token makes another context each time
// it is posted.
//
// [AuthzInfo] is the whole endpoint of the RS: it verifies the token with package
// rs, makes the context, and installs all or nothing of it. Tokens and contexts of
// clients that were heard of only, and have not yet used their context, are kept
// apart: replaying a post costs nobody his context (Section 7).
//
// The communication with authz-info is not protected, and neither are its errors,
// but for the update of access rights (RFC 9203, Appendix A).
//
//spec:9200-5.10.1-9
package oscoreprofile
